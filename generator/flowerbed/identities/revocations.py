"""What is revoked permanently (`revoked.json` in the bundle folder): users by time, node keys by hash.

A user's certificates are revoked by what the CA signed and the holder cannot change: every certificate of the
name that begins no later than the recorded time is refused. The bytes of a certificate would not do, because
whoever holds it can write its signature in another form that counts as well. A key is named by the SHA-256 of
its public PEM, which is canonical. No secret is in the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from flowerbed import documents
from flowerbed.errors import IdentityError
from flowerbed.files import PRIVATE_MODE, read_file, write_atomic
from flowerbed.identities import validity
from flowerbed.identities.issued import kept_certificate, latest_beginning, read_issued
from flowerbed.identities.store import locked

FILE = "revoked.json"
_SECOND = timedelta(seconds=1)


class Revocations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times (UTC, whole seconds) by user name, and node names by the fingerprint of their public key."""

    users: dict[str, datetime] = {}
    keys: dict[str, str] = {}

    def covers(self, user: str, not_before: datetime) -> bool:
        """Return whether a certificate of this user that begins then is revoked."""
        return user in self.users and not_before <= self.users[user]


class _File(Revocations, frozen=True):
    """The file, with what older versions wrote: user names by the SHA-256 of a certificate's DER form."""

    certificates: dict[str, str] = {}


def key_fingerprint(public: str) -> str:
    """Return the SHA-256 of a public key (SubjectPublicKeyInfo PEM, canonical) in hexadecimal.

    It is the name under which a key is revoked, and what the gateway computes of a SuperNode's call.
    """
    return hashlib.sha256(public.encode()).hexdigest()


def read_revocations(folder: Path) -> Revocations:
    """Return what is revoked. Raises IdentityError for a damaged file: guessing would let somebody in."""
    path = folder / FILE
    found = read_file(path, PRIVATE_MODE)
    if found is None:
        return Revocations()
    try:
        file = documents.decode(found.data, _File)
    except ValueError:
        what = "this is not a list of revocations as flowerbed writes it"
        raise IdentityError(what, where=str(path), remedy="put the file back as it was") from None
    return Revocations(users=_later(file.users, _carried_over(file, folder)), keys=file.keys)


def add_revocations(
    folder: Path, *, users: Mapping[str, datetime] | None = None, keys: Mapping[str, str] | None = None
) -> bool:
    """Remember what is revoked from now on, and return whether the file changed. Times only move forward."""
    with locked(folder):
        old = read_revocations(folder)
        new = Revocations(
            users=_later(old.users, users or {}),
            keys=dict(sorted((old.keys | dict(keys or {})).items())),
        )
        if new == Revocations():
            return False
        return write_atomic(folder / FILE, documents.encode(new, indent=1), PRIVATE_MODE, durable=True)


def revoke_users(folder: Path, names: Iterable[str]) -> bool:
    """Revoke every certificate of these users that was issued until now, and return whether the file changed.

    The time is the beginning of a certificate that is issued now, and never before the beginning of one that
    is recorded or at hand: so no clock that was ahead leaves one out.
    """
    with locked(folder):
        issued = read_issued(folder)
        begins = {name: latest_beginning(folder, name, issued) for name in names}
        now = validity.beginning()
        return add_revocations(folder, users={name: max(now, begin or now) for name, begin in begins.items()})


def list_text(users: Mapping[str, datetime]) -> str:
    """Return the gateway's list of revoked users: a comment, then `CN YYMMDDHHMMSS` a line."""
    lines = (f"{name} {time:%y%m%d%H%M%S}\n" for name, time in users.items())
    return "# CN YYMMDDHHMMSS: certificates that begin no later are refused\n" + "".join(lines)


def time_text(time: datetime) -> str:
    """Return a time as values and JSON write it: ISO 8601, UTC, whole seconds."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _later(times: Mapping[str, datetime], other: Mapping[str, datetime]) -> dict[str, datetime]:
    names = sorted({*times, *other})
    return {name: max(each[name] for each in (times, other) if name in each) for name in names}


def _carried_over(file: _File, folder: Path) -> dict[str, datetime]:
    """Return times for users whose certificates an older version revoked by their bytes.

    The certificate that a user has now counts on, unless it was one of those; everything before it does not.
    """
    times: dict[str, datetime] = {}
    now = validity.beginning()
    for user in file.certificates.values():
        kept = kept_certificate(folder, user)
        if kept is None:
            times[user] = now
        else:
            fingerprint, begin = kept
            times[user] = max(now, begin) if fingerprint in file.certificates else begin - _SECOND
    return times
