"""`flowerbed up` starts what the charts render: the same programs and flags, or a reason why not."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowerbed.declaration import load_plan
from flowerbed.local import commands
from flowerbed.local.commands import Command, LocalLayout, purposes
from flowerbed.local.state import StateDirectory
from flowerbed.plan import Plan
from support.chart_release import CASES, Release
from support.paths import ROOT

SETUPS = sorted(path.parent.name for path in ROOT.glob("values/*/federation.yaml"))
# Names of files, addresses and ports are each side's own; every other value has to be the same.
PLACES = {
    "--ssl-certfile", "--ssl-keyfile", "--ssl-ca-certfile", "--database", "--superexec-auth-secret-file",
    "--root-certificates", "--auth-supernode-private-key", "--node-config", "--state", "--nodes", "--revoked",
    "--revoked-users", "--kept", "--superlink", "--runtime-api-address", "--port",
}  # fmt: skip


@dataclass(frozen=True)
class Reason:
    """Why flags of a program may differ, and when: one `side` alone has them, or the `value` differs."""

    program: str
    side: str
    when: str
    flags: tuple[str, ...]
    why: str


TLS = ("--ssl-certfile", "--ssl-keyfile", "--ssl-ca-certfile")
REASONS = [
    Reason("supernode", "chart", "always", ("--reason-file",), "a probe tells it; here the log does"),
    Reason("supernode", "chart", "always", ("--observer",), "probes ask it; here the supervisor asks Flower"),
    Reason("supernode", "here", "subprocess", ("--host",), "the default does in a pod"),
    Reason("supernode", "here", "subprocess", ("--port",), "here all nodes share one machine"),
    Reason("supernode", "chart", "apart", TLS, "its SuperExec dials it over the network; here over loopback"),
    Reason("supernode", "value", "apart", ("--host",), "the same"),
    Reason("superexec", "chart", "apart", ("--root-certificates",), "the same"),
    Reason("superexec", "here", "apart", ("--insecure",), "the same"),
    Reason("superexec", "chart", "kubernetes", ("--executor", "--executor-config"), "there are no pods here"),
    Reason("supernode", "here", "public", ("--root-certificates",), "here the certificate is the own CA's"),
    Reason("registrar", "chart", "always", ("--interval",), "a value; here it is the program's default"),
    Reason(
        "registrar", "chart", "always", ("--max-removals",), "here a removed node's key is deleted as well"
    ),
]
Difference = tuple[str, str, str]  # program, side, flag
# That dependencies are installed is off by default but in the SuperLink, where both sides give the flag.
SWITCHES = ("FLWR_TELEMETRY_ENABLED", "FLWR_DISABLE_UPDATE_CHECK")


def plan_of(setup: str) -> Plan:
    return load_plan(ROOT / "values" / setup / "federation.yaml")


def release_of(setup: str, party: str) -> Release:
    file = ROOT / "values" / setup / party / "values.yaml"
    return next(case for case in CASES if case.file == file).render()


def site_of(plan: Plan) -> LocalLayout:
    ports = {purpose: 20000 + number for number, purpose in enumerate(purposes(plan, gateway=True))}
    return LocalLayout(
        plan=plan,
        directory=StateDirectory(Path("/state")),
        ports=ports,
        gateway=True,
        python=Path("/python"),
        flower=Path("/flower"),
        gateway_config=Path("/haproxy.cfg"),
    )


def flags(arguments: Sequence[str]) -> dict[str, str]:
    """Return flags with their values, written `--flag=value` or `--flag value`; "" where there is none."""
    split = [part for text in arguments for part in (text.split("=", 1) if text[:2] == "--" else [text])]
    pairs = itertools.pairwise([*split, "--"])
    return {flag: "" if value[:2] == "--" else value for flag, value in pairs if flag[:2] == "--"}


def rendered(release: Release, name: str) -> list[str]:
    """Return the program and its arguments in the first pod that has a container of that name."""
    found = (item for pod in release.pods() for item in pod.containers if item["name"] == name)
    container = next(found)
    program = container["command"][-1].rpartition("/")[2]
    return [program, *container["args"]]


def started(command: Command) -> list[str]:
    start = 2 if command.arguments[0] == "/python" else 0  # a program by its name
    program, *rest = command.arguments[start:]
    return [program.rpartition("/")[2], *rest]


def differences(program: str, chart: list[str], here: list[str]) -> set[Difference]:
    """Return every flag that one side alone has, or that has another value."""
    assert chart[0] == here[0], program
    theirs, ours = flags(chart[1:]), flags(here[1:])
    both = theirs.keys() & ours.keys() - PLACES
    sides = {
        "chart": theirs.keys() - ours.keys(),
        "here": ours.keys() - theirs.keys(),
        "value": {flag for flag in both if theirs[flag] != ours[flag]},
    }
    return {(program, side, flag) for side, found in sides.items() for flag in found}


def excused(conditions: set[str]) -> set[Difference]:
    """Return what may differ."""
    chosen = [reason for reason in REASONS if reason.when in conditions]
    return {(reason.program, reason.side, flag) for reason in chosen for flag in reason.flags}


def coordinator(setup: str) -> tuple[set[Difference], set[str]]:
    """Return how SuperLink, registrar and the ServerApps' SuperExec differ, and the conditions."""
    plan = plan_of(setup)
    release, site = release_of(setup, "coordinator"), site_of(plan)
    pairs = {"superlink": commands.superlink(site), "superexec": commands.superexec(site)}
    if plan.admission == "listed" and not plan.insecure:
        pairs["registrar"] = commands.registrar(site)
    found = {name: differences(name, rendered(release, name), started(here)) for name, here in pairs.items()}
    return set().union(*found.values()), {"always", plan.superlink.executor}


