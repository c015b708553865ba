"""Which users' certificates count today: programs that ask on a user's behalf come with one of these."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from flowerbed.files import PUBLIC_MODE, read_file
from flowerbed.identities import clock
from flowerbed.identities.revocations import Revocations, read_revocations
from flowerbed.plan import Plan, Role, User

LEAST_FIRST: tuple[Role, ...] = ("viewer", "submitter", "operator")


class Usable(msgspec.Struct, frozen=True, kw_only=True):
    """Users whose certificates count, by role, and by name why the others' do not."""

    users: tuple[User, ...]
    others: dict[str, str]

    @property
    def reasons(self) -> str:
        """Return why nobody else can be asked with, as one text."""
        return "; ".join(f"{name}: {reason}" for name, reason in self.others.items())


def usable_users(plan: Plan, folder: Path, roles: Sequence[Role] = LEAST_FIRST) -> Usable:
    """Return the declared users of these roles whose certificate and key in `folder` count now.

    Revoked, expired and future ones do not. Every user of an insecure federation counts. Raises IdentityError
    where the list of revocations is damaged.
    """
    declared = [user for role in roles for user in plan.users if user.role == role]
    if plan.insecure:
        return Usable(users=tuple(declared), others={})
    revoked = read_revocations(folder)
    reasons = {user.name: _why_not(folder / "users" / user.name, user.name, revoked) for user in declared}
    return Usable(
        users=tuple(user for user in declared if not reasons[user.name]),
        others={name: reason for name, reason in reasons.items() if reason},
    )


def _why_not(home: Path, user: str, revoked: Revocations) -> str:
    """Return why the certificate in a user's folder does not count, "" if it does."""
    found = read_file(home / "client.crt", PUBLIC_MODE)
    if found is None or not (home / "client.key").exists():
        return "no certificate and key here"
    from cryptography import x509

    try:
        parsed = x509.load_pem_x509_certificate(found.data)
    except ValueError:
        return "client.crt is not a certificate"
    now = clock.now()
    if revoked.covers(user, parsed.not_valid_before_utc):
        return "revoked"
    if now > parsed.not_valid_after_utc:
        return f"expired on {parsed.not_valid_after_utc:%Y-%m-%d}"
    if now < parsed.not_valid_before_utc:
        return f"not valid before {parsed.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    return ""
