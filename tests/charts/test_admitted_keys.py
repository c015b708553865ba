"""The list of admitted keys holds the hash of what a SuperNode sends, in the chart as in Python."""

from __future__ import annotations

import base64
import hashlib

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER
from flwr.supercore.protobuf.client import ProtobufRequestContext
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor
from google.protobuf.empty_pb2 import Empty

from flowerbed.identities import NodeKey
from flowerbed.identities.revocations import key_fingerprint
from support.chart_release import render


def header_of(key: NodeKey) -> str:
    """Return the header that Flower's own SuperNode puts its public key into."""
    private = serialization.load_ssh_private_key(key.private, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    request = httpx.Request("POST", "https://superlink/v1/fleet/pull-messages")
    context = ProtobufRequestContext("PullMessages", Empty(), request)
    interceptor = NodeAuthHttpInterceptor(private, private.public_key())
    interceptor.intercept(context, lambda _: httpx.Response(200))
    return request.headers[FLEET_HTTP_PUBLIC_KEY_HEADER]


def key_on(curve: ec.EllipticCurve) -> NodeKey:
    private = ec.generate_private_key(curve).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return NodeKey.from_private(private)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda c: c.name)
@pytest.mark.parametrize("ending", ["\n", "", "\n\n"])
def test_the_hash_is_that_of_what_a_supernode_sends(curve: ec.EllipticCurve, ending: str) -> None:
    """The gateway hashes the decoded header; a key in values may end as YAML's forms of text let it."""
    key, other = key_on(curve), NodeKey.generate()
    sent, others = (hashlib.sha256(base64.b64decode(header_of(each))).hexdigest() for each in (key, other))
    assert key_fingerprint(key.public.decode()) == sent
    nodes = {"north-0": key.public.decode().rstrip("\n") + ending, "north-1": other.public.decode()}
    values = {
        "admission": {"nodes": {name: {"publicKey": pem} for name, pem in nodes.items()}},
        "revoked": {"keys": [others]},
    }
    lists = render("superlink", values).one("ConfigMap", "hospitals-superlink-admission")["data"]
    assert lists["admitted-keys"].split("\n") == ["# SHA-256", sent]
    assert lists["revoked-keys"].split("\n") == ["# SHA-256", others]
