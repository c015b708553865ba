"""The federation's certificate authority and what it signs."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flowerbed.errors import IdentityError
from flowerbed.identities import validity
from flowerbed.identities.certificates import (
    ClientCertificate,
    KeyPair,
    KeyPairLocation,
    ServerCertificate,
    parse_private_key,
)
from flowerbed.identities.validity import AUTHORITY_DAYS

# X.509's upper bound for a common name, an organisation and a unit (RFC 5280); `cryptography` counts bytes.
NAME_LIMIT = 64

# What certificates count time in.
_SECOND = timedelta(seconds=1)
_MEMORY = KeyPairLocation("CA certificate", "the CA's certificate", "the CA's private key", "")
_CN_SUFFIX = " CA"
_OIDS = {
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
}


@dataclass(frozen=True, slots=True)
class CertificateAuthority(KeyPair):
    """A self-signed CA for one federation; it signs certificates of servers and users, and no further CA."""

    @classmethod
    def create(cls, federation: str, days: int = AUTHORITY_DAYS) -> Self:
        """Return a new CA (ECDSA P-256) that is valid for `days` from now; its O is the federation's name."""
        key = ec.generate_private_key(ec.SECP256R1())
        common = federation[: NAME_LIMIT - len(_CN_SUFFIX)] + _CN_SUFFIX
        subject = _name(O=_fitting("federation's name", federation), CN=common)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        end = validity.now() + timedelta(days=days)
        builder = (
            _builder(subject, key, end, validity.beginning())
            .issuer_name(subject)
            .add_extension(_issuer(identifier), critical=False)
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        return cls(_certificate_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))

    def issue_server(
        self, dns_names: Iterable[str], ip_addresses: Iterable[str], days: int
    ) -> ServerCertificate:
        """Return a certificate for a server that is dialled by these names and addresses.

        Its CN is the first name that fits into 64 bytes; clients go by the subject alternative names.
        It never outlives the CA. Raises IdentityError when there is no name, or one is no DNS name in ASCII
        and no IP address.
        """
        names = [_dns_name(name) for name in dict.fromkeys(dns_names)]
        addresses = [_ip_address(address) for address in dict.fromkeys(ip_addresses)]
        if not names and not addresses:
            raise IdentityError("a server certificate needs at least one name or address")
        common = next((name.value for name in names if len(name.value) <= NAME_LIMIT), "")
        alternatives = x509.SubjectAlternativeName([*names, *addresses])
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return ServerCertificate(
            *self._issue(_name(O=self.federation, CN=common), [alternatives, purpose], days)
        )

    def issue_client(
        self, name: str, role: str, days: int, *, after: datetime | None = None
    ) -> ClientCertificate:
        """Return a certificate for a user: CN is the name, OU the role, O the federation.

        It begins later than `after`, and never outlives the CA. Raises IdentityError when name or role has no
        or more than 64 bytes.
        """
        subject = _name(O=self.federation, OU=_fitting("user's role", role), CN=_fitting("user's name", name))
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return ClientCertificate(*self._issue(subject, [purpose], days, after))

    def may_sign(self) -> bool:
        """Return whether the certificate is a CA's, with the key identifier that others refer to."""
        extensions = self.parsed.extensions
        try:
            extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
            return extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            return False

    def end_of_life(self, days: int) -> datetime:
        """Return the end of a certificate that is issued now: it does not outlive the CA."""
        return min(validity.now() + timedelta(days=days), self.not_after)

    def life(self, issued: KeyPair) -> str:
        """Return how long a certificate of this CA is valid, in words."""
        ends_with_us = ", when the CA ends" if issued.not_after == self.not_after else ""
        return f"valid until {issued.not_after:%Y-%m-%d}{ends_with_us}"

    def _issue(
        self,
        subject: x509.Name,
        extensions: Iterable[x509.ExtensionType],
        days: int,
        after: datetime | None = None,
    ) -> tuple[bytes, bytes]:
        own = self.parsed
        key = ec.generate_private_key(ec.SECP256R1())
        end = self.end_of_life(days)
        identifier = own.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        begin = max(validity.beginning(), after + _SECOND) if after else validity.beginning()
        builder = _builder(subject, key, end, begin).issuer_name(own.subject)
        builder = builder.add_extension(_issuer(identifier), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        signer = parse_private_key(self.private_key, _MEMORY)
        return _certificate_pem(builder.sign(signer, hashes.SHA256())), _key_pem(key)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, end: datetime, begin: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(**attributes: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(_OIDS[key], value) for key, value in attributes.items() if value])


def _issuer(identifier: x509.SubjectKeyIdentifier) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _fitting(what: str, text: str) -> str:
    if not 0 < len(text.encode()) <= NAME_LIMIT:
        raise IdentityError(f"a {what} has 1 to {NAME_LIMIT} bytes in a certificate: {text!r}")
    return text


def _dns_name(name: str) -> x509.DNSName:
    if not name or not name.isascii():
        raise IdentityError(f"{name!r} is not a DNS name in ASCII", remedy="write it as DNS has it: xn--...")
    return x509.DNSName(name)


def _ip_address(address: str) -> x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        raise IdentityError(f"{address!r} is not an IP address") from None


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
