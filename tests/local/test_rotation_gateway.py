"""Rotation and revocation at a running gateway: HAProxy reloads, and what was revoked is refused at once."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from flowerbed.identities import ClientCertificate
from support.gateway_pod import Gateway
from support.local_federation import until

pytestmark = pytest.mark.needs("haproxy")


def test_a_certificate_of_the_next_ca_is_served_without_a_refusal(gateway: Gateway) -> None:
    """While the gateway takes its new certificate, who trusts both CAs is always answered."""
    assert gateway.status("bob", gateway.new) == 0
    gateway.serve(gateway.new)
    answers = set()

    def renewed() -> bool:
        answers.add(gateway.status("ann"))
        return gateway.status("bob", gateway.new) == 503

    until(renewed, 20, "the new certificate")
    assert answers == {503}
    assert gateway.status("bob", gateway.old) == 0


def twin_of(pair: ClientCertificate) -> ClientCertificate:
    """Return the certificate with its signature (r, s) written as (r, n - s), which counts as well."""
    tbs, algorithm, _ = parts(ssl.PEM_cert_to_DER_cert(pair.certificate.decode()))
    r, s = decode_dss_signature(pair.parsed.signature)
    signature = b"\x00" + encode_dss_signature(r, P256_ORDER - s)
    der = element(0x30, tbs + algorithm + element(0x03, signature))
    return ClientCertificate(ssl.DER_cert_to_PEM_cert(der).encode(), pair.private_key)


P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def element(tag: int, content: bytes) -> bytes:
    """Return a DER element."""
    size = len(content)
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, *([size] if size < 0x80 else [0x80 | len(length), *length])]) + content


def parts(der: bytes) -> tuple[bytes, ...]:
    """Return the elements of a DER sequence."""
    found, at = [], end_of_head(der, 0)
    while at < len(der):
        begin, head = at, end_of_head(der, at)
        size = der[at + 1] if der[at + 1] < 0x80 else int.from_bytes(der[at + 2 : head], "big")
        at = head + size
        found.append(der[begin:at])
    return tuple(found)


def end_of_head(der: bytes, at: int) -> int:
    return at + 2 + (der[at + 1] & 0x7F if der[at + 1] & 0x80 else 0)


def test_revoking_reaches_every_certificate_of_a_name_until_then(gateway: Gateway) -> None:
    """Those that begin until then are refused, twins with another signature too; later ones pass."""
    first = gateway.old.issue_client("ann", "viewer", 2)
    second = gateway.old.issue_client("ann", "viewer", 2, after=first.not_before)
    third = gateway.new.issue_client("ann", "viewer", 2, after=second.not_before)
    made = {"first": first, "second": second, "third": third}
    made |= {"twin of the first": twin_of(first), "twin of the second": twin_of(second)}
    assert made["twin of the second"].certificate != second.certificate
    for name, pair in made.items():
        gateway.keep(name, pair)
    assert {gateway.status(name) for name in (*made, "bob")} == {503}
    gateway.revoke({"ann": second.not_before})
    until(lambda: gateway.status("second") == 403, 20, "the refusal")
    refused = {"first", "second", "twin of the first", "twin of the second"}
    assert {name for name in made if gateway.status(name) == 403} == refused
    assert [gateway.status(name) for name in ("third", "bob")] == [503, 503]
    gateway.revoke({"ann": first.not_before - timedelta(seconds=1)})
    until(lambda: gateway.status("second") == 503, 20, "the end of the refusal")
    assert gateway.status("first") == 503


@pytest.mark.parametrize("years", [0, 1, 22])
def test_beginnings_are_compared_whole(gateway: Gateway, years: int) -> None:
    """A time of 12 digits is more than 32 bits hold, and must not be cut: today, next year, 2048."""
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365 * years)
    gateway.revoke({"ann": later})
    until(lambda: gateway.status("ann") == 403, 20, "the refusal")
    assert gateway.status("bob") == 503
    gateway.revoke({"ann": later - timedelta(days=365 * (years + 20))})
    until(lambda: gateway.status("ann") == 503, 20, "the end of the refusal")
