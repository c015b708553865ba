"""Identities are made once, kept, renewed only for a reason, and refused when they are no good."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import msgspec
import pytest
import yaml
from identity_plans import federation, tenant, with_tls

from flowerbed import files, identities
from flowerbed.errors import IdentityError
from flowerbed.files import PRIVATE_MODE, PUBLIC_MODE, write_atomic
from flowerbed.identities import (
    CertificateAuthority,
    ClientCertificate,
    Event,
    NodeKey,
    clock,
    ensure_authority,
    ensure_coordinator,
    ensure_node_keys,
    ensure_user,
    kept,
)
from flowerbed.identities.events import Kind
from flowerbed.plan import Plan, User

ANALYST = User(name="analyst", role="submitter")
REAL_NOW = clock.now


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
    """Set the clock so many days from now."""

    def to(days: float) -> datetime:
        moment = REAL_NOW() + timedelta(days=days)
        monkeypatch.setattr(clock, "now", lambda: moment)
        return moment

    return to


def secrets_of(path: Path) -> dict[str, dict[str, str]]:
    return {doc["metadata"]["name"]: doc["stringData"] for doc in yaml.safe_load_all(path.read_text())}


def test_a_first_run_makes_every_party_its_files(folder: Path) -> None:
    """CA, coordinator, tenants and users each get their files, and nothing else lies there."""
    events = ensure_all(federation(), folder)
    assert set(snapshot(folder)) == {
        ".lock",
        "ca/ca.crt",
        "ca/ca.key",
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
    assert loaded.server.not_after - clock.now() <= timedelta(days=90)
    assert loaded.server.not_after - clock.now() > timedelta(days=89)


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
    for plan, keys in ((federation(insecure=True), "generated"), (federation(), "brought")):
        apart = msgspec.structs.replace(
            tenant("north", keys=keys), isolation="process", executor="deployment"
        )
        assert ensure_node_keys(plan, apart, folder) == {}
        assert list(secrets_of(folder / "tenants/north/secrets.yaml")) == ["hospitals-north-superexec"]


def test_an_interrupted_retirement_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped between the two files, the key is in both; the next run ends the same as an undisturbed one."""
    large, small = federation(tenant("north", 2)), federation(tenant("north", 1))
    made = ensure_node_keys(large, large.tenants[0], folder)
    with monkeypatch.context() as patch:
        patch.setattr("flowerbed.identities.tenants._keep", interrupt)
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


def test_a_new_name_renews_the_server_certificate(folder: Path) -> None:
    """A name that the certificate lacks renews it, with the reason; the SuperExec secret and the CA stay."""
    plan = federation()
    ensure_all(plan, folder)
    before = identities.load(plan, folder)
    more = with_tls(plan, dns_names=(*plan.superlink.tls.dns_names, "fleet.example.org"))
    with pytest.raises(IdentityError, match=r"does not serve: the last one lacks fleet\.example\.org"):
        identities.load(more, folder)
    (event,) = ensure_all(more, folder)
    assert (event.kind, event.what) == ("renewed", "server certificate")
    assert event.reason.startswith("the last one lacks fleet.example.org; valid until ")
    after = identities.load(more, folder)
    assert after.server != before.server
    assert (after.authority, after.superexec_secret) == (before.authority, before.superexec_secret)


def test_fewer_names_and_other_days_renew_nothing(folder: Path) -> None:
    """A certificate that says more than the plan asks for is still right: valid is valid."""
    plan = federation()
    ensure_all(plan, folder)
    before = snapshot(folder)
    fewer = with_tls(plan, dns_names=plan.superlink.tls.dns_names[:1], ip_addresses=(), days=30)
    assert ensure_all(fewer, folder) == []
    assert snapshot(folder) == before


