"""What a second generation touches: what changed, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from flowerbed.bundles import generate
from flowerbed.errors import UsageError
from flowerbed.identities import validity
from flowerbed.identities.store import Event
from flowerbed.plan import Plan, User
from support.bundle_files import admitted, held, marks, touched
from support.plan_variants import change, rich_tenant, with_superlink
from support.plans import federation, tenant, with_tls

PLAN = federation(tenant("north"), tenant("south", 1), tenant("east", 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the bundles of PLAN."""
    generate(PLAN, tmp_path)
    return tmp_path


def test_the_same_plan_writes_nothing(folder: Path) -> None:
    """A second generation leaves every file as it is, time stamps included."""
    before = marks(folder)
    report = generate(PLAN, folder)
    assert touched(before, marks(folder)) == set()
    assert set(report.unchanged) == before.keys()
    assert (report.created, report.updated, report.removed) == ((), (), ())


def test_the_same_plan_reads_no_key(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A generation that changes nothing passes over every part: neither cryptography nor Jinja is needed."""
    plan = tmp_path_factory.mktemp("plan") / "plan.json"
    plan.write_text(json.dumps(json.loads((folder / "plan.json").read_text())["plan"]))
    program = (
        "import sys, msgspec; from pathlib import Path\n"
        "from flowerbed.plan import Plan; from flowerbed.bundles import generate\n"
        "plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)\n"
        "generate(plan, Path(sys.argv[2]))\n"
        "print([name for name in ('cryptography', 'jinja2') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(plan)]
    unchanged = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=True)
    assert unchanged.stdout == "[]\n"
    fresh = subprocess.run([*command, str(plan.parent / "fresh")], capture_output=True, text=True, check=True)
    assert fresh.stdout == "['cryptography', 'jinja2']\n"


TENANT = {"values.yaml", "INSTALL.md", "secrets.yaml", "ca.crt"}
CHANGES: dict[str, tuple[Callable[[Plan], Plan], set[str]]] = {
    "a tenant's config": (
        lambda plan: with_tenant(plan, 0, nodes=rich_tenant().nodes[:2]),
        {"tenants/north/values.yaml"},
    ),
    "a node more": (
        lambda plan: with_tenant(plan, 0, nodes=tenant("north", 3).nodes),
        {"tenants/north/values.yaml", "tenants/north/secrets.yaml", "coordinator/values.yaml"},
    ),
    "a tenant's context": (
        lambda plan: with_tenant(plan, 0, context="elsewhere"),
        {"tenants/north/values.yaml", "tenants/north/INSTALL.md", "coordinator/values.yaml"},
    ),
    "a tenant's namespace": (
        lambda plan: with_tenant(plan, 0, namespace="other"),
        {"tenants/north/secrets.yaml", "tenants/north/INSTALL.md", "coordinator/values.yaml"},
    ),
    "a tenant more": (
        lambda plan: change(plan, tenants=(*plan.tenants, tenant("west"))),
        {f"tenants/west/{name}" for name in TENANT} | {"coordinator/values.yaml"},
    ),
    "a user more": (
        lambda plan: change(plan, users=(*plan.users, User(name="lead", role="operator"))),
        {f"users/lead/{name}" for name in ("connection.toml", "ca.crt", "client.crt", "client.key")}
        | {"coordinator/values.yaml", "ca/issued.json"},
    ),
    "a user's role": (
        lambda plan: change(plan, users=(User(name="analyst", role="viewer"),)),
        {"users/analyst/client.crt", "users/analyst/client.key", "coordinator/values.yaml", "ca/issued.json"},
    ),
    "the SuperLink's storage": (
        lambda plan: with_superlink(plan, storage=change(plan.superlink.storage, size="5Gi")),
        {"coordinator/values.yaml"},
    ),
    "a name of the server": (
        lambda plan: with_tls(plan, dns_names=(*plan.superlink.tls.dns_names, "new.example.org")),
        {"coordinator/secrets.yaml", "ca/issued.json"},
    ),
    "ports of the local federation": (lambda plan: change(plan, local=change(plan.local, fleet=9999)), set()),
}


def with_tenant(plan: Plan, index: int, **changes: object) -> Plan:
    tenants = list(plan.tenants)
    tenants[index] = change(tenants[index], **changes)
    return change(plan, tenants=tuple(tenants))


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_touches_its_own_files(what: str, folder: Path) -> None:
    """A change is written where it belongs, into the record, and nowhere else; the way back undoes it."""
    make, expected = CHANGES[what]
    before = marks(folder)
    changed = make(PLAN)
    report = generate(changed, folder)
    assert touched(before, marks(folder)) == {*expected, "plan.json"} == {*report.created, *report.updated}
    assert admitted(folder) == held(changed, folder)
    again = marks(folder)
    generate(changed, folder)
    assert touched(again, marks(folder)) == set()


def test_keys_stay_when_nodes_are_added(folder: Path) -> None:
    """A new node gets a key; the others keep theirs."""
    before = held(PLAN, folder)
    changed = CHANGES["a node more"][0](PLAN)
    generate(changed, folder)
    after = held(changed, folder)
    assert before.items() < after.items()
    assert set(after) - set(before) == {"hospitals-north-2"}


@pytest.mark.parametrize(
    "name",
    [
        "tenants/north/values.yaml",
        "tenants/north/INSTALL.md",
        "tenants/north/ca.crt",
        "users/analyst/connection.toml",
        "users/analyst/ca.crt",
        "coordinator/values.yaml",
        "plan.json",
    ],
)
@pytest.mark.parametrize("harm", ["deleted", "edited", "edited in its length", "emptied"])
def test_harm_is_repaired(name: str, harm: str, folder: Path) -> None:
    """A file that was deleted or edited by hand is as before, and no other is touched."""
    path = folder / name
    before = marks(folder)
    data = path.read_bytes()
    if harm == "deleted":
        path.unlink()
    else:
        text = {"edited": data + b"# mine\n", "edited in its length": data[:-2] + b"!\n", "emptied": b""}[
            harm
        ]
        path.write_bytes(text)
        os.utime(path, ns=(before[name][1], before[name][1]))
    report = generate(PLAN, folder)
    after = marks(folder)
    assert after[name][2] == data
    assert touched(before, after) <= {name}
    assert (report.created if harm == "deleted" else report.updated) == (name,)


def test_a_mode_that_was_opened_is_tightened(folder: Path) -> None:
    """A secret file or a folder that others could read is closed again, and it is said."""
    heard: list[Event] = []
    (folder / "tenants/north/secrets.yaml").chmod(0o644)
    (folder / "tenants/south").chmod(0o755)
    generate(PLAN, folder, tell=heard.append)
    assert (folder / "tenants/north/secrets.yaml").stat().st_mode & 0o777 == 0o600
    assert (folder / "tenants/south").stat().st_mode & 0o777 == 0o700
    assert [event.kind for event in heard] == ["tightened"]


def test_lost_keys_are_made_anew_and_admitted(folder: Path) -> None:
    """A tenant whose keys are gone gets new ones, and the coordinator's list follows."""
    before = held(PLAN, folder)
    (folder / "tenants/north/secrets.yaml").unlink()
    generate(PLAN, folder)
    after = held(PLAN, folder)
    assert admitted(folder) == after
    assert {name for name in after if after[name] != before[name]} == {
        "hospitals-north-0",
        "hospitals-north-1",
    }


def test_keys_put_back_are_admitted(folder: Path) -> None:
    """Keys restored from a backup are the ones that count."""
    path = folder / "tenants/north/secrets.yaml"
    backup, before = path.read_bytes(), held(PLAN, folder)
    path.unlink()
    generate(PLAN, folder)
    path.write_bytes(backup)
    generate(PLAN, folder)
    assert held(PLAN, folder) == before == admitted(folder)


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"not JSON", b'{"format": 0, "plan": {"name": "hospitals"}}', None]
)
def test_a_record_that_is_gone_costs_nothing_but_time(damage: bytes | None, folder: Path) -> None:
    """Without its record a generation looks at everything, keeps every key and writes the record again."""
    before = marks(folder)
    if damage is None:
        (folder / "plan.json").unlink()
    else:
        (folder / "plan.json").write_bytes(damage)
    generate(PLAN, folder)
    after = marks(folder)
    assert touched(before, after) == {"plan.json"}
    assert after["plan.json"][2] == before["plan.json"][2]


