"""`rotate`, `revoke` and `certificates` as a person or a program sees them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from flowerbed.cli import main
from flowerbed.identities import validity
from support.user_certificates import certificate, passes

DECLARATION = """version: 1
name: hospitals
tenants: [{name: north, nodes: 1}, {name: south, nodes: 1}]
users: [{name: ann}, {name: bob, role: viewer}]
"""
Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


class Desk:
    """A coordinator's folder, and commands run in it."""

    def __init__(self, folder: Path, capture: Capture) -> None:
        self.folder = folder / "bundles" / "hospitals"
        self.file = folder / "federation.yaml"
        self.file.write_text(DECLARATION)
        self._capture = capture
        self.run("generate")

    def run(self, *words: str, code: int = 0) -> str:
        assert main.run([*words, "-f", str(self.file)]) == code
        captured = self._capture.readouterr()
        return captured.out + captured.err

    def certificates(self, code: int = 0) -> list[dict[str, str]]:
        assert main.run(["certificates", "--json", "-f", str(self.file)]) == code
        found = json.loads(self._capture.readouterr().out)
        assert found["usable"] == (code == 0)
        return list(found["certificates"])

    def states(self, code: int = 0) -> dict[str, str]:
        return {each["what"]: each["state"] for each in self.certificates(code)}


@pytest.fixture
def desk(tmp_path: Path, capsys: Capture) -> Desk:
    return Desk(tmp_path, capsys)


APPLY = "now run `flowerbed apply`\n"
HAND = "now hand their directories to the users: "


