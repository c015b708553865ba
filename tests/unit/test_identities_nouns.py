"""What the certificates and keys say: each extension, each name, each date."""

from __future__ import annotations

import base64
import ipaddress
import random
import shutil
import string
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from flowerbed.errors import IdentityError
from flowerbed.identities import CertificateAuthority, ClientCertificate, NodeKey, ServerCertificate, clock
from flowerbed.identities.certificates import KeyPair, Place

NOW = datetime(2026, 11, 24, 6, 30, 0, tzinfo=UTC)
LONG_NAME = ".".join(["a" * 40, "b" * 40, "example.org"])
Extension = TypeVar("Extension", bound=x509.ExtensionType)
PLACE = Place("server certificate", "x.crt", "x.key", "make a new one")


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: NOW)
        return CertificateAuthority.create("hospitals")


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


@pytest.mark.parametrize("days", [1, 365])
def test_life_begins_in_the_past_and_ends_to_the_day(authority: CertificateAuthority, days: int) -> None:
    """Five minutes for clocks that are behind, then exactly the days that were asked for, UTC."""
    for pair in (authority.issue_server(["a"], [], days), authority.issue_client("a", "viewer", days)):
        assert pair.parsed.not_valid_before_utc == NOW - timedelta(minutes=5)
        assert pair.not_after == NOW + timedelta(days=days)
        assert authority.life(pair) == f"valid until {NOW + timedelta(days=days):%Y-%m-%d}"


def test_nothing_outlives_its_authority(authority: CertificateAuthority) -> None:
    """More days than the CA has left end with the CA, and that is said."""
    for pair in (authority.issue_server(["a"], [], 9999), authority.issue_client("a", "viewer", 9999)):
        assert pair.not_after == authority.not_after
        assert authority.life(pair) == "valid until 2036-11-21, when the CA ends"


def test_the_clock_has_no_fractions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real clock is UTC in whole seconds, as certificates are."""
    monkeypatch.undo()
    moment = clock.now()
    assert (moment.microsecond, moment.tzinfo) == (0, UTC)
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=5)


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


@pytest.mark.parametrize(
    ("days", "ahead", "left"),
    [(365, 0, None), (365, 334, None), (365, 336, 29), (365, 364, 1), (9, 0, None), (9, 7, 2)],
)
def test_an_end_that_is_near_is_told(
    authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch, days: int, ahead: int, left: int | None
) -> None:
    """The last 30 days are told, or the last third of a short life."""
    client = authority.issue_client("analyst", "viewer", days)
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(days=ahead))
    assert client.days_left() == left


def test_dates_are_checked_at_both_ends(
    authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its beginning and after its end a certificate is refused with both dates, else it passes."""
    server = authority.issue_server(["a"], [], 10)
    for offset in (timedelta(minutes=-5), timedelta(0), timedelta(days=10)):
        monkeypatch.setattr(clock, "now", lambda offset=offset: NOW + offset)
        server.check_dates(PLACE)
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(days=10, seconds=1))
    with pytest.raises(
        IdentityError, match=r"expired on 2026-12-04 06:30 UTC; it is 2026-12-04 06:30 UTC now"
    ):
        server.check_dates(PLACE)
    monkeypatch.setattr(clock, "now", lambda: NOW - timedelta(minutes=6))
    with pytest.raises(IdentityError, match=r"valid from 2026-11-24 06:25 UTC on; it is 2026-11-24 06:24"):
        server.check_dates(PLACE)


def encoded(
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: str
) -> bytes:
    secrecy = (
        serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secrecy)


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
        (server.certificate, b"", "x.key: .* no private key in PEM"),
        (server.certificate, server.certificate, "x.key: .* no private key in PEM"),
        (server.certificate[:300], server.private_key, "x.crt: .* no certificate in PEM"),
        (server.private_key, server.private_key, "x.crt: .* no certificate in PEM"),
        (b"\xff\x00", server.private_key, "x.crt: .* no certificate in PEM"),
    ]
    for certificate, key, words in cases:
        with pytest.raises(IdentityError, match=words) as refusal:
            ServerCertificate.checked(certificate, key, PLACE)
        assert refusal.value.remedy == "make a new one"


OPENSSL = shutil.which("openssl")


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not on the PATH")
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
        command = [str(OPENSSL), "verify", "-x509_strict", "-CAfile", root, *flags, certificate]
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


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not on the PATH")
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
    command = [str(OPENSSL), "verify", "-CAfile", "ca.crt", "-untrusted", "below.crt"]
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
        root.parsed.subject, subject, key.public_key(), 1234, clock.now(), clock.now() + timedelta(days=1)
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )
    certificate = builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return CertificateAuthority(certificate, encoded(key, ""))


def test_node_keys_have_flowers_forms() -> None:
    """The private key is OpenSSH PEM on P-384, the public one canonical SPKI PEM; the line is OpenSSH's."""
    key = NodeKey.generate()
    private = serialization.load_ssh_private_key(key.private, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert private.curve.name == "secp384r1"
    pem = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert key.public == private.public_key().public_bytes(*pem)
    ssh = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert key.openssh_public == private.public_key().public_bytes(*ssh)
    assert key.openssh_public.startswith(b"ecdsa-sha2-nistp384 ")
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


def test_client_certificates_are_compared_by_value(authority: CertificateAuthority) -> None:
    """Nouns are plain values: equal bytes are equal, and they cannot be changed."""
    client = authority.issue_client("analyst", "viewer", 1)
    assert client == ClientCertificate(client.certificate, client.private_key)
    with pytest.raises(AttributeError):
        client.certificate = b""  # type: ignore[misc]
