"""The record of every certificate that was ever issued (`ca/issued.json`), and when a user's last one began.

It outlives the files that renewals replace, and `plan.json`. Losing it revives no certificate: a revocation
covers everything that begins before it, and each new certificate begins later than the last one of its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from flowerbed.errors import IdentityError, UnreadableError
from flowerbed.files import PRIVATE_MODE, PUBLIC_MODE, make_private_folder, read_file, write_atomic
from flowerbed.identities.store import locked

if TYPE_CHECKING:  # it imports `cryptography`, which a generation that issues nothing does without
    from flowerbed.identities.certificates import KeyPair

FILE = "ca/issued.json"
Kind = Literal["ca", "server", "user"]


class Issued(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """A certificate: its serial number (hexadecimal), the subject's CN and role, begin and end (UTC).

    `issuer` is the key identifier (hexadecimal) of the CA that signed it.
    """

    serial: str
    kind: Kind
    name: str
    role: str = ""
    issuer: str = ""
    not_before: datetime
    not_after: datetime


def read_issued(folder: Path, *, strict: bool = False) -> tuple[Issued, ...]:
    """Return every recorded certificate, the oldest first; none of a damaged record, which revives none.

    Raises IdentityError for a damaged one where it is `strict`.
    """
    file = read_file(folder / FILE, PRIVATE_MODE)
    if file is None:
        return ()
    try:
        return msgspec.json.decode(file.data, type=tuple[Issued, ...])
    except (msgspec.DecodeError, UnicodeDecodeError):
        if not strict:
            return ()
        what = "this is not a record of certificates as flowerbed writes it"
        remedy = "put the file back as it was, or delete it: no certificate comes back by that"
        raise IdentityError(what, where=str(folder / FILE), remedy=remedy) from None


def record_issued(folder: Path, kind: Kind, pairs: Iterable[KeyPair | None]) -> None:
    """Add certificates to the record. Call it before a new one is written anywhere else."""
    with locked(folder):
        old = _readable(folder)
        known = {each.serial for each in old}
        added = [
            each for each in (described(kind, pair) for pair in pairs if pair) if each.serial not in known
        ]
        if added:
            make_private_folder((folder / FILE).parent)
            text = msgspec.json.format(msgspec.json.encode([*old, *added]), indent=1) + b"\n"
            write_atomic(folder / FILE, text, PRIVATE_MODE)


def _readable(folder: Path) -> tuple[Issued, ...]:
    """Return the record; a damaged one is kept under another name, so that a person can repair it."""
    try:
        return read_issued(folder, strict=True)
    except IdentityError:
        (folder / FILE).rename(folder / f"{FILE}.damaged")
        return ()


def described(kind: Kind, pair: KeyPair) -> Issued:
    """Return a certificate as the record describes it."""
    parsed = pair.parsed
    return Issued(
        serial=f"{parsed.serial_number:x}",
        kind=kind,
        name=pair.common_name,
        role=pair.unit if kind == "user" else "",
        issuer=pair.issuer,
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
    )


def latest_beginning(folder: Path, user: str, issued: Iterable[Issued]) -> datetime | None:
    """Return when the newest certificate of a user begins: of those recorded, and the one in its folder."""
    begins = [each.not_before for each in issued if each.kind == "user" and each.name == user]
    kept = kept_certificate(folder, user)
    return max([*begins, *([kept[1]] if kept else [])], default=None)


def kept_certificate(folder: Path, user: str) -> tuple[str, datetime] | None:
    """Return SHA-256 (DER, hexadecimal) and beginning of the certificate in a user's folder, None without."""
    try:
        file = read_file(folder / "users" / user / "client.crt", PUBLIC_MODE)
    except UnreadableError:
        return None
    if file is None:
        return None
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        parsed = x509.load_pem_x509_certificate(file.data)
    except ValueError:
        return None
    return parsed.fingerprint(SHA256()).hex(), parsed.not_valid_before_utc
