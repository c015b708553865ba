"""The plan: public keys that tenants bring, in one form and in order."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from support.declarations import plan_of


def forms(seed: int) -> tuple[str, str]:
    """Return a public key as an OpenSSH line and as PEM with an indented, Windows-ended text."""
    key = ec.derive_private_key(seed, ec.SECP384R1()).public_key()
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " somebody@laptop"
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return line, pem.replace("\n", "\r\n    ")


@pytest.mark.parametrize(
    "curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name
)
def test_brought_keys_have_one_form(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    """OpenSSH lines and PEM become the same canonical PEM, which Flower compares byte by byte."""
    key = ec.derive_private_key(11, curve).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    for written in (pem, f"\n{pem}\n", line, f"{line} me@laptop", pem.replace("\n", "\r\n  ")):
        nodes = [{"public-key": written}]
        data = {"version": 1, "name": "a", "tenants": [{"name": "n", "nodes": nodes, "keys": "brought"}]}
        (node,) = plan_of(yaml.safe_dump(data), tmp_path).nodes
        assert node.public_key == pem
        assert load_pem_public_key(node.public_key.encode()) == key


def test_brought_keys_keep_the_order_of_the_nodes(tmp_path: Path) -> None:
    """The first public key is the first node's."""
    keys = [forms(seed)[seed % 2] for seed in (1, 2, 3)]
    data = {
        "version": 1,
        "name": "a",
        "tenants": [{"name": "n", "nodes": 3, "keys": "brought", "public-keys": keys}],
    }
    found = [node.public_key for node in plan_of(yaml.safe_dump(data), tmp_path).nodes]
    assert found == [
        ec.derive_private_key(seed, ec.SECP384R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode()
        for seed in (1, 2, 3)
    ]
