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
    def from_private(cls, private: bytes, where: str = "node key") -> Self:
        """Return the pair of an OpenSSH key on a NIST curve, or raise IdentityError naming `where`."""
        try:
            key = serialization.load_ssh_private_key(private, None)
        except TypeError:
            raise _refused("the node key has a passphrase, which a SuperNode cannot enter", where) from None
        except (ValueError, UnsupportedAlgorithm):
            raise _refused("this is not an OpenSSH private key, or it is damaged", where) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, _NIST_CURVES):
            raise _refused("the node key is not on one of the curves P-256, P-384 and P-521", where)
        # `cryptography` derives the public half and does not look at the one that the file names.
        point = key.public_key().public_bytes(*_POINT)
        if point not in _unarmoured(private):
            raise _refused("the private half of this node key does not belong to its public half", where)
        return cls(private, _spki(key.public_key()))

    @property
    def openssh_public(self) -> bytes:
        """Return the public key as one OpenSSH line, which `flwr supernode register` takes."""
        key = serialization.load_pem_public_key(self.public)
        return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)


def public_of(private: bytes, where: str) -> bytes:
    """Return the public half of an OpenSSH private key without checking that the private half matches it.

    A P-384 key carries its public point at a fixed place, in clear; reading it there takes a small part of
    the time of `NodeKey.from_private`, which any other key goes through.
    """
    envelope = _unarmoured(private)
    if not envelope.startswith(_OPENSSH_P384) or len(envelope) < len(_OPENSSH_P384) + _P384_POINT:
        return NodeKey.from_private(private, where).public
    point = envelope[len(_OPENSSH_P384) : len(_OPENSSH_P384) + _P384_POINT]
    text = binascii.b2a_base64(_SPKI_P384 + point, newline=False)
    lines = b"\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return b"-----BEGIN PUBLIC KEY-----\n" + lines + b"\n-----END PUBLIC KEY-----\n"


def _string(value: bytes) -> bytes:
    # RFC 4251: a string is its length in four bytes, then itself.
    return len(value).to_bytes(4, "big") + value


_P384_POINT = 97  # uncompressed: 0x04, then two coordinates of 48 bytes
_P384_NAMES = _string(b"ecdsa-sha2-nistp384") + _string(b"nistp384")
# OpenSSH's PROTOCOL.key: magic, no cipher, no key derivation, one key; then the public key up to its point.
_OPENSSH_P384 = (
    b"openssh-key-v1\0"
    + _string(b"none")
    + _string(b"none")
    + _string(b"")
    + (1).to_bytes(4, "big")
    + (len(_P384_NAMES) + 4 + _P384_POINT).to_bytes(4, "big")
    + _P384_NAMES
    + _P384_POINT.to_bytes(4, "big")
)
# RFC 5480: SEQUENCE { SEQUENCE { id-ecPublicKey, secp384r1 }, BIT STRING } up to the point.
_SPKI_P384 = bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200")


def _unarmoured(pem: bytes) -> bytes:
    try:
        return binascii.a2b_base64(b"".join(pem.strip().splitlines()[1:-1]))
    except binascii.Error:
        return b""


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _refused(what: str, where: str) -> IdentityError:
    remedy = "Flower reads EC keys as `ssh-keygen -t ecdsa -b 384 -N ''` writes them"
    return IdentityError(what, where=where, remedy=remedy)
