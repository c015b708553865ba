"""What the tests of kept identities share: making all of them, looking at the folder, moving the clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from flowerbed.identities import (
    Event,
    ensure_authority,
    ensure_coordinator,
    ensure_node_keys,
    ensure_user,
    validity,
)
from flowerbed.plan import Plan, User

ANALYST = User(name="analyst", role="submitter")
REAL_NOW = validity.now


def ensure_all(plan: Plan, folder: Path) -> list[Event]:
    """Make or load everything, as `flowerbed generate` does, and return what happened."""
    events: list[Event] = []
    authority = ensure_authority(plan, folder, events.append)
    ensure_coordinator(plan, folder, authority, events.append)
    for party in plan.tenants:
        ensure_node_keys(plan, party, folder, events.append)
    for user in plan.users:
        ensure_user(plan, user, folder, authority, events.append)
    return events


def kinds(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.kind, event.what) for event in events]


def snapshot(folder: Path) -> dict[str, tuple[str, int]]:
    """Return every file's fingerprint and time stamp by path."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bundles" / "hospitals"


@pytest.fixture
def travel(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], datetime]:
    """Stop the clock, and set it so many days after that moment."""
    beginning = REAL_NOW()

    def to(days: float) -> datetime:
        moment = beginning + timedelta(days=days)
        monkeypatch.setattr(validity, "now", lambda: moment)
        return moment

    to(0)
    return to


def secrets_of(path: Path) -> dict[str, dict[str, str]]:
    return {doc["metadata"]["name"]: doc["stringData"] for doc in yaml.safe_load_all(path.read_text())}


def damage(folder: Path, path: str, data: bytes) -> None:
    target = folder / path
    assert target.exists()
    target.write_bytes(data)
