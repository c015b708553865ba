"""Make the certificate of the hop between the gateway and the SuperLink: `loopback.py FOLDER`.

Writes ca.crt, tls.crt and tls.key. The hop never leaves the pod, so the authority's key is thrown away and
nothing rotates: a new pod makes new ones. The outside certificate can thus come from anywhere, and change
without a restart of the SuperLink.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# Longer than any pod lives: the certificate must not end before it.
LIFETIME = datetime.timedelta(days=3650)
# A node's clock may be set back a little between this pod's start and its next container restart.
SKEW = datetime.timedelta(days=1)
SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def builder(subject: str, issuer: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    """Return what both certificates have in common; names are common names."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
    )


def authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return the authority's certificate, signed by itself."""
    draft = builder("flowerbed loopback authority", "flowerbed loopback authority", key.public_key())
    draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    draft = draft.add_extension(SIGNS_CERTIFICATES, critical=True)
    draft = draft.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return draft.sign(key, hashes.SHA256())


def server(key: ec.EllipticCurvePrivateKey, issuer: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return the SuperLink's certificate for localhost and 127.0.0.1."""
    draft = builder("localhost", "flowerbed loopback authority", key.public_key())
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    draft = draft.add_extension(x509.SubjectAlternativeName(names), critical=False)
    draft = draft.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
    )
    return draft.sign(issuer, hashes.SHA256())


def main(folder: Path) -> None:
    """Write the three files, for their owner alone, into an existing folder."""
    os.umask(0o077)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    server_key = ec.generate_private_key(ec.SECP256R1())
    private = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(authority(authority_key).public_bytes(pem))
    (folder / "tls.crt").write_bytes(server(server_key, authority_key).public_bytes(pem))
    (folder / "tls.key").write_bytes(private)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
