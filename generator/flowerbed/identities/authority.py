"""The federation's certificate authority: what it signs, and where it is kept (`ca/`)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flowerbed.errors import IdentityError
from flowerbed.files import PRIVATE_MODE, make_private_folder, write_atomic
from flowerbed.identities.certificates import (
    CLOCK_SKEW,
    NAME_LIMIT,
    ClientCertificate,
    KeyPair,
    ServerCertificate,
    now,
    parse_private_key,
)
from flowerbed.identities.events import Event, Tell, ignore
from flowerbed.identities.kept import locked, read_halves, warn_of_expiry
from flowerbed.plan import Plan

# Nothing renews a CA: every party would have to be handed its certificate again. So it lives long.
AUTHORITY_DAYS = 3650


@dataclass(frozen=True, slots=True)
class CertificateAuthority(KeyPair):
    """A self-signed CA for one federation; it signs certificates of servers and users, and no further CA."""

    @classmethod
    def create(cls, federation: str, days: int = AUTHORITY_DAYS) -> Self:
        """Return a new CA (ECDSA P-256) that is valid for `days` from now; its O is the federation's name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(O=federation, CN=f"{federation[: NAME_LIMIT - len(_CN_SUFFIX)]}{_CN_SUFFIX}")
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = _builder(subject, key, now() + timedelta(days=days)).issuer_name(subject)
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
            )
        )
        return cls(_certificate_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))

    def issue_server(
        self, dns_names: Iterable[str], ip_addresses: Iterable[str], days: int
    ) -> ServerCertificate:
        """Return a certificate for a server that is dialled by these names and addresses.

        Its CN is the first name that fits into 64 characters; clients go by the subject alternative names.
        Raises IdentityError when there is none, or one is not a DNS name in ASCII or not an IP address.
        """
        names = [_dns_name(name) for name in dns_names]
        addresses = [_ip_address(address) for address in ip_addresses]
        if not names and not addresses:
            raise IdentityError("a server certificate needs at least one name or address")
        common = next((name.value for name in names if len(name.value) <= NAME_LIMIT), "")
        alternatives = x509.SubjectAlternativeName([*names, *addresses])
        extensions = [alternatives, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])]
        return ServerCertificate(*self._issue(_name(O=self.federation, CN=common), extensions, days))

    def issue_client(self, name: str, role: str, days: int) -> ClientCertificate:
        """Return a certificate for a user: CN is the name, OU the role, O the federation.

        Raises IdentityError when the name or the role is empty or has more than 64 characters.
        """
        for what, text in (("name", name), ("role", role)):
            if not 0 < len(text) <= NAME_LIMIT:
                raise IdentityError(f"a user's {what} has 1 to {NAME_LIMIT} characters, not {len(text)}")
        extensions: list[x509.ExtensionType] = [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])]
        subject = _name(O=self.federation, OU=role, CN=name)
        return ClientCertificate(*self._issue(subject, extensions, days))

    def _issue(
        self, subject: x509.Name, extensions: Iterable[x509.ExtensionType], days: int
    ) -> tuple[bytes, bytes]:
        own = self.parsed
        key = ec.generate_private_key(ec.SECP256R1())
        # A certificate that outlives its CA would only look valid.
        end = min(now() + timedelta(days=days), own.not_valid_after_utc)
        identifier = own.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            _builder(subject, key, end)
            .issuer_name(own.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
            )
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        signer = parse_private_key(self.private_key, "the CA's key")
        return _certificate_pem(builder.sign(signer, hashes.SHA256())), _key_pem(key)


def ensure_authority(plan: Plan, folder: Path, tell: Tell = ignore) -> CertificateAuthority | None:
    """Return the CA that is kept in `folder`, or make and keep a new one; None for an insecure federation.

    Raises IdentityError when it is expired, half there, not a CA or not a pair.
    """
    if plan.insecure:
        return None
    with locked(folder):
        authority = read_authority(folder, tell)
        if authority is None:
            authority = CertificateAuthority.create(plan.name)
            _keep(authority, folder)
            reason = f"none was here; it is valid until {authority.not_after:%Y-%m-%d}"
            tell(Event("made", "certificate authority", folder / "ca" / "ca.crt", reason))
    return authority


def read_authority(folder: Path, tell: Tell = ignore) -> CertificateAuthority | None:
    """Return the CA that is kept in `folder`, checked, or None where there is none."""
    certificate = folder / "ca" / "ca.crt"
    halves = read_halves(certificate, folder / "ca" / "ca.key", tell)
    if halves is None:
        return None
    authority = CertificateAuthority.checked(*halves, str(certificate))
    if not _may_sign(authority.parsed):
        raise IdentityError("this certificate is not a CA's", where=str(certificate), remedy=_REMEDY)
    authority.check_dates("CA certificate", str(certificate), _REMEDY)
    warn_of_expiry(authority, "CA certificate", certificate, tell)
    return authority


_CN_SUFFIX = " CA"
_REMEDY = (
    "delete the folder ca/ and run `flowerbed generate` again: that makes a new CA and new certificates,"
    " and every party needs its new bundle"
)


def _keep(authority: CertificateAuthority, folder: Path) -> None:
    # The one key that cannot be remade without a new bundle for every party: it has to outlive a power cut.
    make_private_folder(folder / "ca")
    write_atomic(folder / "ca" / "ca.key", authority.private_key, PRIVATE_MODE, durable=True)
    write_atomic(folder / "ca" / "ca.crt", authority.certificate, durable=True)


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return False
    return constraints.ca


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - CLOCK_SKEW)
        .not_valid_after(end)
    )


def _name(**attributes: str) -> x509.Name:
    oids = {
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "CN": NameOID.COMMON_NAME,
    }
    return x509.Name([x509.NameAttribute(oids[key], value) for key, value in attributes.items() if value])


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


def _dns_name(name: str) -> x509.DNSName:
    if not name or not name.isascii():
        raise IdentityError(
            f"{name!r} is not a DNS name in ASCII", remedy="write it as it stands in DNS: xn--..."
        )
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
