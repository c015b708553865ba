"""What the tests of certificates and keys share: a fixed time, an authority, forms of keys."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from flowerbed.identities import CertificateAuthority, validity
from flowerbed.identities.certificates import KeyPairLocation

NOW = datetime(2026, 11, 24, 6, 30, 0, tzinfo=UTC)
LONG_NAME = ".".join(["a" * 40, "b" * 40, "example.org"])
PLACE = KeyPairLocation("server certificate", "x.crt", "x.key", "make a new one")


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validity, "now", lambda: NOW)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validity, "now", lambda: NOW)
        return CertificateAuthority.create("hospitals")


def encoded(
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: str
) -> bytes:
    secrecy = (
        serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secrecy)
