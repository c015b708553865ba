"""What is revoked for good: users' certificates and node keys (`revoked.json` in the bundle folder).

Both are named by what cannot be used again: a certificate by the SHA-256 of its DER form, a key by that of
its public PEM. So a name that is declared again later revives neither. No secret is in the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from flowerbed.errors import IdentityError
from flowerbed.files import PRIVATE_MODE, read_file, write_atomic
from flowerbed.identities.kept import locked

FILE = "revoked.json"


class Revocations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who held what is revoked, by fingerprint: user names by certificate, node names by public key."""

    certificates: dict[str, str] = {}
    keys: dict[str, str] = {}


def key_fingerprint(public: str) -> str:
    """Return the name under which a public key (SubjectPublicKeyInfo PEM, canonical) is revoked."""
    return hashlib.sha256(public.encode()).hexdigest()


def read_revocations(folder: Path) -> Revocations:
    """Return what is revoked. Raises IdentityError for a damaged file: guessing would let somebody in."""
    path = folder / FILE
    found = read_file(path, PRIVATE_MODE)
    if found is None:
        return Revocations()
    try:
        return msgspec.json.decode(found.data, type=Revocations)
    except (msgspec.DecodeError, UnicodeDecodeError):
        what = "this is not a list of revocations as flowerbed writes it"
        raise IdentityError(what, where=str(path), remedy="put the file back as it was") from None


def add_revocations(
    folder: Path, *, certificates: Mapping[str, str] | None = None, keys: Mapping[str, str] | None = None
) -> bool:
    """Remember what is revoked from now on, and return whether anything of it was new."""
    with locked(folder):
        old = read_revocations(folder)
        new = Revocations(
            certificates=dict(sorted((old.certificates | dict(certificates or {})).items())),
            keys=dict(sorted((old.keys | dict(keys or {})).items())),
        )
        if new == old:
            return False
        text = msgspec.json.format(msgspec.json.encode(new), indent=1) + b"\n"
        return write_atomic(folder / FILE, text, PRIVATE_MODE, durable=True)
