"""Certificates as nouns: a certificate and its private key, both PEM, and what the certificate says."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flowerbed.errors import IdentityError
from flowerbed.identities import validity

# How long before its end a certificate is reported; one with a short life is reported in its last third.
EXPIRY_NOTICE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class KeyPairLocation:
    """Where a pair is kept, for messages: what it is, its two files, and what to do when they are no good."""

    what: str
    certificate: str
    private_key: str
    remedy: str


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and the private key that belongs to it, each as PEM."""

    certificate: bytes
    private_key: bytes = field(repr=False)

    @classmethod
    def checked(cls, certificate: bytes, private_key: bytes, place: KeyPairLocation) -> Self:
        """Return the pair; raise IdentityError, naming the place, unless both parse and belong together."""
        signed = parse_certificate(certificate, place).public_key()
        if parse_private_key(private_key, place).public_key() != signed:
            raise IdentityError(
                f"this private key does not belong to the {place.what} in {place.certificate}",
                where=place.private_key,
                remedy=place.remedy,
            )
        return cls(certificate, private_key)

    @property
    def parsed(self) -> x509.Certificate:
        """Return the certificate, parsed."""
        return x509.load_pem_x509_certificate(self.certificate)

    @property
    def not_after(self) -> datetime:
        """Return the last second of the certificate's life, UTC."""
        return self.parsed.not_valid_after_utc

    @property
    def federation(self) -> str:
        """Return the federation that the certificate was made for: the subject's O, "" where it has none."""
        return _first(self.parsed.subject, NameOID.ORGANIZATION_NAME)

    @property
    def common_name(self) -> str:
        """Return the subject's CN, "" where it has none."""
        return _first(self.parsed.subject, NameOID.COMMON_NAME)

    @property
    def unit(self) -> str:
        """Return the subject's OU, "" where it has none."""
        return _first(self.parsed.subject, NameOID.ORGANIZATIONAL_UNIT_NAME)

    @property
    def issuer(self) -> str:
        """Return the key identifier (hexadecimal) of the CA that signed the certificate, "" without."""
        try:
            extension = self.parsed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        except x509.ExtensionNotFound:
            return ""
        return (extension.value.key_identifier or b"").hex()

    @property
    def not_before(self) -> datetime:
        """Return the first second of the certificate's life, UTC."""
        return self.parsed.not_valid_before_utc

    def issued_by(self, authority: KeyPair) -> bool:
        """Return whether `authority`'s key signed this certificate."""
        try:
            self.parsed.verify_directly_issued_by(authority.parsed)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def days_left(self) -> int | None:
        """Return the whole days until the certificate ends, or None while that is far away."""
        certificate = self.parsed
        left = certificate.not_valid_after_utc - validity.now()
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        return left.days if left < min(EXPIRY_NOTICE, life / 3) else None

    def check_dates(self, place: KeyPairLocation) -> None:
        """Raise IdentityError, with both dates, unless the certificate is valid now."""
        begin, end = self.parsed.not_valid_before_utc, self.parsed.not_valid_after_utc
        if validity.now() > end:
            what = f"the {place.what} expired on {_minute(end)}; it is {_minute(validity.now())} now"
            raise IdentityError(what, where=place.certificate, remedy=place.remedy)
        if validity.now() < begin:
            what = f"the {place.what} is valid from {_minute(begin)} on; it is {_minute(validity.now())} now"
            remedy = f"set this machine's clock; if it is right, {place.remedy}"
            raise IdentityError(what, where=place.certificate, remedy=remedy)


@dataclass(frozen=True, slots=True)
class ServerCertificate(KeyPair):
    """The gateway's certificate: the names and addresses in it are those that parties may dial."""

    @property
    def dns_names(self) -> tuple[str, ...]:
        """Return the DNS names of the certificate."""
        return tuple(self._alternative_names().get_values_for_type(x509.DNSName))

    @property
    def ip_addresses(self) -> tuple[str, ...]:
        """Return the IP addresses of the certificate, as text."""
        return tuple(
            str(address) for address in self._alternative_names().get_values_for_type(x509.IPAddress)
        )

    def missing(self, dns_names: tuple[str, ...], ip_addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the names and addresses that the certificate does not carry."""
        present = {name.lower() for name in self.dns_names}
        addresses = {ipaddress.ip_address(address) for address in self.ip_addresses}
        return (
            *(name for name in dns_names if name.lower() not in present),
            *(address for address in ip_addresses if ipaddress.ip_address(address) not in addresses),
        )

    def _alternative_names(self) -> x509.SubjectAlternativeName:
        try:
            return self.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return x509.SubjectAlternativeName([])


@dataclass(frozen=True, slots=True)
class ClientCertificate(KeyPair):
    """A user's certificate: the gateway reads the name from its CN and the role from its OU."""

    @property
    def name(self) -> str:
        """Return the user's name."""
        return self.common_name

    @property
    def role(self) -> str:
        """Return the user's role."""
        return self.unit


def parse_certificate(pem: bytes, place: KeyPairLocation) -> x509.Certificate:
    """Return the certificate of a PEM text, or raise IdentityError naming the place."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        what = f"a {place.what} belongs here, and this is not a PEM certificate"
        raise IdentityError(what, where=place.certificate, remedy=place.remedy) from None


def parse_private_key(pem: bytes, place: KeyPairLocation) -> ec.EllipticCurvePrivateKey:
    """Return a certificate's private key (EC, no passphrase), or raise IdentityError."""
    what = f"the private key of the {place.what} belongs here"
    try:
        key = serialization.load_pem_private_key(pem, None)
    except TypeError:
        what = f"{what}, without a passphrase"
        raise IdentityError(what, where=place.private_key, remedy=place.remedy) from None
    except (ValueError, UnsupportedAlgorithm):
        what = f"{what}, and this is not a PEM private key"
        raise IdentityError(what, where=place.private_key, remedy=place.remedy) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        what = f"{what}, and this one is not an EC key"
        raise IdentityError(what, where=place.private_key, remedy=place.remedy)
    return key


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    values = name.get_attributes_for_oid(oid)
    return str(values[0].value) if values else ""
