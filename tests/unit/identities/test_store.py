"""Identities are made once, each in its file, kept as they are, and loaded as they were made."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import yaml

from flowerbed import identities
from flowerbed.errors import IdentityError
from flowerbed.identities import (
    NodeKey,
    ensure_authority,
    ensure_coordinator,
    ensure_node_keys,
    ensure_user,
    validity,
)
from support import identity_store
from support.identity_store import ANALYST, ensure_all, kinds, secrets_of, snapshot
from support.plans import federation, tenant, with_tls

folder = identity_store.folder


def test_a_first_run_makes_every_party_its_files(folder: Path) -> None:
    """CA, coordinator, tenants and users each get their files, and nothing else lies there."""
    events = ensure_all(federation(), folder)
    assert set(snapshot(folder)) == {
        ".lock",
        "ca/ca.crt",
        "ca/ca.key",
        "ca/issued.json",
        "coordinator/secrets.yaml",
        "tenants/north/secrets.yaml",
        "tenants/south/secrets.yaml",
        "users/analyst/ca.crt",
        "users/analyst/client.crt",
        "users/analyst/client.key",
    }
    assert kinds(events) == [
        ("made", "CA certificate"),
        ("made", "server certificate"),
        ("made", "SuperExec secret"),
        ("made", "2 node keys"),
        ("made", "node key"),
        ("made", "certificate of user analyst"),
    ]
    assert not any(event.warning for event in events)


def test_secrets_are_private_and_certificates_are_not(folder: Path) -> None:
    """Folders are 0700, files with secrets 0600, certificates 0644."""
    ensure_all(federation(), folder)
    for path in [folder, *folder.rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o644 if path.suffix == ".crt" else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_a_second_run_changes_nothing_and_says_nothing(folder: Path) -> None:
    """Valid identities are never remade: no byte and no time stamp differs."""
    ensure_all(federation(), folder)
    before = snapshot(folder)
    assert ensure_all(federation(), folder) == []
    assert snapshot(folder) == before


def test_the_coordinators_secrets_are_whole(folder: Path) -> None:
    """The manifests carry the plan's names and namespaces, three TLS files and a secret of 32 bytes."""
    plan = federation()
    ensure_all(plan, folder)
    documents = list(yaml.safe_load_all((folder / "coordinator/secrets.yaml").read_text()))
    heads = [(doc["metadata"]["name"], doc["metadata"]["namespace"], doc["type"]) for doc in documents]
    assert heads == [
        ("hospitals-superlink-tls", "hub", "kubernetes.io/tls"),
        ("hospitals-superlink-superexec", "hub", "Opaque"),
    ]
    assert list(documents[0]["stringData"]) == ["tls.crt", "tls.key", "ca.crt"]
    assert documents[0]["stringData"]["ca.crt"] == (folder / "ca/ca.crt").read_text()
    secret = documents[1]["stringData"]["secret"]
    assert len(secret) == 43
    assert secret.isascii()
    assert secret == identities.load(plan, folder).superexec_secret.decode()


def test_the_server_certificate_follows_the_plan(folder: Path) -> None:
    """It carries the plan's names, addresses and days, and the federation's CA signed it."""
    plan = with_tls(federation(), days=90)
    ensure_all(plan, folder)
    loaded = identities.load(plan, folder)
    assert loaded.server is not None
    assert loaded.authority is not None
    assert loaded.server.dns_names == plan.superlink.tls.dns_names
    assert loaded.server.ip_addresses == plan.superlink.tls.ip_addresses
    assert loaded.server.issued_by(loaded.authority)
    assert loaded.server.not_after - validity.now() <= timedelta(days=90)
    assert loaded.server.not_after - validity.now() > timedelta(days=89)


def test_each_node_has_an_entry_under_its_name(folder: Path) -> None:
    """The tenant's Secret maps node names to OpenSSH keys, one of its own each."""
    plan = federation()
    keys = ensure_node_keys(plan, plan.tenants[0], folder)
    (secrets,) = secrets_of(folder / "tenants/north/secrets.yaml").items()
    assert secrets[0] == "hospitals-north-node-keys"
    assert secrets[1] == {name: key.private.decode() for name, key in keys.items()}
    assert list(keys) == ["hospitals-north-0", "hospitals-north-1"]
    assert len({key.public for key in keys.values()}) == 2