def test_a_new_role_renews_the_users_certificate(folder: Path) -> None:
    """The new certificate says the new role; the event says how long copies of the old one live."""
    ensure_all(federation(), folder)
    before = identities.load(federation(), folder).users["analyst"]
    plan = federation(role="operator")
    with pytest.raises(IdentityError, match="does not serve: the last one says analyst, submitter"):
        identities.load(plan, folder)
    (event,) = ensure_all(plan, folder)
    assert (event.kind, event.what) == ("renewed", "certificate of user analyst")
    assert f"copies of the last one keep the role submitter until {before.not_after:%Y-%m-%d}" in event.reason
    after = identities.load(plan, folder).users["analyst"]
    assert after.role == "operator"
    assert after.private_key != before.private_key


def test_a_new_authority_renews_what_the_old_one_signed(folder: Path) -> None:
    """With the folder ca deleted, a new CA and new certificates come; node keys and SuperExec secret stay."""
    plan = federation()
    ensure_all(plan, folder)
    before = identities.load(plan, folder)
    for path in (folder / "ca").iterdir():
        path.unlink()
    events = ensure_all(plan, folder)
    assert kinds(events) == [
        ("made", "CA certificate"),
        ("renewed", "server certificate"),
        ("renewed", "certificate of user analyst"),
    ]
    assert all("another CA issued the last one" in event.reason for event in events[1:])
    after = identities.load(plan, folder)
    assert after.authority != before.authority
    assert (after.node_keys, after.superexec_secret) == (before.node_keys, before.superexec_secret)
    assert (folder / "users/analyst/ca.crt").read_bytes() == (folder / "ca/ca.crt").read_bytes()


def test_certificates_of_another_authority_do_not_load(folder: Path) -> None:
    """`load` makes nothing, so what another CA signed is refused with path and remedy."""
    plan = federation()
    ensure_all(plan, folder)
    other = CertificateAuthority.create("hospitals")
    (folder / "ca/ca.key").write_bytes(other.private_key)
    (folder / "ca/ca.crt").write_bytes(other.certificate)
    with pytest.raises(IdentityError, match=r"coordinator/secrets\.yaml: .*another CA issued the last one"):
        identities.load(plan, folder)
    ensure_coordinator(plan, folder, other)
    with pytest.raises(IdentityError, match=r"users/analyst/client\.crt: .*another CA issued the last one"):
        identities.load(plan, folder)
    ensure_user(plan, ANALYST, folder, other)
    assert identities.load(plan, folder).authority == other


def test_an_end_that_is_near_is_a_warning(folder: Path, travel: Callable[[float], datetime]) -> None:
    """In their last 30 days certificates still work, and each says how many days it has."""
    plan = federation()
    ensure_all(plan, folder)
    travel(365 - 10.5)
    events = ensure_all(plan, folder)
    assert kinds(events) == [("expiring", "server certificate"), ("expiring", "certificate of user analyst")]
    assert all(event.reason.startswith("10 days left, until ") and event.warning for event in events)
    assert ensure_all(plan, folder) == events


def test_expired_certificates_are_refused_until_deleted(
    folder: Path, travel: Callable[[float], datetime]
) -> None:
    """An expired certificate is refused with its dates; deleted as the message says, it is made anew."""
    plan = federation()
    ensure_all(plan, folder)
    today = travel(366)
    with pytest.raises(IdentityError) as refusal:
        ensure_all(plan, folder)
    assert refusal.value.where == f"{folder}/coordinator/secrets.yaml: tls.crt"
    assert "the server certificate expired on " in refusal.value.what
    assert f"it is {today:%Y-%m-%d %H:%M} UTC now" in refusal.value.what
    assert refusal.value.remedy.startswith("delete this file and run `flowerbed generate` again")
    (folder / "coordinator/secrets.yaml").unlink()
    with pytest.raises(IdentityError, match=r"client\.crt: the certificate of user analyst expired on"):
        ensure_all(plan, folder)
    for name in ("client.crt", "client.key"):
        (folder / "users/analyst" / name).unlink()
    assert kinds(ensure_all(plan, folder)) == [("made", "certificate of user analyst")]
    assert identities.load(plan, folder).server


