"""Node keys and SuperExec secrets of tenants come with their nodes, and are set aside when these go."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec

from flowerbed import identities
from flowerbed.identities import Event, ensure_node_keys
from flowerbed.plan import KeySource, Plan
from support import identity_store
from support.identity_store import ensure_all, kinds, secrets_of, snapshot
from support.plans import federation, tenant

folder = identity_store.folder


def test_brought_keys_are_never_here(folder: Path) -> None:
    """A tenant that brings its keys has no file and no private key here."""
    plan = federation(tenant("north", keys="brought"))
    assert ensure_node_keys(plan, plan.tenants[0], folder) == {}
    assert not (folder / "tenants").exists()


def test_more_nodes_keep_the_old_keys(folder: Path) -> None:
    """A tenant that grows gets keys for its new nodes alone; others' files are not touched."""
    small, grown = federation(), federation(tenant("north", 4), tenant("south", 1))
    ensure_all(small, folder)
    before, files = identities.load(small, folder).node_keys, snapshot(folder)
    events = ensure_all(grown, folder)
    after = identities.load(grown, folder).node_keys
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"hospitals-north-2", "hospitals-north-3"}
    assert [str(event) for event in events] == [
        f"{folder}/tenants/north/secrets.yaml: 2 node keys made: hospitals-north-2, hospitals-north-3"
    ]
    changed = {path for path, what in snapshot(folder).items() if files.get(path) != what}
    assert changed == {"tenants/north/secrets.yaml"}


def test_fewer_nodes_set_their_keys_aside_for_good(folder: Path) -> None:
    """Keys of removed nodes move to retired-keys.yaml; a node that returns gets a new one; none is lost."""
    large, small = federation(tenant("north", 3)), federation(tenant("north", 1))
    first = ensure_node_keys(large, large.tenants[0], folder)
    events: list[Event] = []
    kept = ensure_node_keys(small, small.tenants[0], folder, events.append)
    assert kept == {"hospitals-north-0": first["hospitals-north-0"]}
    assert kinds(events) == [("retired", "2 node keys")]
    assert events[0].warning
    second = ensure_node_keys(large, large.tenants[0], folder)
    assert second["hospitals-north-1"] != first["hospitals-north-1"]
    ensure_node_keys(small, small.tenants[0], folder)
    retired = secrets_of(folder / "tenants/north/retired-keys.yaml")["hospitals-north-node-keys-retired"]
    lost = [keys[f"hospitals-north-{i}"].private.decode() for keys in (first, second) for i in (1, 2)]
    assert sorted(retired.values()) == sorted(lost)
    assert all(name.startswith(("hospitals-north-1.", "hospitals-north-2.")) for name in retired)
    assert stat.S_IMODE((folder / "tenants/north/retired-keys.yaml").stat().st_mode) == 0o600


def test_a_tenant_that_starts_to_bring_keys_retires_ours(folder: Path) -> None:
    """All keys that were made here move aside, and the manifest goes."""
    ours, theirs = federation(tenant("north")), federation(tenant("north", keys="brought"))
    made = ensure_node_keys(ours, ours.tenants[0], folder)
    assert ensure_node_keys(theirs, theirs.tenants[0], folder) == {}
    assert not (folder / "tenants/north/secrets.yaml").exists()
    retired = secrets_of(folder / "tenants/north/retired-keys.yaml")["hospitals-north-node-keys-retired"]
    assert sorted(retired.values()) == sorted(key.private.decode() for key in made.values())


def test_superexecs_apart_share_a_secret_with_their_supernodes(folder: Path) -> None:
    """A tenant whose SuperExecs have pods of their own gets a secret, kept as long as it is needed."""
    apart = msgspec.structs.replace(tenant("north"), isolation="process", executor="deployment")
    keys = ensure_node_keys(federation(apart), apart, folder)
    path = folder / "tenants/north/secrets.yaml"
    before = secrets_of(path)
    assert list(before) == ["hospitals-north-node-keys", "hospitals-north-superexec"]
    assert len(before["hospitals-north-superexec"]["secret"]) == 43
    assert ensure_node_keys(federation(apart), apart, folder) == keys
    assert secrets_of(path) == before
    assert ensure_node_keys(federation(), tenant("north"), folder) == keys
    assert list(secrets_of(path)) == ["hospitals-north-node-keys"]


def test_superexecs_apart_need_their_secret_without_keys_too(folder: Path) -> None:
    """Insecure federations and tenants that bring their keys have the SuperExecs' secret alone."""
    cases: list[tuple[Plan, KeySource]] = [
        (federation(insecure=True), "generated"),
        (federation(), "brought"),
    ]
    for plan, keys in cases:
        apart = msgspec.structs.replace(
            tenant("north", keys=keys), isolation="process", executor="deployment"
        )
        assert ensure_node_keys(plan, apart, folder) == {}
        assert list(secrets_of(folder / "tenants/north/secrets.yaml")) == ["hospitals-north-superexec"]
