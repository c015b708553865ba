"""Every way to end a user's certificates ends all that were ever issued; the newest of who goes on passes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flowerbed import identities
from flowerbed.bundles import generate
from flowerbed.identities import ClientCertificate, validity
from flowerbed.identities.authority_store import rotate_authority
from flowerbed.identities.revocations import FILE, add_revocations, read_revocations, revoke_users
from flowerbed.plan import Plan, User
from support.plan_variants import change
from support.plans import federation
from support.user_certificates import certificate, passes

PLAN = federation()
GONE = change(PLAN, users=(User(name="somebody", role="viewer"),))


class Life:
    """A federation, its folder, and every certificate that the user `analyst` ever had, the oldest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificates: list[ClientCertificate] = []
        self.generate()

    def generate(self, plan: Plan = PLAN) -> None:
        generate(plan, self.folder)
        if any(user.name == "analyst" for user in plan.users):
            self.keep()

    def keep(self) -> None:
        """Note the user's certificate, where there is one."""
        if not (self.folder / "users/analyst/client.crt").exists():
            return
        newest = certificate(self.folder, "analyst")
        if newest not in self.certificates:
            self.certificates.append(newest)

    def renew(self) -> None:
        authority = identities.ensure_authority(PLAN, self.folder)
        identities.ensure_user(PLAN, PLAN.users[0], self.folder, authority, renew="asked for")
        self.generate()

    def revoke(self) -> None:
        revoke_users(self.folder, ["analyst"])
        self.generate()

    def passing(self) -> list[int]:
        """Return which certificates pass, by number."""
        return [number for number, each in enumerate(self.certificates) if passes(self.folder, each)]


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path)


def renewed_twice(life: Life) -> None:
    life.renew()
    life.renew()


def role_changed(life: Life) -> None:
    life.generate(federation(role="operator"))


def new_ca(life: Life) -> None:
    rotate_authority(PLAN, life.folder, distributed=False)
    life.generate()
    rotate_authority(PLAN, life.folder, distributed=True)
    life.generate()


def record_lost(life: Life) -> None:
    life.renew()
    (life.folder / "plan.json").unlink()


def record_of_another_format(life: Life) -> None:
    life.renew()
    record = json.loads((life.folder / "plan.json").read_text())
    (life.folder / "plan.json").write_text(json.dumps(record | {"format": 0}))


def issued_lost(life: Life) -> None:
    life.renew()
    (life.folder / "ca/issued.json").unlink()


def both_lost(life: Life) -> None:
    record_lost(life)
    issued_lost(life)


def file_lost(life: Life) -> None:
    life.renew()
    for name in ("client.crt", "client.key"):
        (life.folder / "users/analyst" / name).unlink()


def left_and_back(life: Life) -> None:
    life.generate(GONE)
    life.generate()


def revoked_and_back(life: Life) -> None:
    life.revoke()
    life.renew()


WAYS = [
    renewed_twice,
    role_changed,
    new_ca,
    record_lost,
    record_of_another_format,
    issued_lost,
    both_lost,
    file_lost,
    left_and_back,
    revoked_and_back,
]
each_way = pytest.mark.parametrize("way", WAYS)
Way = Callable[[Life], None]


@each_way
def test_revoking_ends_every_certificate(life: Life, way: Way) -> None:
    """No certificate passes after it, not even with a role changed: the one that is asked for does."""
    way(life)
    assert life.passing()[-1:] == [len(life.certificates) - 1]
    life.revoke()
    assert life.passing() == []
    generate(federation(role="viewer"), life.folder)
    assert life.passing() == []
    life.renew()
    assert life.passing() == [len(life.certificates) - 1]


@each_way
@pytest.mark.parametrize("prune", [False, True])
def test_leaving_ends_every_certificate(life: Life, way: Way, prune: bool) -> None:
    """Who left and is declared again has a certificate that passes; nothing from before does."""
    way(life)
    generate(GONE, life.folder, prune=prune)
    assert life.passing() == []
    before = len(life.certificates)
    life.generate()
    assert life.passing() == [before] == [len(life.certificates) - 1]


@pytest.mark.parametrize("harm", ["deleted", "another format"])
def test_leaving_is_noticed_without_the_record(life: Life, harm: str) -> None:
    """The folder of a user who is not declared is enough."""
    record_lost(life) if harm == "deleted" else record_of_another_format(life)
    life.generate(GONE)
    assert read_revocations(life.folder).covers("analyst", life.certificates[-1].not_before)
    life.generate()
    assert life.passing() == [len(life.certificates) - 1]
    assert len(life.certificates) == 3


