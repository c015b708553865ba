"""Identities that are no good are refused by name, and left alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from flowerbed import identities
from flowerbed.errors import IdentityError
from flowerbed.files import PRIVATE_MODE, PUBLIC_MODE, write_atomic
from flowerbed.identities import CertificateAuthority, ClientCertificate, ensure_authority
from support import identity_store
from support.identity_store import damage, ensure_all, snapshot
from support.plans import federation

folder = identity_store.folder


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
            r"secrets\.yaml: tls\.key: .*not a PEM private key",
        ),
        (
            "coordinator/secrets.yaml",
            "BEGIN CERTIFICATE",
            r"secrets\.yaml: tls\.crt: .*not a PEM certificate",
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


def test_a_second_secret_of_a_shape_is_foreign(folder: Path) -> None:
    """Two SuperExec secrets in one file are refused: nobody can say which one counts."""
    plan = federation()
    ensure_all(plan, folder)
    path = folder / "coordinator/secrets.yaml"
    twice = path.read_text() + "---\n" + path.read_text().split("---\n")[-1]
    damage(folder, "coordinator/secrets.yaml", twice.encode())
    with pytest.raises(IdentityError, match="holds a Secret or an entry that flowerbed did not"):
        ensure_all(plan, folder)
