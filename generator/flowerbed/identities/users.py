"""A user's identity: the client certificate that the gateway asks for (`users/NAME/`)."""

from __future__ import annotations

from pathlib import Path

from flowerbed.errors import IdentityError
from flowerbed.files import write_atomic
from flowerbed.identities.authority import CertificateAuthority
from flowerbed.identities.certificates import ClientCertificate, Place
from flowerbed.identities.events import Event, Tell, ignore
from flowerbed.identities.kept import finish_halves, locked, read_halves, warn_of_expiry, write_halves
from flowerbed.identities.trust import server_authorities
from flowerbed.plan import Plan, User


def ensure_user(  # noqa: PLR0913  (each is a fact of its own)
    plan: Plan,
    user: User,
    folder: Path,
    authority: CertificateAuthority | None,
    tell: Tell = ignore,
    *,
    renew: str = "",
) -> ClientCertificate | None:
    """Return the user's certificate that is kept in `folder`, or make one; None for an insecure federation.

    It is renewed when the role changed or another CA issued it, and whenever `renew` gives a reason. Beside
    it lies `ca.crt`, by which users know the server, where its CA is known here. Raises IdentityError when
    expired or half there.
    """
    if authority is None:
        return None
    place = _place(folder, user)
    with locked(folder):
        finish_halves(place)
        kept = _read(place, tell)
        reason = (renew or _outdated(kept, user, authority)) if kept else "there was none"
        if kept is None or reason:
            old, kept = kept, authority.issue_client(user.name, user.role, plan.superlink.tls.days)
            write_halves(kept, place)
            text = f"{reason}; role {user.role}, {authority.life(kept)}{_old_copies(old, authority)}"
            tell(Event("renewed" if old else "made", place.what, Path(place.certificate), text))
        _check(kept, place, tell)
        if authorities := server_authorities(plan, folder):
            write_atomic(Path(place.certificate).with_name("ca.crt"), authorities)
    return kept


def read_user(
    user: User, folder: Path, authority: CertificateAuthority, tell: Tell = ignore
) -> ClientCertificate | None:
    """Return the user's certificate as it is kept, or None where there is none.

    Raises IdentityError where it is expired, another CA's, or names another user or role.
    """
    place = _place(folder, user)
    kept = _read(place, tell)
    if kept is None:
        return None
    reason = _outdated(kept, user, authority)
    if reason:
        what = f"the {place.what} does not serve: {reason}"
        raise IdentityError(what, where=place.certificate, remedy="run `flowerbed generate` again")
    _check(kept, place, tell)
    return kept


def _place(folder: Path, user: User) -> Place:
    home = folder / "users" / user.name
    remedy = "delete client.crt and client.key there and run `flowerbed generate` again, which makes new ones"
    what = f"certificate of user {user.name}"
    return Place(what, str(home / "client.crt"), str(home / "client.key"), remedy)


def _read(place: Place, tell: Tell) -> ClientCertificate | None:
    halves = read_halves(place, tell)
    return ClientCertificate.checked(*halves, place) if halves else None


def _outdated(kept: ClientCertificate, user: User, authority: CertificateAuthority) -> str:
    if not kept.issued_by(authority):
        return "another CA issued the last one"
    if (kept.name, kept.role) != (user.name, user.role):
        return f"the last one says {kept.name}, {kept.role}"
    return ""


def _old_copies(old: ClientCertificate | None, authority: CertificateAuthority) -> str:
    # No list of revoked certificates reaches the gateway, so a role that was taken away lives on: say so.
    if old is None or not old.issued_by(authority):
        return ""
    return f"; copies of the last one keep the role {old.role} until {old.not_after:%Y-%m-%d}"


def _check(kept: ClientCertificate, place: Place, tell: Tell) -> None:
    kept.check_dates(place)
    warn_of_expiry(kept, place, tell)
