"""A federation that nobody looks after for three years but by `generate` once a month."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from flowerbed import identities
from flowerbed.bundles import generate
from flowerbed.identities import ClientCertificate, validity
from flowerbed.identities.authority_store import rotate_authority
from flowerbed.identities.revocations import revoke_users
from flowerbed.plan import Plan, User
from support.plan_variants import change
from support.plans import federation, tenant
from support.user_certificates import certificate, passes

USERS = (User(name="analyst", role="submitter"), User(name="boss", role="operator"))
PLAN = change(federation(tenant("north", 1)), users=USERS)
DAYS, MONTH, SAMPLE = 3 * 365, 30, 97


@dataclass
class Years:
    """The bundles, the day that it is, and every certificate that each user ever had."""

    folder: Path
    begin: datetime
    day: int = 0
    plan: Plan = PLAN
    held: dict[str, list[ClientCertificate]] = field(default_factory=dict)

    def now(self) -> datetime:
        return self.begin + timedelta(days=self.day)

    def generate(self) -> None:
        assert not generate(self.plan, self.folder).troubles
        for user in self.plan.users:
            found = certificate(self.folder, user.name)
            held = self.held.setdefault(user.name, [])
            if found not in held:
                held.append(found)

    def valid_now(self, pem: bytes) -> bool:
        parsed = x509.load_pem_x509_certificate(pem)
        return parsed.not_valid_before_utc <= self.now() < parsed.not_valid_after_utc

    def server(self) -> bytes:
        documents = yaml.safe_load_all((self.folder / "coordinator/secrets.yaml").read_text())
        entries: list[dict[str, str]] = [each["stringData"] for each in documents]
        return next(each["tls.crt"].encode() for each in entries if "tls.crt" in each)


def role_changed(years: Years) -> None:
    lowered = User(name="boss", role="viewer" if years.plan.users[1].role == "operator" else "operator")
    years.plan = change(PLAN, users=(USERS[0], lowered))


def left_and_back(years: Years) -> None:
    years.plan = change(PLAN, users=USERS[:1])
    years.generate()
    years.plan = PLAN


def plan_lost(years: Years) -> None:
    (years.folder / "plan.json").unlink()


def format_changed(years: Years) -> None:
    file = years.folder / "plan.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 0}))


def next_step_of_the_ca(years: Years) -> None:
    rotate_authority(years.plan, years.folder, distributed=True)


def issued_lost(years: Years) -> None:
    (years.folder / "ca/issued.json").unlink()


EVENTS: tuple[Callable[[Years], None], ...] = (
    role_changed,
    plan_lost,
    left_and_back,
    next_step_of_the_ca,
    next_step_of_the_ca,
    format_changed,
    next_step_of_the_ca,
    issued_lost,
)


@pytest.fixture
def years(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Years:
    """Return a new federation whose days the test moves."""
    made = Years(tmp_path / "hospitals", validity.now())
    monkeypatch.setattr(validity, "now", made.now)
    made.generate()
    return made


def revoking_ends_everything(years: Years, user: str, copy: Path) -> bool:
    """Return whether, in a copy of the bundles, revoking a user leaves none of the user's certificates."""
    shutil.copytree(years.folder, copy)
    revoke_users(copy, [user])
    report = generate(years.plan, copy)
    none = not any(passes(copy, each) for each in years.held[user])
    others = [each.name for each in years.plan.users if each.name != user]
    newest = all(passes(copy, years.held[other][-1]) for other in others)
    shutil.rmtree(copy)
    return none and newest and not report.troubles


def test_nothing_ends_and_revoking_works_on_every_day(years: Years, tmp_path: Path) -> None:
    """Gateway's and users' certificates are valid on each day; revoking reaches all that were issued."""
    renewed = 0
    events = iter(EVENTS)
    for years.day in range(DAYS):
        if years.day % MONTH == 0:
            before = years.server()
            years.generate()
            renewed += before != years.server()
        if years.day % (4 * MONTH) == 2 * MONTH + 7 and (event := next(events, None)):
            event(years)
            years.generate()
        people = [years.held[user.name][-1].certificate for user in years.plan.users]
        assert all(map(years.valid_now, [years.server(), *people])), years.day
        if years.day % SAMPLE == 0 or years.day % (4 * MONTH) == 2 * MONTH + 8:
            for user in years.plan.users:
                assert revoking_ends_everything(years, user.name, tmp_path / "copy"), (years.day, user.name)
    assert next(events, None) is None
    assert renewed >= 3
    assert all(len(each) > 3 for each in years.held.values())


def test_without_renewal_the_same_days_end_in_expired_certificates(years: Years) -> None:
    """The look at each day notices certificates that nobody renews."""
    years.day = 364
    assert years.valid_now(years.server())
    years.day = 366
    assert not years.valid_now(years.server())


def test_a_year_without_anybody_is_made_good_by_one_generation(years: Years) -> None:
    """After 400 days everything has expired; one generation renews all of it, and revoking works."""
    years.day = 400
    revoke_users(years.folder, ["boss"])
    years.generate()
    assert years.valid_now(years.server())
    assert years.valid_now(years.held["analyst"][-1].certificate)
    assert not any(passes(years.folder, each) for each in years.held["boss"])
    assert identities.load(years.plan, years.folder).server
