"""What a declaration may not say although each of its values has its type.

Every rule looks at the whole declaration and yields violations; none of them stops the others. Here are those
on the federation as a whole: versions, admission, users, and `insecure`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from flowerbed.declaration.model import FLOWER_LINES, Declaration
from flowerbed.declaration.resolution import admission
from flowerbed.declaration.rules import images, naming, nodes, pods, reach
from flowerbed.declaration.rules.reach import audiences
from flowerbed.declaration.violations import MAX_VIOLATIONS, Violation, show

__all__ = ["violations"]

_INSECURE = (("insecure",),)


def versions(declaration: Declaration) -> Iterator[Violation]:
    """The format and the Flower line are ones that this Flowerbed knows."""
    if declaration.version != 1:
        message = f"this Flowerbed reads version 1 of the format, not {declaration.version}"
        yield Violation(("version",), message, "write version: 1")
    if declaration.flower not in FLOWER_LINES:
        known = " and ".join(FLOWER_LINES)
        message = f"Flower {show(declaration.flower)} is not supported; this Flowerbed knows {known}"
        yield Violation(("flower",), message, f'write the minor line, in quotes: "{FLOWER_LINES[-1]}"')


def somebody(declaration: Declaration) -> Iterator[Violation]:
    """With listed admission there is somebody on the list."""
    if not declaration.tenants and admission(declaration) == "listed":
        message = "no tenant is declared, and with listed admission nobody else may join"
        yield Violation(
            ("tenants",), message, "declare a tenant, or write admission: open", needs=(("admission",),)
        )


def insecure_stays_inside(declaration: Declaration) -> Iterator[Violation]:
    """Without TLS nothing is exposed outside the cluster."""
    if not declaration.insecure:
        return
    for path, exposure, _ in audiences(declaration):
        if exposure.type != "cluster":
            message = f"`insecure: true` has no TLS, so it cannot be exposed by {exposure.type}"
            remedy = "write insecure: false, or type: cluster"
            yield Violation((*path, "type"), message, remedy, needs=_INSECURE)


def insecure_has_no_keys(declaration: Declaration) -> Iterator[Violation]:
    """Without TLS there are neither node keys nor client certificates, so none are declared."""
    if not declaration.insecure:
        return
    if declaration.admission == "listed":
        message = "`insecure: true` has no node keys, so there is nothing to list"
        yield Violation(("admission",), message, "write admission: open, or leave it out", needs=_INSECURE)
    for index, tenant in enumerate(declaration.tenants):
        if tenant.keys == "brought":
            message = "`insecure: true` has no node keys, so none can be brought"
            yield Violation(("tenants", index, "keys"), message, "write insecure: false", needs=_INSECURE)
    if declaration.users:
        message = "`insecure: true` has no client certificates, so users cannot be distinguished"
        yield Violation(("users",), message, "remove the users, or write insecure: false", needs=_INSECURE)


RULES = (
    *naming.RULES,
    *reach.RULES,
    *(versions, somebody, insecure_stays_inside, insecure_has_no_keys),
    *nodes.RULES,
    *pods.RULES,
    *images.RULES,
)


def violations(declaration: Declaration) -> Iterator[Violation]:
    """Yield what does not fit together, up to MAX_VIOLATIONS."""
    return islice(chain.from_iterable(rule(declaration) for rule in RULES), MAX_VIOLATIONS)
