"""PEM texts of a declaration, read and made canonical: public keys that a tenant brought, CA certificates."""

from __future__ import annotations

from functools import lru_cache

CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""What Flower takes as a node key: NIST P-256, P-384, P-521 (flwr 1.41)."""
_KEY_LIMIT = 4096
_CERTIFICATES_LIMIT = 65536


class PublicKeyError(ValueError):
    """A text is no public key that Flower takes; the message never repeats the text."""


@lru_cache(maxsize=65536)
def canonical_public_key(text: str) -> str:
    """Return a public key as canonical SubjectPublicKeyInfo PEM.

    Flower compares public keys byte by byte (flwr 1.41), so there is one way to write each.
    Raises PublicKeyError, whose text says what was given and never shows it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_public_key,
        load_ssh_public_key,
    )

    data = _one_key(text).encode(errors="replace")
    try:
        key = load_pem_public_key(data) if data.startswith(b"-----") else load_ssh_public_key(data)
    except UnsupportedAlgorithm:
        raise PublicKeyError("is of a kind that Flower does not take") from None
    except ValueError:
        raise PublicKeyError("is damaged: it does not parse") from None
    if not isinstance(key, EllipticCurvePublicKey):
        raise PublicKeyError("is of a kind that Flower does not take")
    if key.curve.name not in CURVES:
        raise PublicKeyError(f"is on the curve {key.curve.name}")
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _one_key(text: str) -> str:
    """Return the only key of `text`, trimmed; refuse what plainly is something else, before it is parsed."""
    if "PRIVATE KEY" in text:
        raise PublicKeyError("is a private key, which must never leave its owner")
    if len(text) > _KEY_LIMIT:
        raise PublicKeyError("is too long for a public key")
    lines = text.strip().splitlines()
    if not lines:
        raise PublicKeyError("is empty")
    if lines[0].startswith("-----"):
        if lines[0] != "-----BEGIN PUBLIC KEY-----":
            raise PublicKeyError("is PEM of another kind than PUBLIC KEY")
        if text.count("-----BEGIN") > 1:
            raise PublicKeyError("holds more than one key")
        return "\n".join(line.strip() for line in lines) + "\n"
    if len(lines) > 1:
        raise PublicKeyError("holds more than one line")
    return lines[0]


class CaCertificateError(ValueError):
    """A text holds no CA certificates; the message never repeats the text."""


def canonical_certificates(text: str) -> str:
    """Return the certificates of a PEM text, one after the other and nothing else.

    Raises CaCertificateError, whose text says what was given and never shows it.
    """
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificates

    if "PRIVATE KEY" in text:
        raise CaCertificateError("holds a private key, which must never leave its owner")
    if len(text) > _CERTIFICATES_LIMIT:
        raise CaCertificateError("is too long for CA certificates")
    try:
        certificates = load_pem_x509_certificates(text.encode(errors="replace"))
    except ValueError:
        raise CaCertificateError("holds no certificate that can be read") from None
    return "".join(certificate.public_bytes(Encoding.PEM).decode("ascii") for certificate in certificates)
