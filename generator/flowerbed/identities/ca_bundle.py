"""The CA certificates that all parties trust: one, and two while the CA is rotated.

`ca/next.crt` is there from step 1 to step 2 of a rotation, `ca/previous.crt` from step 2 to step 3.
"""

from __future__ import annotations

from pathlib import Path

from flowerbed.files import PUBLIC_MODE, read_file
from flowerbed.plan import Plan

CURRENT = "ca.crt"
NEXT = "next.crt"
PREVIOUS = "previous.crt"


def trusted(folder: Path) -> bytes:
    """Return the certificates (PEM) that parties of the bundle folder trust, the oldest first.

    So they stay the same bytes when the new one begins to sign: nothing that has read them has to restart.
    """
    files = (read_file(folder / "ca" / name, PUBLIC_MODE) for name in (PREVIOUS, CURRENT, NEXT))
    return b"".join(dict.fromkeys(file.data for file in files if file))


def server_authorities(plan: Plan, authorities: bytes) -> bytes:
    """Return the CA certificates (PEM) by which parties know the gateway, b"" for the systems' own.

    `authorities` are those of the federation itself.
    """
    if plan.insecure:
        return b""
    tls = plan.superlink.tls
    return authorities if tls.source == "generated" else tls.ca.encode("ascii")


def fingerprints_of(certificates: bytes) -> tuple[str, ...]:
    """Return the SHA-256 of each certificate in a PEM text. Raises ValueError where there is none."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    parsed = x509.load_pem_x509_certificates(certificates)
    return tuple(certificate.fingerprint(hashes.SHA256()).hex() for certificate in parsed)
