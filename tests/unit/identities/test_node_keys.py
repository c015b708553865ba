"""What the keys of nodes say, and which keys are refused."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from flowerbed.errors import IdentityError
from flowerbed.identities import NodeKey
from support import certificates
from support.certificates import encoded

fixed_time = certificates.fixed_time


def test_node_keys_have_flowers_forms() -> None:
    """The private key is OpenSSH PEM on P-384, the public one canonical SPKI PEM."""
    key = NodeKey.generate()
    private = serialization.load_ssh_private_key(key.private, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert private.curve.name == "secp384r1"
    pem = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert key.public == private.public_key().public_bytes(*pem)
    assert NodeKey.from_private(key.private) == key


def openssh(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    form = serialization.PrivateFormat.OpenSSH
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def body_of(private: bytes) -> bytes:
    return base64.b64decode(b"".join(private.splitlines()[1:-1]))


def armoured(body: bytes) -> bytes:
    text = base64.encodebytes(body)
    return b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + text + b"-----END OPENSSH PRIVATE KEY-----\n"


def encrypted(key: NodeKey) -> bytes:
    """Write a key's envelope as `ssh-keygen` does with a passphrase, which hides the private half."""
    salt_and_rounds = (16).to_bytes(4, "big") + bytes(16) + (16).to_bytes(4, "big")
    fields = [b"aes256-ctr", b"bcrypt", salt_and_rounds]
    head = b"openssh-key-v1\0" + b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return armoured(head + body_of(key.private)[15 + 8 + 8 + 4 :])


@pytest.mark.parametrize(
    "curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name
)
def test_every_curve_that_flower_takes_is_read(curve: ec.EllipticCurve) -> None:
    """Keys on the three NIST curves load, whatever their numbers, with their public half."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    for _ in range(30):
        key = ec.generate_private_key(curve)
        public = key.public_key().public_bytes(serialization.Encoding.PEM, form)
        assert NodeKey.from_private(openssh(key)).public == public


def test_line_ends_of_a_brought_key_do_not_matter() -> None:
    """A key without its last newline, or with CRLF, is the same key."""
    key = NodeKey.generate()
    for private in (key.private.rstrip(b"\n"), key.private.replace(b"\n", b"\r\n")):
        assert NodeKey.from_private(private).public == key.public


def test_keys_that_flower_cannot_read_are_refused() -> None:
    """PKCS#8, another kind, a passphrase, a damaged key and garbage are refused with place and remedy."""
    key = NodeKey.generate()
    lines = key.private.splitlines(keepends=True)
    damaged = b"".join([*lines[:3], lines[4], lines[3], *lines[5:]])
    cases = [
        (encoded(ec.generate_private_key(ec.SECP384R1()), ""), "not an OpenSSH private key"),
        (openssh(ed25519.Ed25519PrivateKey.generate()), "not on one of the curves"),
        (encrypted(key), "has a passphrase"),
        (damaged, "not an OpenSSH private key, or it is damaged"),
        (b"", "not an OpenSSH private key"),
        (key.public, "not an OpenSSH private key"),
    ]
    for private, words in cases:
        with pytest.raises(IdentityError, match=f"north-0: .*{words}") as refusal:
            NodeKey.from_private(private, "north-0")
        assert "ssh-keygen -t ecdsa" in refusal.value.remedy


def test_a_private_half_of_another_key_is_noticed() -> None:
    """A key whose private number belongs to another public half is refused; unchanged it passes."""
    key = ec.generate_private_key(ec.SECP384R1())
    number = key.private_numbers().private_value
    secret = number.to_bytes((number.bit_length() + 7) // 8, "big")
    body = body_of(openssh(key))
    assert body.count(secret) == 1
    swapped = body.replace(secret, secret[:-1] + bytes([secret[-1] ^ 1]))
    assert NodeKey.from_private(armoured(body)).public
    with pytest.raises(
        IdentityError, match="private half of this node key does not belong to its public half"
    ):
        NodeKey.from_private(armoured(swapped))