def test_an_expired_authority_is_refused(folder: Path, travel: Callable[[float], datetime]) -> None:
    """Nothing is signed by an expired CA; with the folder deleted as the message says, all is made anew."""
    plan = federation()
    ensure_all(plan, folder)
    travel(3651)
    with pytest.raises(IdentityError, match=r"ca/ca\.crt: the CA certificate expired on") as refusal:
        ensure_authority(plan, folder)
    assert "delete the folder ca" in refusal.value.remedy
    for path in (folder / "ca").iterdir():
        path.unlink()
    assert len(ensure_all(plan, folder)) == 3


def test_an_old_authority_shortens_what_it_signs(folder: Path, travel: Callable[[float], datetime]) -> None:
    """Close to its end, the CA signs to its own last second, and the event says so."""
    plan = federation()
    authority = ensure_authority(plan, folder)
    assert authority is not None
    travel(3600)
    events: list[Event] = []
    coordinator = ensure_coordinator(plan, folder, authority, events.append)
    assert coordinator.server is not None
    assert coordinator.server.not_after == authority.not_after
    assert events[0].reason.endswith(", when the CA ends")


def test_a_clock_that_is_far_behind_is_noticed(folder: Path, travel: Callable[[float], datetime]) -> None:
    """Certificates from the future are refused, and the clock is what to look at first."""
    ensure_all(federation(), folder)
    travel(-2)
    with pytest.raises(
        IdentityError, match=r"the CA certificate is valid from .* on; it is .* now"
    ) as refusal:
        ensure_authority(federation(), folder)
    assert refusal.value.remedy.startswith("set this machine's clock")


@pytest.mark.parametrize(
    "lost", ["ca/ca.key", "ca/ca.crt", "users/analyst/client.key", "users/analyst/client.crt"]
)
def test_half_a_pair_is_refused(folder: Path, lost: str) -> None:
    """A lost half is named beside the one that is there, and the other half is left alone."""
    plan = federation()
    ensure_all(plan, folder)
    saved = (folder / lost).read_bytes()
    (folder / lost).unlink()
    before = snapshot(folder)
    for act in (lambda: ensure_all(plan, folder), lambda: identities.load(plan, folder)):
        with pytest.raises(
            IdentityError, match=f"half a pair: {Path(lost).name} is missing beside it"
        ) as refusal:
            act()
        assert "run `flowerbed generate` again" in refusal.value.remedy
        assert Path(refusal.value.where).exists()
    assert snapshot(folder) == before
    write_atomic(folder / lost, saved, PRIVATE_MODE if lost.endswith(".key") else PUBLIC_MODE)
    assert ensure_all(plan, folder) == []


def damage(folder: Path, path: str, data: bytes) -> None:
    target = folder / path
    assert target.exists()
    target.write_bytes(data)


