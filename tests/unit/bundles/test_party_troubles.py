"""One party's trouble is told, and never another's: least of all does it keep a revocation from the lists."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from flowerbed import identities
from flowerbed.bundles import GenerateReport, generate
from flowerbed.cli import main
from flowerbed.errors import IdentityError, UnreadableError
from flowerbed.identities import CertificateAuthority, validity
from flowerbed.identities.revocations import revoke_users
from flowerbed.plan import User
from support.bundle_files import admitted, marks, touched
from support.plan_variants import change
from support.plans import federation, tenant
from support.user_certificates import certificate, passes

PLAN = change(
    federation(tenant("north"), tenant("south", 1)),
    users=(User(name="analyst", role="submitter"), User(name="bob", role="viewer")),
)
STRANGER = CertificateAuthority.create("hospitals")


def garbage(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(b"garbage")


def missing(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def a_link(folder: Path) -> None:
    (folder / "users/bob/client.crt").unlink()
    (folder / "users/bob/client.crt").symlink_to(os.devnull)


def another_ca(folder: Path) -> None:
    (folder / "ca/ca.crt").write_bytes(STRANGER.certificate)


TROUBLES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a user's certificate is damaged": ("users/bob", garbage("users/bob/client.crt")),
    "a user's key is damaged": ("users/bob", garbage("users/bob/client.key")),
    "half a user's pair is lost": ("users/bob", missing("users/bob/client.key")),
    "a link in a user's place": ("users/bob", a_link),
    "a tenant's keys are damaged": ("tenants/south", garbage("tenants/south/secrets.yaml")),
    "the coordinator's Secrets are damaged": ("coordinator", garbage("coordinator/secrets.yaml")),
    "the CA's key is damaged": ("ca", garbage("ca/ca.key")),
    "the CA's key is lost": ("ca", missing("ca/ca.key")),
    "the CA's certificate is damaged": ("ca", garbage("ca/ca.crt")),
    "the CA's certificate is another's": ("ca", another_ca),
    "the record of certificates is damaged": ("ca/issued.json", garbage("ca/issued.json")),
}
each_trouble = pytest.mark.parametrize("name", TROUBLES)
# What a revocation changes.
LISTS = {"coordinator/values.yaml", "revoked.json", "plan.json"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the bundles of PLAN."""
    generate(PLAN, tmp_path)
    return tmp_path


def parties(report: GenerateReport) -> set[str]:
    return {trouble.party for trouble in report.troubles}


@each_trouble
@pytest.mark.parametrize("record", [True, False])
def test_revoking_goes_on(name: str, record: bool, folder: Path) -> None:
    """The revocation is in the lists, nobody else is touched, no node leaves; the trouble is told."""
    party, harm = TROUBLES[name]
    nodes, analyst = admitted(folder), certificate(folder, "analyst")
    harm(folder)
    if not record:
        (folder / "plan.json").unlink()
    before = marks(folder)
    assert passes(folder, analyst)
    revoke_users(folder, ["analyst"])
    report = generate(PLAN, folder)
    assert parties(report) == {party}
    assert all(trouble.remedy for trouble in report.troubles)
    assert not passes(folder, analyst)
    assert admitted(folder) == nodes
    assert list(yaml.safe_load((folder / "coordinator/values.yaml").read_text())["users"]) == ["bob"]
    assert touched(before, marks(folder)) <= LISTS
    again = marks(folder)
    assert parties(generate(PLAN, folder)) == {party}
    assert touched(again, marks(folder)) == set()


@each_trouble
def test_others_are_renewed(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A year later everybody else's certificates are renewed, as far as there is a CA to do so."""
    party, harm = TROUBLES[name]
    harm(folder)
    later = validity.now() + timedelta(days=300)
    monkeypatch.setattr(validity, "now", lambda: later)
    report = generate(PLAN, folder)
    assert parties(report) == {party}
    wanted = set() if party == "ca" else {"users/analyst", "users/bob"} - {party}
    assert set(report.hand_out) == wanted
    renewed_server = "coordinator/secrets.yaml" in report.updated
    assert renewed_server == (party not in {"ca", "coordinator"})


def test_a_trouble_ends_when_its_file_is_back(folder: Path) -> None:
    """The next generation looks again."""
    path = folder / "tenants/south/secrets.yaml"
    whole = path.read_bytes()
    path.write_bytes(b"garbage")
    assert parties(generate(PLAN, folder)) == {"tenants/south"}
    path.write_bytes(whole)
    report = generate(PLAN, folder)
    assert (report.troubles, report.created) == ((), ())


def test_an_expired_ca_is_told_and_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the CA expired, revoking works; the message names the first step, the second ends the trouble."""
    file = tmp_path / "federation.yaml"
    file.write_text("version: 1\nname: hospitals\ntenants: [{name: north, nodes: 1}]\nusers: [{name: bob}]\n")
    assert main.run(["generate", str(file)]) == 0
    later = validity.now() + timedelta(days=3700)
    monkeypatch.setattr(validity, "now", lambda: later)
    capsys.readouterr()
    assert main.run(["generate", str(file), "--json"]) == 1
    troubles = json.loads(capsys.readouterr().out)["troubles"]
    ca = next(each for each in troubles if each["party"] == "ca")
    assert "beginning with `flowerbed rotate ca`" in ca["remedy"]
    assert main.run(["revoke", "user", "bob", "-f", str(file)]) == 0
    values = yaml.safe_load((tmp_path / "bundles/hospitals/coordinator/values.yaml").read_text())
    assert (values["users"], list(values["revoked"]["users"])) == ({}, ["bob"])
    assert main.run(["rotate", "ca", "-f", str(file)]) == 0
    assert main.run(["rotate", "ca", "--distributed", "-f", str(file)]) == 0
    assert main.run(["generate", str(file)]) == 0


@pytest.mark.parametrize("name", [name for name, (party, _) in TROUBLES.items() if "/" in party])
def test_the_others_are_loaded(name: str, folder: Path) -> None:
    """The local federation starts without the party that has the trouble, and with all others."""
    party, harm = TROUBLES[name]
    harm(folder)
    loaded = identities.load(PLAN, folder, without={party})
    assert set(loaded.users) == {"analyst", "bob"} - {party.removeprefix("users/")}
    south = {"hospitals-south-0"} if party == "tenants/south" else set()
    assert set(loaded.node_keys) == {"hospitals-north-0", "hospitals-north-1", "hospitals-south-0"} - south
    if party != "ca/issued.json":
        with pytest.raises((IdentityError, UnreadableError)):
            identities.load(PLAN, folder)
