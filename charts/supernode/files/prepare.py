"""Make what a SuperNode and its SuperExec share, at the start of a pod.

    prepare.py secret FOLDER                       a new secret, for a SuperExec in the same pod
    prepare.py server FOLDER SECRET NODE NAME...   secret, ca.crt, tls.crt and tls.key for NODE's Runtime API
    prepare.py client FOLDER SECRET NODE           secret and ca.crt, for its SuperExec in another pod

SECRET is the file that the release's pods share. Both sides derive from it the secret of NODE, and from that
the same authority, so that they trust each other without a further Secret to hand out. Apps run beside the
secret of their own node alone: with it no other node's Runtime API can be called or posed as.
"""

from __future__ import annotations

import datetime
import os
import secrets
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A shorter secret could be guessed from the certificates, which everybody can read.
SECRET_BYTES = 32
AUTHORITY = "flowerbed runtime authority"
OF_NODE = "flowerbed runtime secret of"
# Longer than any pod lives; a new pod makes new certificates.
LIFETIME = datetime.timedelta(days=3650)
# The clocks of two machines may differ a little.
SKEW = datetime.timedelta(days=1)
CURVE = ec.SECP256R1()
# The order of P-256 (FIPS 186-5), below which a private key lies.
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PEM = serialization.Encoding.PEM
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def read_secret(file: Path) -> bytes:
    """Return the shared secret; end the program if it is too short to derive keys from."""
    secret = file.read_bytes()
    if len(secret) < SECRET_BYTES:
        sys.exit(
            f"error: the SuperExec secret has {len(secret)} bytes; it needs at least {SECRET_BYTES}, random"
        )
    return secret


def node_secret(secret: bytes, node: str) -> bytes:
    """Derive a node's own secret, as text, from the one that the release's pods share."""
    return (
        HKDF(hashes.SHA256(), SECRET_BYTES, None, f"{OF_NODE} {node}".encode()).derive(secret).hex().encode()
    )


def authority_key(secret: bytes) -> ec.EllipticCurvePrivateKey:
    """Derive the authority's key. 16 bytes more than needed make the bias vanish (FIPS 186-5, A.2.1)."""
    derived = HKDF(hashes.SHA256(), 48, None, AUTHORITY.encode()).derive(secret)
    return ec.derive_private_key(int.from_bytes(derived, "big") % (ORDER - 1) + 1, CURVE)


def draft(
    subject: str, key: ec.EllipticCurvePublicKey, issuer: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    """Return what both certificates have in common; `subject` is the common name."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(common_name(subject))
        .issuer_name(common_name(AUTHORITY))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
    )


def common_name(text: str) -> x509.Name:
    """Return a name of one part, cut to the 64 characters that X.509 allows it."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def usage(allowed: str) -> x509.KeyUsage:
    """Return the usage that allows one thing."""
    return x509.KeyUsage(**{name: name == allowed for name in USAGES})


def authority(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the authority's certificate as PEM."""
    return (
        draft(AUTHORITY, key.public_key(), key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage("key_cert_sign"), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(PEM)
    )


def server(names: list[str], key: ec.EllipticCurvePublicKey, issuer: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the Runtime API's certificate for DNS names, as PEM."""
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    return (
        draft(names[0], key, issuer.public_key())
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(issuer, hashes.SHA256())
        .public_bytes(PEM)
    )


def main(what: str, folder: Path, *more: str) -> None:
    """Write the files of one of the three deeds, for owner and group."""
    os.umask(0o027)
    if what == "secret":
        # Text, because it is read as it stands and may be looked at.
        (folder / "secret").write_text(secrets.token_hex(SECRET_BYTES))
        return
    secret = node_secret(read_secret(Path(more[0])), more[1])
    (folder / "secret").write_bytes(secret)
    issuer = authority_key(secret)
    (folder / "ca.crt").write_bytes(authority(issuer))
    if what == "server":
        key = ec.generate_private_key(CURVE)
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / "tls.crt").write_bytes(server(list(more[2:]), key.public_key(), issuer))
        (folder / "tls.key").write_bytes(private)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
