"""Where the federation's CA is kept: `ca/ca.crt` and `ca/ca.key`. They stay with who generates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flowerbed.errors import IdentityError
from flowerbed.identities import validity
from flowerbed.identities.authority import CertificateAuthority
from flowerbed.identities.certificates import KeyPairLocation
from flowerbed.identities.issued import record_issued
from flowerbed.identities.store import Event, Tell, finish_halves, ignore, locked, read_halves, write_halves
from flowerbed.identities.validity import authority_notice
from flowerbed.plan import Plan

ROTATE = "replace it in three steps, beginning with `flowerbed rotate ca`"
_EXPIRED = f"{ROTATE}; until the second step nothing new is signed"
_REMEDY = (
    "put the right file back; where there is none, delete the directory ca and run `flowerbed generate` "
    "again: that makes a new CA and new certificates, and every party then needs its new bundle"
)


def ensure_authority(plan: Plan, folder: Path, tell: Tell = ignore) -> CertificateAuthority | None:
    """Return the CA that is kept in `folder`, or make and keep a new one; None for an insecure federation.

    Raises IdentityError when it is expired, half there, another federation's, not a CA or not a pair.
    """
    if plan.insecure:
        return None
    with locked(folder):
        finish_halves(authority_location(folder))
        authority = read_authority(plan, folder, tell)
        if authority is None:
            authority = CertificateAuthority.create(plan.name)
            # The one key that cannot be remade without a new bundle for every party: it outlives a power cut.
            record_issued(folder, "ca", [authority])
            write_halves(authority, authority_location(folder), durable=True)
            reason = f"there was none; valid until {authority.not_after:%Y-%m-%d}"
            tell(Event("made", "CA certificate", folder / "ca" / "ca.crt", reason))
    return authority


def read_authority(plan: Plan, folder: Path, tell: Tell = ignore) -> CertificateAuthority | None:
    """Return the CA that is kept in `folder`, checked, or None where there is none."""
    place = authority_location(folder)
    halves = read_halves(place, tell)
    if halves is None:
        return None
    authority = CertificateAuthority.checked(*halves, place)
    if not authority.may_sign():
        raise IdentityError("this certificate is not a CA's", where=place.certificate, remedy=_REMEDY)
    if authority.federation != plan.name:
        what = f"this CA is of the federation {authority.federation or '(none)'}, not of {plan.name}"
        raise IdentityError(what, where=place.certificate, remedy=_REMEDY)
    authority.check_dates(replace(place, remedy=_EXPIRED))
    _warn_of_end(authority, plan, place, tell)
    return authority


def _warn_of_end(authority: CertificateAuthority, plan: Plan, place: KeyPairLocation, tell: Tell) -> None:
    left = authority.not_after - validity.now()
    if left < authority_notice(plan):
        reason = f"{left.days} days left, until {authority.not_after:%Y-%m-%d}; {ROTATE}"
        tell(Event("expiring", place.what, Path(place.certificate), reason))


def authority_location(folder: Path) -> KeyPairLocation:
    """Return where the CA is kept, for messages."""
    return KeyPairLocation(
        "CA certificate", str(folder / "ca" / "ca.crt"), str(folder / "ca" / "ca.key"), _REMEDY
    )
