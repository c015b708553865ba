"""What is different on this machine from what a plan declares, and who else may do what: said plainly."""

from __future__ import annotations

from flowerbed.plan import Plan, Tenant


def warnings(plan: Plan, *, gateway: bool, superlink: int) -> list[str]:
    """Return who else may do what: one sentence each. `superlink` is the SuperLink's own port."""
    sentences = []
    if plan.insecure:
        sentences.append(
            "insecure: plain HTTP, no node keys, no users: every user of this machine may do anything"
        )
    elif not gateway:
        sentences.append(
            "without HAProxy there is no gateway: the control endpoint asks nobody for a certificate, "
            "so every user of this machine may start runs (install haproxy to change that)"
        )
    else:
        sentences.append(
            f"the SuperLink itself listens on port {superlink} of this machine's loopback, past the gateway: "
            "other users of this machine could reach it there"
        )
    if plan.admission == "open":
        sentences.append("admission is open: any SuperNode may join")
    return sentences


def notes(plan: Plan, *, gateway: bool) -> list[str]:
    """Return what of the plan is done otherwise here: one sentence each."""
    sentences = []
    if not gateway and len({plan.local.fleet, plan.local.control, plan.local.runtime} - {0}) > 1:
        sentences.append(
            "without a gateway all audiences share one port: of `local.ports` one counts, control first"
        )
    if plan.superlink.tls.source != "generated" and gateway and not plan.insecure:
        sentences.append(
            f"tls.source {plan.superlink.tls.source}: a certificate for this machine is used instead"
        )
    superlink = [
        *_ignored(plan.superlink.pod.resources, "resources"),
        *_ignored(plan.superlink.secrets, "secrets"),
        *(["executor"] if plan.superlink.executor == "kubernetes" else []),
    ]
    if superlink:
        sentences.append(_not_here("superlink", superlink))
    for tenant in plan.tenants:
        sentences += _of_tenant(tenant, insecure=plan.insecure)
    return sentences


def _of_tenant(tenant: Tenant, *, insecure: bool) -> list[str]:
    ignored = [
        *_ignored(tenant.data, "data"),
        *_ignored(tenant.secrets, "secrets"),
        *_ignored(tenant.pod.resources, "resources"),
        *(["executor"] if tenant.isolation == "process" and tenant.executor == "kubernetes" else []),
    ]
    sentences = [_not_here(f"tenant {tenant.name}", ignored)] if ignored else []
    if tenant.keys == "brought" and not insecure:
        sentences.append(
            f"tenant {tenant.name} brings its keys: keys generated here replace them on this machine"
        )
    return sentences


def _ignored(value: object, name: str) -> list[str]:
    return [name] if value and value != type(value)() else []


def _not_here(who: str, names: list[str]) -> str:
    return (
        f"{who}: {', '.join(names)} {'is' if len(names) == 1 else 'are'} for Kubernetes and not applied here"
    )
