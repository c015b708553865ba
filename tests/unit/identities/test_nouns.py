"""What the certificates say: each extension, each name; and which pairs are none."""

from __future__ import annotations

import ipaddress
import random
import string
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from flowerbed.errors import IdentityError
from flowerbed.identities import CertificateAuthority, ClientCertificate, NodeKey, ServerCertificate
from flowerbed.identities.certificates import KeyPair
from support import certificates
from support.certificates import LONG_NAME, PLACE, encoded

authority = certificates.authority
fixed_time = certificates.fixed_time
Extension = TypeVar("Extension", bound=x509.ExtensionType)


def value_of(pair: KeyPair, kind: type[Extension]) -> Extension:
    return pair.parsed.extensions.get_extension_for_class(kind).value


def critical(pair: KeyPair) -> set[x509.ObjectIdentifier]:
    return {extension.oid for extension in pair.parsed.extensions if extension.critical}


def uses(pair: KeyPair) -> set[str]:
    usage = value_of(pair, x509.KeyUsage)
    names = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
    ]
    return {name for name in [*names, "key_cert_sign", "crl_sign"] if getattr(usage, name)}


def test_the_authority_signs_leaves_and_nothing_else(authority: CertificateAuthority) -> None:
    """The CA is critical CA:true with path length 0, may sign certificates and lists, and no more."""
    constraints = value_of(authority, x509.BasicConstraints)
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert uses(authority) == {"key_cert_sign", "crl_sign"}
    assert critical(authority) == {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE}
    assert authority.may_sign()
    assert authority.parsed.subject == authority.parsed.issuer
    authority.parsed.verify_directly_issued_by(authority.parsed)


def test_the_authority_is_named_after_the_federation(authority: CertificateAuthority) -> None:
    """CN and O name the federation, so that two federations' CAs are told apart."""
    assert authority.common_name == "hospitals CA"
    assert authority.federation == "hospitals"
    assert isinstance(authority.parsed.public_key(), ec.EllipticCurvePublicKey)
    assert authority.parsed.signature_hash_algorithm is not None
    assert authority.parsed.signature_hash_algorithm.name == "sha256"


def test_key_identifiers_link_leaf_and_authority(authority: CertificateAuthority) -> None:
    """Each certificate carries its own key's identifier and its CA's, as RFC 5280 computes them."""
    own = x509.SubjectKeyIdentifier.from_public_key(authority.parsed.public_key())
    leaf = authority.issue_client("analyst", "viewer", 1)
    assert value_of(authority, x509.SubjectKeyIdentifier) == own
    for pair in (authority, leaf, authority.issue_server(["a"], [], 1)):
        assert value_of(pair, x509.AuthorityKeyIdentifier).key_identifier == own.digest
        expected = x509.SubjectKeyIdentifier.from_public_key(pair.parsed.public_key())
        assert value_of(pair, x509.SubjectKeyIdentifier) == expected


def test_a_server_certificate_carries_every_name_and_address(authority: CertificateAuthority) -> None:
    """Names and addresses are subject alternative names, once each, in order; CN is the first name."""
    names = ["fleet", "fleet.hub.svc", "fleet", "*.example.org"]
    server = authority.issue_server(names, ["127.0.0.1", "2001:db8::1", "127.0.0.1"], 365)
    assert server.dns_names == ("fleet", "fleet.hub.svc", "*.example.org")
    assert server.ip_addresses == ("127.0.0.1", "2001:db8::1")
    assert server.common_name == "fleet"
    assert server.federation == "hospitals"


