"""CA certificates that are declared, read and made canonical."""

from __future__ import annotations

_LIMIT = 65536


class CaCertificateError(ValueError):
    """A text holds no CA certificates; the message never repeats the text."""


def canonical(text: str) -> str:
    """Return the certificates of a PEM text, one after the other and nothing else.

    Raises CaCertificateError, whose text says what was given and never shows it.
    """
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificates

    if "PRIVATE KEY" in text:
        raise CaCertificateError("holds a private key, which must never leave its owner")
    if len(text) > _LIMIT:
        raise CaCertificateError("is too long for CA certificates")
    try:
        found = load_pem_x509_certificates(text.encode(errors="replace"))
    except ValueError:
        raise CaCertificateError("holds no certificate that can be read") from None
    return "".join(one.public_bytes(Encoding.PEM).decode("ascii") for one in found)
