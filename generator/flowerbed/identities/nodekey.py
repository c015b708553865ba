"""The key pair by which a SuperNode is known to its SuperLink.

The private key is in OpenSSH's PEM form, the only one that `flower-supernode --auth-supernode-private-key`
reads. The public key is SubjectPublicKeyInfo PEM exactly as `cryptography` writes it: the SuperLink compares
public keys byte by byte (flwr 1.41).
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flowerbed.errors import IdentityError

FORM = "Flower reads EC keys as `ssh-keygen -t ecdsa -b 384 -N ''` writes them"
_POINT = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
_NIST_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


@dataclass(frozen=True, slots=True)
class NodeKey:
    """A SuperNode's key pair: `private` is OpenSSH PEM, `public` is SubjectPublicKeyInfo PEM."""

    private: bytes = field(repr=False)
    public: bytes

    @classmethod
    def generate(cls) -> Self:
        """Return a new key on P-384, the curve that Flower's own tools make."""
        key = ec.generate_private_key(ec.SECP384R1())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        return cls(private, _spki(key.public_key()))

    @classmethod
    def from_private(cls, private: bytes, where: str = "node key", remedy: str = FORM) -> Self:
        """Return the pair of an OpenSSH key on a NIST curve, or raise IdentityError with place and remedy."""
        key = _parsed(private)
        if isinstance(key, str):
            raise IdentityError(key, where=where, remedy=remedy)
        return cls(private, _spki(key.public_key()))


def _parsed(private: bytes) -> ec.EllipticCurvePrivateKey | str:
    """Return the key, or what is wrong with it."""
    try:
        key = serialization.load_ssh_private_key(private, None)
    except TypeError:
        return "this node key has a passphrase, which a SuperNode cannot enter"
    except (ValueError, UnsupportedAlgorithm):
        return "this is not an OpenSSH private key, or it is damaged"
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, _NIST_CURVES):
        return "this node key is not on one of the curves P-256, P-384 and P-521"
    # `cryptography` derives the public half and does not look at the one that the file names.
    if key.public_key().public_bytes(*_POINT) not in _unarmoured(private):
        return "the private half of this node key does not belong to its public half"
    return key


def _unarmoured(pem: bytes) -> bytes:
    try:
        return binascii.a2b_base64(b"".join(pem.strip().splitlines()[1:-1]))
    except binascii.Error:
        return b""


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