def test_leaving_is_noticed_without_record_and_folder(life: Life) -> None:
    """The record of certificates is enough."""
    (life.folder / "plan.json").unlink()
    for file in (life.folder / "users/analyst").iterdir():
        file.unlink()
    (life.folder / "users/analyst").rmdir()
    life.generate(GONE)
    assert read_revocations(life.folder).covers("analyst", life.certificates[-1].not_before)


def test_a_leaving_is_written_once(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later generations leave the lists as they are, whatever lies in the folder of users."""
    (life.folder / "users/Copies of mine").mkdir()
    (life.folder / "users/analyst/note.txt").write_text("mine")
    generate(GONE, life.folder, prune=True)
    values = (life.folder / "coordinator/values.yaml").read_bytes()
    later = validity.now() + timedelta(days=3)
    monkeypatch.setattr(validity, "now", lambda: later)
    for prune in (False, True):
        assert generate(GONE, life.folder, prune=prune).updated == ()
    assert (life.folder / "coordinator/values.yaml").read_bytes() == values
    assert list(read_revocations(life.folder).users) == ["analyst"]


def test_renewing_alone_ends_nothing(life: Life) -> None:
    """A copy of the last certificate goes on until it ends or is revoked."""
    life.renew()
    assert life.passing() == [0, 1]


def test_renewals_within_a_second_begin_one_after_the_other(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates count whole seconds: else one could not be revoked without the other."""
    now = validity.now()
    monkeypatch.setattr(validity, "now", lambda: now)
    for _ in range(3):
        life.renew()
    begins = [each.not_before for each in life.certificates]
    assert begins == sorted(set(begins))


def test_a_clock_that_went_back_lets_nothing_in(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revocation is never before a certificate that is known, and a new one begins after it."""
    life.renew()
    earlier = validity.now() - timedelta(hours=3)
    monkeypatch.setattr(validity, "now", lambda: earlier)
    revoke_users(life.folder, ["analyst"])
    assert read_revocations(life.folder).covers("analyst", life.certificates[-1].not_before)


def test_times_move_forward_only(tmp_path: Path) -> None:
    """An earlier time changes nothing, another user's does."""
    late, early = datetime(2026, 11, 29, tzinfo=UTC), datetime(2026, 11, 28, tzinfo=UTC)
    assert add_revocations(tmp_path, users={"ann": late})
    assert not add_revocations(tmp_path, users={"ann": early})
    assert add_revocations(tmp_path, users={"bob": early})
    assert json.loads((tmp_path / FILE).read_text()) == {
        "users": {"ann": "2026-11-29T00:00:00Z", "bob": "2026-11-28T00:00:00Z"},
        "keys": {},
    }


# As the last version before times wrote it.
OLD_FILE = """{{
 "certificates": {{
  "{certificate}": "analyst"
 }},
 "keys": {{
  "{key}": "hospitals-north-0"
 }}
}}
"""


def old_file(life: Life, revoked: ClientCertificate) -> None:
    from cryptography.hazmat.primitives.hashes import SHA256

    fingerprint = revoked.parsed.fingerprint(SHA256()).hex()
    text = OLD_FILE.format(certificate=fingerprint, key=hashlib.sha256(b"key").hexdigest())
    (life.folder / FILE).write_text(text)


@pytest.mark.parametrize("newest", [True, False])
def test_an_old_file_is_carried_over(life: Life, newest: bool) -> None:
    """Who was revoked is, with all earlier certificates; one that was issued since then goes on."""
    renewed_twice(life)
    old_file(life, life.certificates[2 if newest else 0])
    life.generate()
    assert life.passing() == ([] if newest else [2])
    found = json.loads((life.folder / FILE).read_text())
    assert set(found) == {"users", "keys"}
    assert list(found["users"]) == ["analyst"]
    assert list(found["keys"].values()) == ["hospitals-north-0"]
    life.generate()
    assert json.loads((life.folder / FILE).read_text()) == found
    life.renew()
    assert life.passing() == ([3] if newest else [2, 3])


@pytest.mark.parametrize("declared", [True, False])
def test_an_old_file_counts_without_a_certificate_at_hand(life: Life, declared: bool) -> None:
    """A declared user whose certificate is lost is refused until it is renewed; one who left returns."""
    old_file(life, life.certificates[0])
    for name in ("client.crt", "client.key"):
        (life.folder / "users/analyst" / name).unlink()
    if not declared:
        generate(GONE, life.folder, prune=True)
        life.generate()
    else:
        generate(PLAN, life.folder)
        assert life.passing() == []
        life.renew()
    assert life.passing() == [1]