def test_another_federations_folder_is_refused(folder: Path) -> None:
    """Bundles of one federation are never mixed with another's."""
    before = marks(folder)
    with pytest.raises(UsageError, match="bundles of 'hospitals', not of 'clinics'"):
        generate(change(PLAN, name="clinics"), folder)
    assert touched(before, marks(folder)) == set()


@pytest.mark.parametrize(("days", "expected"), [(243, []), (244, ["renewed", "renewed"])])
def test_certificates_are_renewed_in_their_last_third(
    days: int, expected: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That time passes is no change of input; certificates are renewed all the same, once."""
    later = validity.now() + timedelta(days=days)
    monkeypatch.setattr(validity, "now", lambda: later)
    for wanted in (expected, []):
        heard: list[Event] = []
        report = generate(PLAN, folder, tell=heard.append)
        assert [event.kind for event in heard] == wanted
        assert report.hand_out == (("users/analyst",) if wanted else ())


def test_a_federation_turned_insecure_and_back(folder: Path) -> None:
    """The keys of CA, nodes and users survive an insecure interlude; texts follow it both ways."""
    remade = {"coordinator/secrets.yaml", "plan.json", "ca/issued.json"}
    before = {name: data for name, (_, _, data) in marks(folder).items() if name not in remade}
    generate(change(PLAN, insecure=True, admission="open"), folder)
    assert "insecure = true" in (folder / "users/analyst/connection.toml").read_text()
    assert not (folder / "tenants/north/ca.crt").exists()
    generate(PLAN, folder)
    assert {name: data for name, (_, _, data) in marks(folder).items() if name not in remade} == before