def test_load_returns_what_was_made(folder: Path) -> None:
    """Everything that the plan asks for comes back, by name."""
    plan = federation()
    authority = ensure_authority(plan, folder)
    coordinator = ensure_coordinator(plan, folder, authority)
    keys: dict[str, NodeKey] = {}
    for party in plan.tenants:
        keys |= ensure_node_keys(plan, party, folder)
    user = ensure_user(plan, ANALYST, folder, authority)
    loaded = identities.load(plan, folder)
    assert loaded.authority == authority
    assert (loaded.server, loaded.superexec_secret) == (coordinator.server, coordinator.superexec_secret)
    assert loaded.users == {"analyst": user}
    assert loaded.node_keys == keys
    assert "PRIVATE" not in repr(loaded)
    assert coordinator.superexec_secret.decode() not in repr(loaded) + repr(coordinator)


def test_load_names_everything_that_is_missing(folder: Path) -> None:
    """An empty folder is refused with the whole list, and stays empty."""
    with pytest.raises(IdentityError) as refusal:
        identities.load(federation(), folder)
    assert refusal.value.what == (
        "not made yet: the CA, the coordinator's Secrets, the certificate of user analyst,"
        " the key of node hospitals-north-0, the key of node hospitals-north-1,"
        " the key of node hospitals-south-0"
    )
    assert not folder.exists()
    ensure_all(federation(), folder)
    (folder / "tenants/south/secrets.yaml").unlink()
    with pytest.raises(IdentityError, match="not made yet: the key of node hospitals-south-0\n"):
        identities.load(federation(), folder)


def test_an_insecure_federation_has_the_superexec_secret_alone(folder: Path) -> None:
    """Without TLS there is no CA, no certificate and no node key."""
    plan = federation(insecure=True)
    assert kinds(ensure_all(plan, folder)) == [("made", "SuperExec secret")]
    assert set(snapshot(folder)) == {".lock", "coordinator/secrets.yaml"}
    assert list(secrets_of(folder / "coordinator/secrets.yaml")) == ["hospitals-superlink-superexec"]
    loaded = identities.load(plan, folder)
    assert (loaded.authority, loaded.server, loaded.users, loaded.node_keys) == (None, None, {}, {})


def test_a_spell_of_insecurity_loses_no_key(folder: Path) -> None:
    """Switching TLS off and on again keeps the CA, the node keys and the SuperExec secret."""
    plan = federation()
    ensure_all(plan, folder)
    before = identities.load(plan, folder)
    events = ensure_all(federation(insecure=True), folder)
    assert kinds(events) == [("removed", "server certificate")]
    ensure_all(plan, folder)
    after = identities.load(plan, folder)
    assert (after.authority, after.users, after.node_keys) == (
        before.authority,
        before.users,
        before.node_keys,
    )
    assert after.superexec_secret == before.superexec_secret


@pytest.mark.parametrize("source", ["existing-secret", "cert-manager"])
def test_a_server_certificate_from_elsewhere_is_not_made(folder: Path, source: str) -> None:
    """Then the gateway gets the users' CA by itself, and users get no CA that did not sign their server."""
    plan = with_tls(federation(), source=source)
    ensure_all(plan, folder)
    secrets = secrets_of(folder / "coordinator/secrets.yaml")
    assert list(secrets) == ["hospitals-superlink-superexec", "hospitals-superlink-client-ca"]
    assert secrets["hospitals-superlink-client-ca"] == {"ca.crt": (folder / "ca/ca.crt").read_text()}
    assert not (folder / "users/analyst/ca.crt").exists()
    loaded = identities.load(plan, folder)
    assert loaded.server is None
    assert loaded.users["analyst"].role == "submitter"
    before = snapshot(folder)
    assert ensure_all(plan, folder) == []
    assert snapshot(folder) == before


def test_a_new_namespace_keeps_the_keys(folder: Path) -> None:
    """A tenant or coordinator that moves gets its manifest for the new namespace with the same identities."""
    here, there = federation(tenant("north")), federation(tenant("north", namespace="ward"))
    there = msgspec.structs.replace(
        there, superlink=msgspec.structs.replace(there.superlink, namespace="hub-2")
    )
    ensure_all(here, folder)
    before = identities.load(here, folder)
    assert ensure_all(there, folder) == []
    assert identities.load(there, folder) == before
    for path, namespace in (("tenants/north", "ward"), ("coordinator", "hub-2")):
        documents = yaml.safe_load_all((folder / path / "secrets.yaml").read_text())
        assert {document["metadata"]["namespace"] for document in documents} == {namespace}