STRANGER = CertificateAuthority.create("hospitals")
FOREIGN_CA = CertificateAuthority.create("others")
LEAF = STRANGER.issue_client("analyst", "submitter", 5)
DAMAGES = {
    "CA key of another": ("ca/ca.key", STRANGER.private_key, "does not belong to the CA certificate"),
    "CA certificate of another": ("ca/ca.crt", STRANGER.certificate, "does not belong to the CA certificate"),
    "CA key garbage": (
        "ca/ca.key",
        b"canary",
        r"ca\.key: the private key of the CA certificate belongs here",
    ),
    "CA certificate garbage": ("ca/ca.crt", b"canary", r"ca\.crt: a CA certificate belongs here"),
    "empty CA certificate": ("ca/ca.crt", b"", r"ca\.crt: a CA certificate belongs here"),
    "user key of another": (
        "users/analyst/client.key",
        LEAF.private_key,
        "does not belong to the certificate of user",
    ),
    "user certificate garbage": (
        "users/analyst/client.crt",
        b"canary",
        "a certificate of user analyst belongs here",
    ),
    "tenant garbage": (
        "tenants/north/secrets.yaml",
        b"canary",
        r"north/secrets\.yaml: this is not a Secret manifest",
    ),
    "coordinator garbage": (
        "coordinator/secrets.yaml",
        b"{canary: [",
        "coordinator/secrets.yaml: this is not a Secret",
    ),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damage_is_refused_and_left_alone(folder: Path, case: str) -> None:
    """Whatever is no pair or no identity is refused by name, with a remedy, and not overwritten."""
    path, data, words = DAMAGES[case]
    plan = federation()
    ensure_all(plan, folder)
    damage(folder, path, data)
    before = snapshot(folder)
    for act in (lambda: ensure_all(plan, folder), lambda: identities.load(plan, folder)):
        with pytest.raises(IdentityError, match=words) as refusal:
            act()
        assert refusal.value.remedy
        assert "canary" not in str(refusal.value)
    assert snapshot(folder) == before


def replace_authority(folder: Path, pair: CertificateAuthority | ClientCertificate) -> None:
    (folder / "ca/ca.crt").write_bytes(pair.certificate)
    (folder / "ca/ca.key").write_bytes(pair.private_key)


def test_only_this_federations_authority_signs(folder: Path) -> None:
    """A pair that is no CA, or another federation's, is refused; another one of this federation's passes."""
    plan = federation()
    ensure_all(plan, folder)
    replace_authority(folder, LEAF)
    with pytest.raises(IdentityError, match="this certificate is not a CA's"):
        ensure_authority(plan, folder)
    replace_authority(folder, FOREIGN_CA)
    with pytest.raises(IdentityError, match="this CA is of the federation others, not of hospitals"):
        ensure_authority(plan, folder)
    replace_authority(folder, STRANGER)
    assert ensure_authority(plan, folder) == STRANGER


def test_damaged_entries_of_a_manifest_are_named(folder: Path) -> None:
    """A key or certificate inside a manifest is refused by file and entry."""
    plan = federation()
    ensure_all(plan, folder)
    for path, old, words in (
        (
            "tenants/north/secrets.yaml",
            "b3BlbnNzaC1rZXktdjE",
            r"secrets\.yaml: hospitals-north-0: .*or it is damaged",
        ),
        (
            "coordinator/secrets.yaml",
            "BEGIN PRIVATE KEY",
            r"secrets\.yaml: tls\.key: .*no private key in PEM",
        ),
        (
            "coordinator/secrets.yaml",
            "BEGIN CERTIFICATE",
            r"secrets\.yaml: tls\.crt: .*no certificate in PEM",
        ),
    ):
        text = (folder / path).read_text()
        damage(folder, path, text.replace(old, "canary").encode())
        with pytest.raises(IdentityError, match=words):
            ensure_all(plan, folder)
        damage(folder, path, text.encode())
    assert ensure_all(plan, folder) == []


def test_secrets_of_others_are_not_overwritten(folder: Path) -> None:
    """A manifest into which somebody put a Secret of their own is refused, and stays."""
    plan = federation()
    ensure_all(plan, folder)
    own = (folder / "tenants/south/secrets.yaml").read_text().split("---\n")[1]
    for path in ("coordinator/secrets.yaml", "tenants/north/secrets.yaml"):
        text = (folder / path).read_text()
        damage(folder, path, (text + "---\n" + own).encode())
        with pytest.raises(
            IdentityError, match="this file holds a Secret or an entry that flowerbed did"
        ) as refusal:
            ensure_all(plan, folder)
        assert refusal.value.where == str(folder / path)
        assert (folder / path).read_text().endswith(own)
        damage(folder, path, text.encode())
    assert ensure_all(plan, folder) == []


@pytest.mark.parametrize(
    "path",
    ["ca/ca.key", "coordinator/secrets.yaml", "tenants/north/secrets.yaml", "users/analyst/client.key"],
)
def test_a_key_that_others_could_read_is_closed_and_told(folder: Path, path: str) -> None:
    """The file is tightened to 0600, once, with a warning that says what the mode was."""
    plan = federation()
    ensure_all(plan, folder)
    (folder / path).chmod(0o644)
    (event,) = ensure_all(plan, folder)
    assert (event.kind, event.file, event.warning) == ("tightened", folder / path, True)
    assert "mode 0644" in event.reason
    assert stat.S_IMODE((folder / path).stat().st_mode) == 0o600
    assert ensure_all(plan, folder) == []


@pytest.mark.parametrize("cut", ["ca.key", "ca.crt", ".ca.key.pair"])
def test_a_pair_that_was_cut_in_two_is_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """Stopped at any of its writes, a new pair is finished, or begun anew, by the next run; no note stays."""
    write = kept.write_atomic

    def interrupted(path: Path, *arguments: object, **options: object) -> bool:
        if path.name == cut:
            raise KeyboardInterrupt
        return write(path, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(kept, "write_atomic", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ensure_authority(federation(), folder)
    notes = [path.read_bytes() for path in folder.glob("ca/.ca.key.pair")]
    authority = ensure_authority(federation(), folder)
    assert authority
    assert [authority.private_key + authority.certificate] == notes or not notes
    assert sorted(path.name for path in (folder / "ca").iterdir()) == ["ca.crt", "ca.key"]
    assert stat.S_IMODE((folder / "ca/ca.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", ["client.key", "client.crt"])
def test_a_renewal_that_was_cut_in_two_is_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """Stopped between the halves, the user has the new pair after the next run, never a mixed one."""
    ensure_all(federation(), folder)
    write = kept.write_atomic

    def interrupted(path: Path, *arguments: object, **options: object) -> bool:
        if path.name == cut:
            raise KeyboardInterrupt
        return write(path, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(kept, "write_atomic", interrupted)
        with pytest.raises(KeyboardInterrupt):
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
    write = kept.write_atomic

    def watched(path: Path, data: bytes, mode: int = PUBLIC_MODE, *, durable: bool = False) -> bool:
        if durable:
            waited.append(str(path.relative_to(folder)))
        return write(path, data, mode, durable=durable)

    monkeypatch.setattr(kept, "write_atomic", watched)
    ensure_all(federation(), folder)
    assert waited == ["ca/.ca.key.pair", "ca/ca.key", "ca/ca.crt"]
    waited.clear()
    ensure_all(federation(tenant("north", 1), tenant("south", 2)), folder)
    in_use = ["tenants/north/retired-keys.yaml", "tenants/north/secrets.yaml", "tenants/south/secrets.yaml"]
    assert waited == ["coordinator/secrets.yaml", *in_use]


def test_a_second_secret_of_a_shape_is_foreign(folder: Path) -> None:
    """Two SuperExec secrets in one file are refused: nobody can say which one counts."""
    plan = federation()
    ensure_all(plan, folder)
    path = folder / "coordinator/secrets.yaml"
    twice = path.read_text() + "---\n" + path.read_text().split("---\n")[-1]
    damage(folder, "coordinator/secrets.yaml", twice.encode())
    with pytest.raises(IdentityError, match="holds a Secret or an entry that flowerbed did not"):
        ensure_all(plan, folder)


DOCUMENT = (Path(__file__).parents[2] / "docs" / "identities.md").read_text()
SOURCES = sorted(Path(identities.__file__).parent.glob("*.py"))


def test_the_document_lists_every_event() -> None:
    """The table of events in docs/identities.md holds each kind, once."""
    table = DOCUMENT.split("## What `generate` says")[1].split("## ")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert sorted("".join(rows).replace("`", " ").replace(",", " ").split()) == sorted(get_args(Kind))


def test_the_document_quotes_messages_as_they_are() -> None:
    """Every message that docs/identities.md explains stands in the code, between its variable parts."""
    texts = [path.read_text() for path in (*SOURCES, Path(files.__file__))]
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(texts))
    code = re.sub(r"\{[^{}]*\}", "…", code)
    table = DOCUMENT.split("## What is refused")[1]
    messages = [
        m
        for row in table.splitlines()
        if row.startswith("| `")
        for m in re.findall("`([^`]*)`", row.split("|")[1])
    ]
    assert len(messages) > 14
    for message in messages:
        for part in re.split(r" ?(?:…|DATE|FILE|\bX\b|\bY\b) ?", message):
            assert part in code, f"{part!r} of {message!r} is said nowhere"
