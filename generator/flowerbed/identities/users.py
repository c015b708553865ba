"""A user's identity: the client certificate that the gateway asks for (`users/NAME/`)."""

from __future__ import annotations

from pathlib import Path

from flowerbed.errors import IdentityError
from flowerbed.files import PRIVATE_MODE, make_private_folder, write_atomic
from flowerbed.identities.authority import CertificateAuthority
from flowerbed.identities.certificates import ClientCertificate
from flowerbed.identities.coordinator import serves_own_certificate
from flowerbed.identities.events import Event, Tell, ignore
from flowerbed.identities.kept import locked, read_halves, warn_of_expiry
from flowerbed.plan import Plan, User


def ensure_user(
    plan: Plan, user: User, folder: Path, authority: CertificateAuthority | None, tell: Tell = ignore
) -> ClientCertificate | None:
    """Return the user's certificate that is kept in `folder`, or make one; None for an insecure federation.

    It is renewed when the role changed or another CA issued it. Beside it lies `ca.crt`, the CA that users
    trust, where the server's certificate is made here. Raises IdentityError when it is expired or half there.
    """
    if authority is None:
        return None
    home = user_folder(folder, user)
    with locked(folder):
        kept = _read(home, tell)
        reason = _outdated(kept, user, authority) if kept else "none was here"
        if kept is None or reason:
            reason += f"; it is valid until {{:%Y-%m-%d}}{_still_valid(kept, authority)}"
            made = authority.issue_client(user.name, user.role, plan.superlink.tls.days)
            _keep(made, home)
            what = f"certificate of user {user.name} ({user.role})"
            tell(
                Event("renewed" if kept else "made", what, home / "client.crt", reason.format(made.not_after))
            )
            kept = made
        _check(kept, user, home, tell)
        if serves_own_certificate(plan):
            write_atomic(home / "ca.crt", authority.certificate)
    return kept


def read_user(
    user: User, folder: Path, authority: CertificateAuthority, tell: Tell = ignore
) -> ClientCertificate | None:
    """Return the user's certificate as it is kept, or None where there is none.

    Raises IdentityError where it is expired, another CA's, or names another user or role.
    """
    home = user_folder(folder, user)
    kept = _read(home, tell)
    if kept is None:
        return None
    reason = _outdated(kept, user, authority)
    if reason:
        raise IdentityError(
            f"the certificate of user {user.name} does not serve: {reason}",
            where=str(home / "client.crt"),
            remedy="run `flowerbed generate` again",
        )
    _check(kept, user, home, tell)
    return kept


def user_folder(folder: Path, user: User) -> Path:
    """Return where a user's files are kept."""
    return folder / "users" / user.name


def _read(home: Path, tell: Tell) -> ClientCertificate | None:
    halves = read_halves(home / "client.crt", home / "client.key", tell)
    return ClientCertificate.checked(*halves, str(home / "client.crt")) if halves else None


def _outdated(kept: ClientCertificate, user: User, authority: CertificateAuthority) -> str:
    if not kept.issued_by(authority):
        return "another CA issued the last one"
    if (kept.name, kept.role) != (user.name, user.role):
        return f"the last one was for {kept.name} as {kept.role}"
    return ""


def _still_valid(kept: ClientCertificate | None, authority: CertificateAuthority) -> str:
    # No list of revoked certificates reaches the gateway, so a role that was taken away lives on: say so.
    if kept is None or not kept.issued_by(authority):
        return ""
    return f"; copies of the last one keep their role until {kept.not_after:%Y-%m-%d}"


def _check(kept: ClientCertificate, user: User, home: Path, tell: Tell) -> None:
    what = f"certificate of user {user.name}"
    remedy = "delete client.crt and client.key and run `flowerbed generate` again"
    kept.check_dates(what, str(home / "client.crt"), remedy)
    warn_of_expiry(kept, what, home / "client.crt", tell)


def _keep(made: ClientCertificate, home: Path) -> None:
    # The key first: an interruption leaves a pair that does not match, and that is noticed.
    make_private_folder(home)
    write_atomic(home / "client.key", made.private_key, PRIVATE_MODE)
    write_atomic(home / "client.crt", made.certificate)
