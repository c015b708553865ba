"""Certificates as nouns: a certificate and its private key, both PEM, and what they say.

Times are UTC and whole seconds; a certificate begins a little in the past, for clocks that are behind.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from flowerbed.errors import IdentityError

CLOCK_SKEW = timedelta(minutes=5)
# X.509's upper bound for a common name, an organisation and a unit (RFC 5280, ub-common-name and its like).
NAME_LIMIT = 64
# How long before its end a certificate is reported; one with a short life is reported in its last third.
EXPIRY_NOTICE = timedelta(days=30)

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def now() -> datetime:
    """Return the time, UTC, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and the private key that belongs to it, each as PEM."""

    certificate: bytes
    private_key: bytes = field(repr=False)

    @classmethod
    def checked(cls, certificate: bytes, private_key: bytes, where: str) -> Self:
        """Return the pair; raise IdentityError, naming `where`, unless both parse and belong together."""
        pair = cls(certificate, private_key)
        if (
            parse_private_key(private_key, where).public_key()
            != parse_certificate(certificate, where).public_key()
        ):
            raise IdentityError("the private key does not belong to the certificate", where=where)
        return pair

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
        left = certificate.not_valid_after_utc - now()
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        return left.days if left < min(EXPIRY_NOTICE, life / 3) else None

    def check_dates(self, what: str, where: str, remedy: str) -> None:
        """Raise IdentityError, with both dates, unless the certificate is valid now."""
        certificate = self.parsed
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now() > end:
            raise IdentityError(
                f"the {what} expired on {day(end)}, today is {day(now())}", where=where, remedy=remedy
            )
        if now() < begin:
            raise IdentityError(
                f"the {what} begins on {day(begin)}, today is {day(now())}",
                where=where,
                remedy="set this machine's clock right; if it is, " + remedy,
            )


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
        return _first(self.parsed.subject, NameOID.ORGANIZATIONAL_UNIT_NAME)


def parse_certificate(pem: bytes, where: str) -> x509.Certificate:
    """Return the first certificate of a PEM text, or raise IdentityError naming `where`."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise IdentityError("this is not a PEM certificate", where=where) from None


def parse_private_key(pem: bytes, where: str) -> SigningKey:
    """Return a private key of a certificate (EC or RSA, without passphrase), or raise IdentityError."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except TypeError:
        raise IdentityError(
            "the private key has a passphrase", where=where, remedy="store it without"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise IdentityError("this is not a PEM private key", where=where) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise IdentityError("the private key is neither EC nor RSA", where=where)
    return key


def day(moment: datetime) -> str:
    """Return a moment as people write it: `2026-11-24 06:00 UTC`."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    values = name.get_attributes_for_oid(oid)
    return str(values[0].value) if values else ""