def nodes(setup: str, name: str) -> tuple[set[Difference], set[str]]:
    """Return how a tenant's SuperNode and the ClientApps' SuperExec differ, and the conditions."""
    plan = plan_of(setup)
    (tenant,) = [tenant for tenant in plan.tenants if tenant.name == name]
    release, site = release_of(setup, f"tenants/{name}"), site_of(plan)
    pairs = {"supernode": commands.supernode(site, tenant, tenant.nodes[0])}
    process = tenant.isolation == "process"
    if process:
        pairs["superexec"] = commands.node_superexec(site, tenant, tenant.nodes[0])
    found = {key: differences(key, rendered(release, key), started(here)) for key, here in pairs.items()}
    conditions = {"always", tenant.executor if process else "subprocess"}
    if process and tenant.executor != "sidecar":
        conditions.add("apart")
    if "--root-certificates" not in flags(rendered(release, "supernode")) and not plan.insecure:
        conditions.add("public")
    return set().union(*found.values()), conditions


TENANTS = [(setup, tenant.name) for setup in SETUPS for tenant in plan_of(setup).tenants]


@pytest.mark.parametrize("setup", SETUPS)
def test_the_coordinators_programs(setup: str) -> None:
    """SuperLink, registrar and the SuperExec of ServerApps have the same flags, but for REASONS."""
    found, conditions = coordinator(setup)
    assert found - excused(conditions) == set()


@pytest.mark.parametrize(("setup", "name"), TENANTS)
def test_a_tenants_programs(setup: str, name: str) -> None:
    """SuperNode and the SuperExec of ClientApps have the same flags, but for REASONS."""
    found, conditions = nodes(setup, name)
    assert found - excused(conditions) == set()


def test_each_reason_is_needed() -> None:
    """A difference that is gone leaves REASONS."""
    found = set().union(
        *(coordinator(setup)[0] for setup in SETUPS), *(nodes(*place)[0] for place in TENANTS)
    )
    everything = excused({reason.when for reason in REASONS})
    assert everything - found == set()


@pytest.mark.parametrize("setup", SETUPS)
def test_what_would_leave_the_machine_is_off_on_both_sides(setup: str) -> None:
    """Flower's off-switches have the same values in every container that starts Flower as they have here."""
    off = {key: commands.FLOWER_ENVIRONMENT[key] for key in SWITCHES}
    parties = ["coordinator", *(f"tenants/{tenant.name}" for tenant in plan_of(setup).tenants)]
    for party in parties:
        for pod in release_of(setup, party).pods():
            for container in pod.containers:
                if container["name"] in {"superlink", "superexec", "supernode", "taskexecutor"}:
                    found = {item["name"]: item.get("value") for item in container["env"]}
                    assert off.items() <= found.items(), f"{pod.owner}: {container['name']}"


def test_a_difference_is_found() -> None:
    """The control: a flag of one side alone and another value are told, a port is not."""
    chart, here = (
        ["x", "--host=127.0.0.1", "--port=1", "--less"],
        ["x", "--host", "::1", "--port", "2", "--more"],
    )
    assert differences("x", chart, here) == {
        ("x", "value", "--host"),
        ("x", "chart", "--less"),
        ("x", "here", "--more"),
    }
