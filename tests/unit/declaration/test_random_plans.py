"""The plan: random federations arrive whole, and large ones in time."""

from __future__ import annotations

import ipaddress
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowerbed import names
from flowerbed.declaration import load_plan
from support.declarations import plan_of


def a_name(chosen: random.Random, limit: int) -> str:
    inside = "".join(chosen.choices("abcxyz0189-", k=chosen.randint(0, limit - 2)))
    return chosen.choice("abz") + inside + chosen.choice("az09")


def a_config(chosen: random.Random) -> dict[str, Any]:
    letters = "aZ0 é日🌻:#'\"{}[]\\\n\t$%&*!|>"
    kinds: list[Callable[[], object]] = [
        lambda: "".join(chosen.choices(letters, k=chosen.randint(0, 12))),
        lambda: chosen.randint(-(2**63), 2**63 - 1),
        lambda: chosen.uniform(-1e9, 1e9),
        lambda: chosen.random() < 0.5,
    ]
    return {f"key-{index}": chosen.choice(kinds)() for index in range(chosen.randint(0, 5))}


def a_federation(seed: int) -> dict[str, Any]:
    """Return a valid declaration as data, always the same for a seed."""
    chosen = random.Random(seed)
    taken = {f"{a_name(chosen, 20)}{index}" for index in range(chosen.randint(1, 8))}
    tenants = []
    for name in sorted(taken):
        count = chosen.randint(1, 4)
        nodes: int | list[dict[str, Any]] = count
        if chosen.random() < 0.4:
            nodes = [{"config": a_config(chosen)} for _ in range(count)]
        tenants.append(
            {"name": name, "nodes": nodes, "config": a_config(chosen), "namespace": a_name(chosen, 63)}
        )
    users = [
        {"name": f"{a_name(chosen, 30)}{index}", "role": "viewer"} for index in range(chosen.randint(0, 3))
    ]
    return {"version": 1, "name": a_name(chosen, 25), "tenants": tenants, "users": users}


@pytest.mark.parametrize("seed", range(80))
def test_random_federations_arrive_whole(seed: int, tmp_path: Path) -> None:
    """Names and config of any valid declaration arrive as declared; derived names are fit for Kubernetes."""
    data = a_federation(seed)
    plan = plan_of(yaml.safe_dump(data, allow_unicode=bool(seed % 2)), tmp_path)
    assert [user.name for user in plan.users] == [user["name"] for user in data["users"]]
    for tenant, said in zip(plan.tenants, data["tenants"], strict=True):
        specs = said["nodes"] if isinstance(said["nodes"], list) else [{}] * said["nodes"]
        expected = [{**said["config"], **spec.get("config", {})} for spec in specs]
        assert [node.config for node in tenant.nodes] == expected
        assert [type(v) for n in tenant.nodes for v in n.config.values()] == [
            type(v) for c in expected for v in c.values()
        ]
    objects = [tenant.release for tenant in plan.tenants] + [node.name for node in plan.nodes]
    objects += [plan.superlink.fleet.service, plan.superlink.control.service, plan.superlink.runtime.service]
    assert len(set(objects)) == len(objects)
    assert all(len(name) <= names.DNS_LABEL_LIMIT for name in objects)
    assert all(ipaddress.ip_address(address) for address in plan.superlink.tls.ip_addresses)


def seconds_for(tenants: int, folder: Path) -> float:
    entries = "".join(
        f"  - {{name: t{index}, nodes: 2, config: {{site: s{index}}}}}\n" for index in range(tenants)
    )
    file = folder / f"{tenants}.yaml"
    file.write_text(f"version: 1\nname: a\ntenants:\n{entries}")
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        load_plan(file)
        best = min(best, time.process_time() - start)
    return best


def test_work_grows_with_the_tenants_and_no_faster(tmp_path: Path) -> None:
    """Eight times the tenants take about eight times the work (a square would be sixty-four)."""
    assert seconds_for(2_000, tmp_path) < 20 * seconds_for(250, tmp_path)
