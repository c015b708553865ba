"""A user's client certificate (`users/NAME/`), which the gateway asks for, and whether it counts today."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509

from flowerbed.errors import IdentityError
from flowerbed.files import PUBLIC_MODE, read_file, write_atomic
from flowerbed.identities import validity
from flowerbed.identities.authority import CertificateAuthority
from flowerbed.identities.ca_bundle import server_authorities, trusted
from flowerbed.identities.certificates import ClientCertificate, KeyPairLocation
from flowerbed.identities.issued import latest_beginning, read_issued, record_issued
from flowerbed.identities.revocations import Revocations, read_revocations
from flowerbed.identities.store import (
    Event,
    Tell,
    finish_halves,
    ignore,
    locked,
    read_halves,
    warn_of_expiry,
    write_halves,
)
from flowerbed.identities.validity import renewal_reason
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


def ensure_user(
    plan: Plan,
    user: User,
    folder: Path,
    authority: CertificateAuthority | None,
    tell: Tell = ignore,
    *,
    renew: str = "",
) -> ClientCertificate | None:
    """Return the user's certificate that is kept in `folder`, or make one; None for an insecure federation.

    It is renewed in the last part of its life, when the role changed or another CA issued it, and whenever
    `renew` gives a reason. Without an `authority`, as when the CA cannot be used, it stays. One that is
    revoked stays too, and a revoked user without one gets none (None): only `renew` lets that user in again.
    Beside it lies `ca.crt`, by which users know the server, where its CA is known here. Raises IdentityError
    when damaged or half there, unless `renew` gives a reason, and when expired and not renewed.
    """
    if plan.insecure:
        return None
    place = _place(folder, user)
    with locked(folder):
        finish_halves(place)
        kept = _usable(place, tell) if renew else _read(place, tell)
        if not renew and is_revoked(folder, user.name, kept):
            return kept
        if kept is None and authority is None:
            what = f"there is no {place.what}, and no CA that can sign one"
            raise IdentityError(what, where=place.certificate)
        reason = (renew or _outdated(plan, user, authority, kept)) if kept else "there was none"
        if authority and reason:
            old, kept = kept, _issue(plan, user, folder, authority, kept)
            write_halves(kept, place)
            text = f"{reason}; role {user.role}, {authority.life(kept)}"
            tell(Event("renewed" if old else "made", place.what, Path(place.certificate), text))
        elif kept:
            _check(kept, place, tell)
        # Without a CA that can be used, nobody knows which one the user is to trust: what is there stays.
        if authority and (authorities := server_authorities(plan, trusted(folder))):
            write_atomic(Path(place.certificate).with_name("ca.crt"), authorities)
    return kept


def read_user(
    user: User, folder: Path, authority: CertificateAuthority, tell: Tell = ignore
) -> ClientCertificate | None:
    """Return the user's certificate as it is kept, or None where there is none.

    Raises IdentityError where it counts but is expired, another CA's, or names another user or role.
    """
    place = _place(folder, user)
    kept = _read(place, tell)
    if kept is None or is_revoked(folder, user.name, kept):
        return kept
    reason = _unfit(kept, user, authority)
    if reason:
        what = f"the {place.what} does not serve: {reason}"
        raise IdentityError(what, where=place.certificate, remedy="run `flowerbed generate` again")
    _check(kept, place, tell)
    return kept


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


def is_revoked(folder: Path, user: str, kept: ClientCertificate | None) -> bool:
    """Return whether a user is revoked and has no later certificate."""
    revoked = read_revocations(folder)
    return revoked.covers(user, kept.not_before) if kept else user in revoked.users


def _place(folder: Path, user: User) -> KeyPairLocation:
    home = folder / "users" / user.name
    remedy = "delete client.crt and client.key there and run `flowerbed generate` again, which makes new ones"
    what = f"certificate of user {user.name}"
    return KeyPairLocation(what, str(home / "client.crt"), str(home / "client.key"), remedy)


def _read(place: KeyPairLocation, tell: Tell) -> ClientCertificate | None:
    halves = read_halves(place, tell)
    return ClientCertificate.checked(*halves, place) if halves else None


def _usable(place: KeyPairLocation, tell: Tell) -> ClientCertificate | None:
    """Return what is kept, None also where it is damaged: it is replaced on demand."""
    try:
        return _read(place, tell)
    except IdentityError:
        return None


def _outdated(plan: Plan, user: User, authority: CertificateAuthority | None, kept: ClientCertificate) -> str:
    """Return why a certificate is renewed: it is unfit, or old; "" without a CA that could do so."""
    if authority is None:
        return ""
    next_end = authority.end_of_life(plan.superlink.tls.days)
    return _unfit(kept, user, authority) or renewal_reason(plan, kept.not_after, next_end)


def _unfit(kept: ClientCertificate, user: User, authority: CertificateAuthority) -> str:
    if not kept.issued_by(authority):
        return "another CA issued the last one"
    if (kept.name, kept.role) != (user.name, user.role):
        return f"the last one says {kept.name}, {kept.role}"
    return ""


def _issue(
    plan: Plan, user: User, folder: Path, authority: CertificateAuthority, old: ClientCertificate | None
) -> ClientCertificate:
    """Make and record a certificate that begins after the user's last one and the user's revocation."""
    last = latest_beginning(folder, user.name, read_issued(folder))
    revoked = read_revocations(folder).users.get(user.name)
    after = max((time for time in (last, revoked) if time), default=None)
    new = authority.issue_client(user.name, user.role, plan.superlink.tls.days, after=after)
    record_issued(folder, "user", [old, new])
    return new


def _check(kept: ClientCertificate, place: KeyPairLocation, tell: Tell) -> None:
    kept.check_dates(place)
    warn_of_expiry(kept, place, tell)


def _why_not(home: Path, user: str, revoked: Revocations) -> str:
    """Return why the certificate in a user's folder does not count, "" if it does."""
    file = read_file(home / "client.crt", PUBLIC_MODE)
    if file is None or not (home / "client.key").exists():
        return "no certificate and key here"
    try:
        parsed = x509.load_pem_x509_certificate(file.data)
    except ValueError:
        return "client.crt is not a certificate"
    now = validity.now()
    if revoked.covers(user, parsed.not_valid_before_utc):
        return "revoked"
    if now > parsed.not_valid_after_utc:
        return f"expired on {parsed.not_valid_after_utc:%Y-%m-%d}"
    if now < parsed.not_valid_before_utc:
        return f"not valid before {parsed.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    return ""
