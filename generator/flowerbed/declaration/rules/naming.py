"""Names: well-formed, plain ASCII, short enough for Kubernetes, and each given once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from flowerbed import names
from flowerbed.declaration import grammar
from flowerbed.declaration.model import Declaration
from flowerbed.declaration.resolution import superlink_namespace, tenant_place
from flowerbed.declaration.suggestions import foreign, plain_name
from flowerbed.declaration.violations import KeyPath, Violation, show

_LABEL = re.compile(grammar.DNS_LABEL)
_DNS_NAME = re.compile(grammar.DNS_NAME)
# A release makes objects of these names after its own; a release so named would claim the same ones.
_OWN_SUFFIXES = names.RESERVED_TENANT_NAMES | {"tls", "node-keys", "tasks", "files", "admission"}
_SUPERLINK_SUFFIX = len(names.superlink_release(""))


def label(path: KeyPath, text: str, *, on_key: bool = False) -> Iterator[Violation]:
    """Yield a violation unless `text` is a DNS label."""
    if _LABEL.fullmatch(text):
        return
    better = plain_name(text)
    remedy = f'write "{better}"' if better else 'write a name such as "north"'
    if not text:
        yield Violation(path, "the name is empty", remedy, on_key)
    elif strange := foreign(text):
        yield Violation(path, strange, f"names are plain ASCII: {remedy}", on_key)
    elif len(text) > names.DNS_LABEL_LIMIT:
        yield Violation(path, f"{show(text)} has {len(text)} characters", "63 are the most", on_key)
    else:
        message = f"{show(text)} is not a valid name: use a-z, 0-9 and -, with no - at either end"
        yield Violation(path, message, remedy, on_key)


def object_name(path: KeyPath, text: str, what: str) -> Iterator[Violation]:
    """Yield a violation unless `text` can be the name of a Kubernetes object."""
    if not _DNS_NAME.fullmatch(text) or len(text) > 253:
        message = foreign(text) or f"{show(text)} is not the name of a {what}"
        yield Violation(path, message, "write lower-case words of a-z, 0-9 and -, joined by dots")


def well_formed(declaration: Declaration) -> Iterator[Violation]:
    """Names and namespaces are DNS labels."""
    yield from label(("name",), declaration.name)
    if declaration.name[:1].isdigit():
        message = f"{show(declaration.name)} begins with a digit, which no Service may"
        yield Violation(("name",), message, "begin it with a letter")
    for index, tenant in enumerate(declaration.tenants):
        yield from label(("tenants", index, "name"), tenant.name)
    for index, user in enumerate(declaration.users):
        yield from label(("users", index, "name"), user.name)
    for profile in declaration.profiles:
        yield from label(("profiles", profile), profile, on_key=True)


def namespaces(declaration: Declaration) -> Iterator[Violation]:
    """Namespaces are DNS labels, and none of Kubernetes' own."""
    labels: list[tuple[KeyPath, str, str]] = [
        (("superlink",), declaration.superlink.namespace, declaration.name)
    ]
    for index, tenant in enumerate(declaration.tenants):
        labels.append((("tenants", index), tenant.namespace, tenant.name))
    for path, namespace, default in labels:
        if namespace:
            yield from label((*path, "namespace"), namespace)
        if (namespace or default).startswith("kube-"):
            message = "namespaces that begin with kube- belong to Kubernetes"
            needs = (("name",), (*path, "name"))
            yield Violation((*path, "namespace"), message, "write another namespace", needs=needs)


def reserved(declaration: Declaration) -> Iterator[Violation]:
    """No tenant is called like a part of the coordinator's own release."""
    for index, tenant in enumerate(declaration.tenants):
        if tenant.name in names.RESERVED_TENANT_NAMES:
            message = f"{tenant.name} is a part of the SuperLink, so no tenant can have the name"
            yield Violation(
                ("tenants", index, "name"), message, f'write another, such as "{tenant.name}-site"'
            )


def unique(declaration: Declaration) -> Iterator[Violation]:
    """No two tenants and no two users have one name."""
    yield from _twice("tenants", (tenant.name for tenant in declaration.tenants))
    yield from _twice("users", (user.name for user in declaration.users))


def _twice(what: str, given: Iterable[str]) -> Iterator[Violation]:
    first: dict[str, int] = {}
    for index, name in enumerate(given):
        if first.setdefault(name, index) != index:
            message = f"{show(name)} is already the name of {what}[{first[name]}]"
            needs = ((what, first[name], "name"),)
            yield Violation(
                (what, index, "name"), message, "give each its own name, or remove one", needs=needs
            )


def short_enough(declaration: Declaration) -> Iterator[Violation]:
    """Release names fit into Kubernetes' limits, with what is appended to them."""
    room = names.RELEASE_NAME_LIMIT - _SUPERLINK_SUFFIX
    if len(declaration.name) > room:
        message = f"the name has {len(declaration.name)} characters, and the SuperLink's release adds to it"
        yield Violation(("name",), message, f"shorten it to {room} characters")
        return
    for index, tenant in enumerate(declaration.tenants):
        release = names.tenant_release(declaration.name, tenant.name)
        if len(release) > names.RELEASE_NAME_LIMIT and len(tenant.name) <= names.DNS_LABEL_LIMIT:
            limit = names.RELEASE_NAME_LIMIT
            room = limit - len(declaration.name) - 1
            message = f"the release {show(release)} has {len(release)} characters, {limit} are the most"
            yield Violation(
                ("tenants", index, "name"), message, f"shorten the tenant's name to {room} characters"
            )


def apart(declaration: Declaration) -> Iterator[Violation]:
    """Two releases in one namespace have no object's name in common."""
    place = declaration.superlink.context, superlink_namespace(declaration)
    owners = {(*place, names.superlink_release(declaration.name)): "the SuperLink"}
    releases = [
        (*tenant_place(declaration, tenant), names.tenant_release(declaration.name, tenant.name))
        for tenant in declaration.tenants
    ]
    owners |= {release: f"tenants[{index}]" for index, release in enumerate(releases)}
    for index, (context, where, release) in enumerate(releases):
        for suffix in _OWN_SUFFIXES:
            base = release.removesuffix(f"-{suffix}")
            if base != release and (owner := owners.get((context, where, base))):
                message = f"the release {show(release)} would share names with {owner}, in the same namespace"
                yield Violation(
                    ("tenants", index, "name"), message, "rename the tenant, or give it another namespace"
                )


RULES = (well_formed, namespaces, reserved, unique, short_enough, apart)