def test_a_server_certificate_serves_and_does_nothing_else(authority: CertificateAuthority) -> None:
    """It is no CA, signs handshakes, and its purpose is serverAuth alone."""
    server = authority.issue_server(["fleet"], [], 365)
    assert not value_of(server, x509.BasicConstraints).ca
    assert not server_may_sign(server)
    assert uses(server) == {"digital_signature"}
    assert list(value_of(server, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert critical(server) == {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE}
    assert server.issued_by(authority)


def server_may_sign(server: ServerCertificate) -> bool:
    return CertificateAuthority(server.certificate, server.private_key).may_sign()


def test_a_client_certificate_carries_name_and_role(authority: CertificateAuthority) -> None:
    """CN is the user, OU the role, O the federation; the purpose is clientAuth; there is no SAN."""
    client = authority.issue_client("analyst", "operator", 365)
    assert client.parsed.subject.rfc4514_string() == "CN=analyst,OU=operator,O=hospitals"
    assert (client.name, client.role, client.federation) == ("analyst", "operator", "hospitals")
    assert list(value_of(client, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert uses(client) == {"digital_signature"}
    with pytest.raises(x509.ExtensionNotFound):
        value_of(client, x509.SubjectAlternativeName)


@pytest.mark.parametrize("length", [64, 65])
def test_a_long_name_leaves_the_common_name_and_stays_in_the_sans(
    authority: CertificateAuthority, length: int
) -> None:
    """X.509 ends a CN at 64: a longer first name gives way to the next that fits, and SANs keep both."""
    first = f"{'a' * 30}.{'b' * (length - 31)}"
    server = authority.issue_server([first, "short"], [], 1)
    assert server.common_name == (first if length == 64 else "short")
    assert server.dns_names == (first, "short")


def test_without_a_fitting_name_there_is_no_common_name(authority: CertificateAuthority) -> None:
    """Only long names, or only addresses: the subject names the federation alone."""
    for server in (authority.issue_server([LONG_NAME], [], 1), authority.issue_server([], ["10.0.0.1"], 1)):
        assert server.common_name == ""
        assert server.parsed.subject.rfc4514_string() == "O=hospitals"


def test_a_long_federation_still_has_an_authority() -> None:
    """A name of 63 characters is cut in the CN and whole in the O."""
    authority = CertificateAuthority.create("f" * 63)
    assert authority.common_name == "f" * 61 + " CA"
    assert authority.federation == "f" * 63


def test_serial_numbers_are_random(authority: CertificateAuthority) -> None:
    """Serial numbers never repeat and have at most 159 bits, as X.509's 20 bytes ask."""
    serials = {authority.issue_client("a", "viewer", 1).parsed.serial_number for _ in range(50)}
    assert len(serials) == 50
    assert all(0 < serial.bit_length() <= 159 for serial in serials)
    assert max(serials).bit_length() > 120


def test_certificates_have_version_3_and_strict_der(authority: CertificateAuthority) -> None:
    """Version 3 throughout, and the DER reads back to the same bytes."""
    for pair in (authority, authority.issue_server(["a"], [], 1), authority.issue_client("a", "viewer", 1)):
        assert pair.parsed.version is x509.Version.v3
        der = pair.parsed.public_bytes(serialization.Encoding.DER)
        assert x509.load_der_x509_certificate(der) == pair.parsed


@pytest.mark.parametrize(
    ("names", "addresses", "words"),
    [
        ([], [], "at least one name or address"),
        (["hôpital.example.org"], [], "'hôpital.example.org' is not a DNS name in ASCII"),
        ([""], [], "'' is not a DNS name"),
        ([], ["300.1.1.1"], "'300.1.1.1' is not an IP address"),
    ],
)
def test_impossible_server_names_are_refused(
    authority: CertificateAuthority, names: list[str], addresses: list[str], words: str
) -> None:
    """No name, a name outside ASCII or a false address is refused in words."""
    with pytest.raises(IdentityError, match=words):
        authority.issue_server(names, addresses, 1)


@pytest.mark.parametrize("text", ["", "x" * 65, "é" * 33])
def test_names_that_do_not_fit_are_refused(authority: CertificateAuthority, text: str) -> None:
    """A user's name and role have 1 to 64 bytes; 64 are fine."""
    with pytest.raises(IdentityError, match="1 to 64 bytes"):
        authority.issue_client(text, "viewer", 1)
    with pytest.raises(IdentityError, match="1 to 64 bytes"):
        authority.issue_client("analyst", text, 1)
    assert authority.issue_client("é" * 32, "x" * 64, 1).name == "é" * 32


def test_private_keys_do_not_show_in_texts(authority: CertificateAuthority) -> None:
    """The repr of every noun is free of private keys."""
    nouns = [authority, authority.issue_server(["a"], [], 1), authority.issue_client("a", "viewer", 1)]
    assert all("PRIVATE" not in repr(noun) for noun in [*nouns, NodeKey.generate()])


def test_many_random_names_come_back(authority: CertificateAuthority) -> None:
    """300 random sets of names and addresses read back from the certificate, and its CN always fits."""
    chance = random.Random(7)
    letters = string.ascii_lowercase + string.digits
    for _ in range(300):
        names = [
            ".".join(
                "".join(chance.choices(letters, k=chance.randint(1, 63))) for _ in range(chance.randint(1, 4))
            )[:253].rstrip(".")
            for _ in range(chance.randint(1, 12))
        ]
        addresses = [str(ipaddress.ip_address(chance.getrandbits(32))) for _ in range(chance.randint(0, 3))]
        addresses += [
            str(ipaddress.ip_address(chance.getrandbits(128) | 1 << 127)) for _ in range(chance.randint(0, 3))
        ]
        server = authority.issue_server(names, addresses, chance.randint(1, 4000))
        assert set(server.dns_names) == set(names)
        assert set(server.ip_addresses) == set(addresses)
        assert len(server.common_name) <= 64
        assert server.missing(tuple(names), tuple(addresses)) == ()


def test_missing_names_are_named(authority: CertificateAuthority) -> None:
    """What the certificate lacks comes back as it was asked for, whatever its case or spelling."""
    server = authority.issue_server(["Fleet.example.org"], ["2001:db8::1"], 1)
    assert server.missing(("fleet.EXAMPLE.org",), ("2001:0db8:0::1",)) == ()
    assert server.missing(("fleet.example.org", "other"), ("10.0.0.1",)) == ("other", "10.0.0.1")


def test_a_certificate_without_names_lacks_all(authority: CertificateAuthority) -> None:
    """A certificate without subject alternative names covers nothing."""
    client = authority.issue_client("analyst", "viewer", 1)
    bare = ServerCertificate(client.certificate, client.private_key)
    assert bare.missing(("a",), ("10.0.0.1",)) == ("a", "10.0.0.1")


def test_only_the_issuer_counts_as_issuer(authority: CertificateAuthority) -> None:
    """A CA of the same name but another key did not issue the certificate."""
    twin = CertificateAuthority.create("hospitals")
    client = authority.issue_client("analyst", "viewer", 1)
    assert client.issued_by(authority)
    assert not client.issued_by(twin)
    assert not client.issued_by(CertificateAuthority.create("others"))


def test_a_pair_must_be_a_pair(authority: CertificateAuthority) -> None:
    """Matching halves pass; another's key, a passphrase, another kind and garbage are refused by name."""
    server, other = (authority.issue_server([name], [], 1) for name in "ab")
    assert ServerCertificate.checked(server.certificate, server.private_key, PLACE) == server
    locked = encoded(ec.generate_private_key(ec.SECP256R1()), "word")
    cases = [
        (
            server.certificate,
            other.private_key,
            "x.key: this private key does not belong to the server certificate",
        ),
        (server.certificate, locked, "x.key: .* without a passphrase"),
        (server.certificate, encoded(ed25519.Ed25519PrivateKey.generate(), ""), "x.key: .* not an EC key"),
        (server.certificate, b"", "x.key: .* not a PEM private key"),
        (server.certificate, server.certificate, "x.key: .* not a PEM private key"),
        (server.certificate[:300], server.private_key, "x.crt: .* not a PEM certificate"),
        (server.private_key, server.private_key, "x.crt: .* not a PEM certificate"),
        (b"\xff\x00", server.private_key, "x.crt: .* not a PEM certificate"),
    ]
    for certificate, key, words in cases:
        with pytest.raises(IdentityError, match=words) as refusal:
            ServerCertificate.checked(certificate, key, PLACE)
        assert refusal.value.remedy == "make a new one"


def test_client_certificates_are_compared_by_value(authority: CertificateAuthority) -> None:
    """Nouns are plain values: equal bytes are equal, and they cannot be changed."""
    client = authority.issue_client("analyst", "viewer", 1)
    assert client == ClientCertificate(client.certificate, client.private_key)
    with pytest.raises(AttributeError):
        client.certificate = b""  # type: ignore[misc]
