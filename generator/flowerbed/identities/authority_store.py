"""Where the federation's CA is kept, and how it is rotated. It stays with who generates.

`ca/ca.crt` and `ca/ca.key` are the CA. A rotation takes three steps, so that at each moment every party
trusts every certificate in use:

1. a new CA is made; everybody gets both certificates, and the old one still signs
2. the new one signs: the certificates of gateway and users are made anew; everybody still trusts both
3. the old one is dropped

The files below `ca/` say which step is next (`ca_bundle.py`). Each step can be killed at any point:
run it again. `flowerbed generate` then brings the bundles in line.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from flowerbed.errors import IdentityError, UsageError
from flowerbed.files import write_atomic
from flowerbed.identities import validity
from flowerbed.identities.authority import CertificateAuthority
from flowerbed.identities.ca_bundle import CURRENT, NEXT, PREVIOUS
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


Step = Literal[1, 2, 3]


def next_step(folder: Path) -> Step:
    """Return which step of a CA's rotation comes next; 1 when none is under way."""
    if (folder / "ca" / NEXT).exists():
        return 2
    return 3 if (folder / "ca" / PREVIOUS).exists() else 1


def rotate_authority(plan: Plan, folder: Path, *, distributed: bool, tell: Tell = ignore) -> Step:
    """Take the next step and return which it was.

    `distributed` is the word that every party runs with what the last step gave it: steps 2 and 3 cut off
    whoever does not, so they raise UsageError without it. Raises IdentityError without a usable CA.
    """
    if plan.insecure:
        raise UsageError("an insecure federation has no CA", where=plan.name)
    with locked(folder):
        finish_halves(authority_location(folder))
        finish_halves(_next_place(folder))
        step = next_step(folder)
        if step > 1 and not distributed:
            raise UsageError(
                f"step {step} of 3 would cut off every party that does not run with the last bundle",
                where=str(folder / "ca"),
                remedy="bring the bundles to all parties (`flowerbed apply`, and to users by hand), then say"
                " `flowerbed rotate ca --distributed`",
            )
        (_begin, _switch, _finish)[step - 1](plan, folder, tell)
    return step


def _begin(plan: Plan, folder: Path, tell: Tell) -> None:
    # One that has expired is replaced in the same way.
    halves = read_halves(authority_location(folder), tell)
    if halves is None:
        what = "there is no CA yet"
        raise IdentityError(what, where=str(folder), remedy="run `flowerbed generate` first")
    CertificateAuthority.checked(*halves, authority_location(folder))
    new = CertificateAuthority.create(plan.name)
    record_issued(folder, "ca", [new])
    write_halves(new, _next_place(folder), durable=True)
    tell(Event("made", "next CA certificate", folder / "ca" / NEXT, f"valid until {new.not_after:%Y-%m-%d}"))


def _switch(plan: Plan, folder: Path, tell: Tell) -> None:
    home, place = folder / "ca", _next_place(folder)
    current = (home / CURRENT).read_bytes()
    if current != (home / NEXT).read_bytes():  # else a kill came after the switch
        halves = read_halves(place, tell)
        assert halves is not None  # noqa: S101  (the step says that the certificate is there)
        new = CertificateAuthority.checked(*halves, place)
        if new.federation != plan.name or not new.may_sign():
            what = "this is not a CA of this federation"
            raise IdentityError(what, where=place.certificate, remedy=place.remedy)
        write_atomic(home / PREVIOUS, current, durable=True)
        write_halves(new, authority_location(folder), durable=True)
    # The certificate last: it is what says that this step is not done.
    Path(place.private_key).unlink(missing_ok=True)
    Path(place.certificate).unlink()
    tell(Event("renewed", "CA certificate", home / CURRENT, "it signs from now on"))


def _finish(_: Plan, folder: Path, tell: Tell) -> None:
    (folder / "ca" / PREVIOUS).unlink()
    tell(
        Event(
            "removed", "previous CA certificate", folder / "ca" / PREVIOUS, "nothing in use was signed by it"
        )
    )


def _next_place(folder: Path) -> KeyPairLocation:
    home = folder / "ca"
    remedy = f"put the right file back, or delete {NEXT} and next.key there to start again"
    return KeyPairLocation("next CA certificate", str(home / NEXT), str(home / "next.key"), remedy)