@pytest.mark.parametrize(
    ("words", "changed", "users"),
    [
        (("rotate", "certificate", "--server"), ["coordinator"], ""),
        (("rotate", "certificate", "--user", "ann"), ["users/ann"], "ann"),
        (("rotate", "certificate", "--user", "ann", "--revoke-old"), ["coordinator", "users/ann"], "ann"),
        (("rotate", "key", "north"), ["coordinator", "tenants/north"], ""),
        (("revoke", "user", "ann"), ["coordinator"], ""),
        (("revoke", "node", "north/0"), ["coordinator"], ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_to_be_done_is_what_changed(
    words: tuple[str, ...], changed: list[str], users: str, desk: Desk
) -> None:
    """Exactly the changed directories are named, their users, and `apply` where it is needed."""
    said = desk.run(*words)
    assert [line for line in said.splitlines() if line.startswith("changed: ")] == [
        f"changed: {desk.folder / name}" for name in changed
    ]
    assert (APPLY in said) == (changed != ["users/ann"])
    assert (f"{HAND}{users}\n" in said) == bool(users)
    assert (HAND in said) == bool(users)


def test_a_lowered_role_raises_no_alarm(desk: Desk) -> None:
    """The gateway takes the role from the list, so no word of copies that keep the last one."""
    desk.file.write_text(DECLARATION.replace("{name: ann}", "{name: ann, role: viewer}"))
    said = desk.run("generate")
    assert "renewed: the last one says ann, submitter; role viewer, valid until " in said
    assert "copies" not in said
    assert "hand users/ann to the user" in said


def test_revoking_needs_neither_record_nor_certificate(desk: Desk) -> None:
    """A lost plan.json and a damaged certificate keep nobody from being revoked."""
    held = certificate(desk.folder, "ann")
    (desk.folder / "plan.json").unlink()
    (desk.folder / "users/ann/client.crt").write_text("damaged")
    assert passes(desk.folder, held)
    desk.run("revoke", "user", "ann")
    assert not passes(desk.folder, held)
    desk.run("rotate", "certificate", "--user", "ann")
    assert [passes(desk.folder, each) for each in (held, certificate(desk.folder, "ann"))] == [False, True]


def test_revoking_twice_changes_nothing(desk: Desk, monkeypatch: Patch) -> None:
    """The time of a revocation stays as long as nothing was issued since."""
    desk.run("revoke", "user", "ann")
    before = (desk.folder / "revoked.json").read_bytes()
    later = validity.now() + timedelta(days=1)
    monkeypatch.setattr(validity, "now", lambda: later)
    said = desk.run("revoke", "user", "ann")
    assert "the certificates of ann were revoked before" in said
    assert "nothing changed" in said
    assert (desk.folder / "revoked.json").read_bytes() == before


def test_a_node_is_revoked_though_its_keys_are_damaged(desk: Desk) -> None:
    """The recorded public key is enough."""
    (desk.folder / "tenants/north/secrets.yaml").write_text("damaged")
    said = desk.run("revoke", "tenant", "north")
    assert "problem: tenants/north: " in said
    values = yaml.safe_load((desk.folder / "coordinator/values.yaml").read_text())
    assert list(values["admission"]["nodes"]) == ["hospitals-south-0"]
    assert len(values["revoked"]["keys"]) == 1


def test_every_live_certificate_is_listed(desk: Desk, monkeypatch: Patch) -> None:
    """Those at hand, then all earlier ones that have not ended, each with what is so of it."""
    start = validity.now()

    def on(day: float) -> None:
        monkeypatch.setattr(validity, "now", lambda: start + timedelta(days=day))

    desk.run("rotate", "certificate", "--user", "ann")
    desk.run("rotate", "certificate", "--user", "bob", "--revoke-old")
    desk.run("rotate", "certificate", "--server")
    assert desk.states() == {
        "CA": "valid",
        "gateway": "valid",
        "user ann": "valid",
        "user bob": "valid",
        "gateway, earlier": "valid",
        "user ann, earlier": "valid",
        "user bob, earlier": "revoked",
    }
    on(250)
    assert desk.states()["user ann"] == "expiring"
    assert "warning: `flowerbed apply` (or `generate`) renews" in desk.run("certificates")
    on(366)
    expired = {name: state for name, state in desk.states(code=1).items() if state == "expired"}
    assert set(expired) == {"gateway", "user ann", "user bob"}
    desk.run("generate")
    assert set(desk.states().values()) == {"valid"}


def test_certificates_of_a_ca_that_was_dropped_are_untrusted(desk: Desk) -> None:
    """After step 3 what the old CA signed is refused by TLS, and so it is listed."""
    before = {each["serial"] for each in desk.certificates() if each["what"] != "CA"}
    for step in range(3):
        desk.run("rotate", "ca", *(["--distributed"] if step else []))
        if step < 2:
            assert "untrusted" not in desk.states().values()
    states = {each["serial"]: each["state"] for each in desk.certificates()}
    assert {states[serial] for serial in before} == {"untrusted"}


def test_a_damaged_certificate_is_listed_and_ends_with_1(desk: Desk) -> None:
    """It hides no other one, and its own dates are still in the record."""
    assert "user bob, earlier" not in desk.states()
    (desk.folder / "users/bob/client.crt").write_text("damaged")
    assert {name: state for name, state in desk.states(code=1).items() if state != "valid"} == {
        "user bob": "damaged",
    }
    assert desk.states(code=1)["user bob, earlier"] == "valid"
    assert "users/bob" in desk.run("certificates", code=1)


def test_the_record_is_private_and_holds_each_certificate(desk: Desk) -> None:
    """Serial, kind, name, role, begin and end: for the CA, the gateway and both users."""
    path = desk.folder / "ca/issued.json"
    assert path.stat().st_mode & 0o777 == 0o600
    found = json.loads(path.read_text())
    assert [(each["kind"], each.get("role", "")) for each in found] == [
        ("ca", ""),
        ("user", "submitter"),
        ("user", "viewer"),
        ("server", ""),
    ]
    ann = certificate(desk.folder, "ann").parsed
    assert found[1]["serial"] == f"{ann.serial_number:x}"
    assert found[1]["not-after"] == f"{ann.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
