"""Identities whose making was interrupted are finished by the next run, and none is lost."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowerbed import identities
from flowerbed.files import PRIVATE_MODE, PUBLIC_MODE, write_atomic
from flowerbed.identities import ensure_authority, ensure_node_keys, store
from support import identity_store
from support.identity_store import ensure_all, secrets_of
from support.plans import federation, tenant

folder = identity_store.folder


def test_an_interrupted_retirement_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped between the two files, the key is in both; the next run ends the same as an undisturbed one."""
    large, small = federation(tenant("north", 2)), federation(tenant("north", 1))
    made = ensure_node_keys(large, large.tenants[0], folder)
    with monkeypatch.context() as patch:
        patch.setattr("flowerbed.identities.node_keys._keep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ensure_node_keys(small, small.tenants[0], folder)
    assert (
        secrets_of(folder / "tenants/north/secrets.yaml")["hospitals-north-node-keys"].keys() == made.keys()
    )
    ensure_node_keys(small, small.tenants[0], folder)
    retired = secrets_of(folder / "tenants/north/retired-keys.yaml")["hospitals-north-node-keys-retired"]
    assert list(retired.values()) == [made["hospitals-north-1"].private.decode()]


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def cut_at(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Interrupt what runs meanwhile where it writes a file of this name."""

    def interrupted(path: Path, *arguments: object, **options: object) -> bool:
        if path.name == name:
            raise KeyboardInterrupt
        return write_atomic(path, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_atomic", interrupted)
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.mark.parametrize("cut", ["ca.key", "ca.crt", ".ca.key.pair"])
def test_a_pair_that_was_cut_in_two_is_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """Stopped at any of its writes, a new pair is finished, or begun anew, by the next run; no note stays."""
    with cut_at(cut, monkeypatch):
        ensure_authority(federation(), folder)
    notes = [path.read_bytes() for path in folder.glob("ca/.ca.key.pair")]
    authority = ensure_authority(federation(), folder)
    assert authority
    assert [authority.private_key + authority.certificate] == notes or not notes
    assert sorted(path.name for path in (folder / "ca").iterdir()) == ["ca.crt", "ca.key", "issued.json"]
    assert stat.S_IMODE((folder / "ca/ca.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", ["client.key", "client.crt"])
def test_a_renewal_that_was_cut_in_two_is_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """Stopped between the halves, the user has the new pair after the next run, never a mixed one."""
    ensure_all(federation(), folder)
    with cut_at(cut, monkeypatch):
        ensure_all(federation(role="viewer"), folder)
    assert ensure_all(federation(role="viewer"), folder) == []
    assert identities.load(federation(role="viewer"), folder).users["analyst"].role == "viewer"


@pytest.mark.parametrize("data", [b"", b"-----BEGIN PRIVATE KEY-----\nabc"])
def test_a_note_that_a_power_cut_took_changes_nothing(folder: Path, data: bytes) -> None:
    """An empty or torn note is dropped: the pair beside it stays as it is."""
    ensure_all(federation(), folder)
    before = identities.load(federation(), folder)
    write_atomic(folder / "users/analyst/.client.key.pair", data, PRIVATE_MODE)
    assert ensure_all(federation(), folder) == []
    assert identities.load(federation(), folder) == before
    assert not (folder / "users/analyst/.client.key.pair").exists()


def test_only_what_cannot_be_remade_waits_for_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync is paid for the CA and for manifests whose keys are in use, not for keys that nobody has seen."""
    waited: list[str] = []
    write = write_atomic

    def watched(path: Path, data: bytes, mode: int = PUBLIC_MODE, *, durable: bool = False) -> bool:
        if durable:
            waited.append(str(path.relative_to(folder)))
        return write(path, data, mode, durable=durable)

    monkeypatch.setattr(store, "write_atomic", watched)
    ensure_all(federation(), folder)
    assert waited == ["ca/.ca.key.pair", "ca/ca.key", "ca/ca.crt"]
    waited.clear()
    ensure_all(federation(tenant("north", 1), tenant("south", 2)), folder)
    in_use = ["tenants/north/retired-keys.yaml", "tenants/north/secrets.yaml", "tenants/south/secrets.yaml"]
    assert waited == ["coordinator/secrets.yaml", *in_use]
