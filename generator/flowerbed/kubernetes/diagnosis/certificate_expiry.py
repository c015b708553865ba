"""How long the certificates in the bundles last, and what to do about those that end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from flowerbed.bundles import BundleManifest
from flowerbed.identities import validity
from flowerbed.identities.revocations import read_revocations
from flowerbed.identities.validity import authority_notice
from flowerbed.kubernetes.diagnosis.federation_status import CertificateStatus
from flowerbed.kubernetes.diagnosis.findings import Finding, problem
from flowerbed.plan import Plan

CA, GATEWAY, USER = "CA", "gateway", "user "
_REMEDIES = {
    CA: "replace it in three steps, beginning with `flowerbed rotate ca`",
    GATEWAY: "`flowerbed apply` renews it; the gateway reloads, and nobody else has to do anything",
    USER: "`flowerbed apply` renews it; then hand the user's directory of the bundles to the user again",
}


def certificate_statuses(
    manifest: BundleManifest, plan: Plan, bundles: Path
) -> tuple[CertificateStatus, ...]:
    """Return the certificates of the bundles that count: CA, gateway, users who are not revoked."""
    owners = {"ca": CA, "coordinator": GATEWAY}
    owners |= {f"users/{user.name}": f"{USER}{user.name}" for user in plan.users}
    revoked = read_revocations(bundles)
    found = []
    for folder, owner in owners.items():
        party = manifest.parties.get(folder)
        held = party.identity.certificate if party else None
        if held is None:
            continue
        begin = datetime.fromisoformat(held.not_before) if held.not_before else None
        if owner.startswith(USER) and begin and revoked.covers(owner.removeprefix(USER), begin):
            continue
        end = datetime.fromisoformat(held.not_after)
        notice = authority_notice(plan) if owner == CA else timedelta(hours=plan.superlink.tls.renew_hours)
        found.append(
            CertificateStatus(
                owner=owner,
                fingerprint=held.sha256,
                not_after=held.not_after,
                days_left=(end - validity.now()).days,
                ends_soon=end - validity.now() < notice,
            )
        )
    return tuple(found)


def expiry_findings(found: Sequence[CertificateStatus]) -> Iterator[Finding]:
    """Yield what to do about certificates that have ended, or are due for renewal (a CA: for replacement).

    A user's is a warning: the others go on without that user.
    """
    for each in found:
        kind = USER if each.owner.startswith(USER) else each.owner
        if each.days_left < 0:
            what = f"the certificate has expired on {each.not_after[:10]}"
        elif each.ends_soon:
            what = f"the certificate expires in {each.days_left} days, on {each.not_after[:10]}"
        else:
            continue
        remedy = _REMEDIES[kind]
        if each.days_left < 0 and kind != USER:
            yield problem(what, where=each.owner, remedy=remedy)
        else:
            yield Finding(level="warning", what=what, where=each.owner, symptom="expired", remedy=remedy)
