"""What openssl says of the certificates."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flowerbed.identities import CertificateAuthority, validity
from support import certificates
from support.certificates import LONG_NAME, encoded

authority = certificates.authority
fixed_time = certificates.fixed_time
pytestmark = pytest.mark.needs("openssl")


def test_openssl_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`openssl verify -x509_strict` takes each certificate for its purpose and names, and no other."""
    monkeypatch.undo()
    authority, stranger = CertificateAuthority.create("hospitals"), CertificateAuthority.create("hospitals")
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    (tmp_path / "stranger.crt").write_bytes(stranger.certificate)
    (tmp_path / "server.crt").write_bytes(
        authority.issue_server(["fleet", LONG_NAME], ["10.0.0.1"], 1).certificate
    )
    (tmp_path / "client.crt").write_bytes(authority.issue_client("analyst", "viewer", 1).certificate)

    def verified(certificate: str, *flags: str, root: str = "ca.crt") -> bool:
        command = ["openssl", "verify", "-x509_strict", "-CAfile", root, *flags, certificate]
        return (
            subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=30, check=False).returncode
            == 0
        )

    assert verified("ca.crt")
    assert verified("server.crt", "-purpose", "sslserver", "-verify_hostname", "fleet")
    assert verified("server.crt", "-verify_hostname", LONG_NAME)
    assert verified("server.crt", "-verify_ip", "10.0.0.1")
    assert verified("client.crt", "-purpose", "sslclient")
    assert not verified("server.crt", "-purpose", "sslclient")
    assert not verified("client.crt", "-purpose", "sslserver")
    assert not verified("server.crt", "-verify_hostname", "control")
    assert not verified("server.crt", "-verify_ip", "10.0.0.2")
    assert not verified("server.crt", root="stranger.crt")


def test_the_authority_cannot_make_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CA below ours is refused by its path length: what it signs does not verify, what ours signs does."""
    monkeypatch.undo()
    root = CertificateAuthority.create("hospitals")
    below = forged_authority(root)
    leaf = below.issue_client("mallory", "operator", 1)
    (tmp_path / "ca.crt").write_bytes(root.certificate)
    (tmp_path / "below.crt").write_bytes(below.certificate)
    (tmp_path / "leaf.crt").write_bytes(leaf.certificate)
    (tmp_path / "good.crt").write_bytes(root.issue_client("analyst", "viewer", 1).certificate)
    command = ["openssl", "verify", "-CAfile", "ca.crt", "-untrusted", "below.crt"]
    run = [
        subprocess.run(
            [*command, name], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
        )
        for name in ("leaf.crt", "good.crt")
    ]
    assert "path length" in run[0].stderr
    assert (run[0].returncode != 0, run[1].returncode) == (True, 0)


def forged_authority(root: CertificateAuthority) -> CertificateAuthority:
    """Sign, with the root's key, a certificate that claims to be a CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer = serialization.load_pem_private_key(root.private_key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "below")])
    builder = x509.CertificateBuilder(
        root.parsed.subject,
        subject,
        key.public_key(),
        1234,
        validity.now(),
        validity.now() + timedelta(days=1),
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )
    certificate = builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return CertificateAuthority(certificate, encoded(key, ""))
