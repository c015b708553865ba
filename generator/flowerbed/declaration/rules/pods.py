"""What parties say of their pods: profiles, resources, environment, where they run, Secrets and volumes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from msgspec import UNSET

from flowerbed.declaration import grammar
from flowerbed.declaration.model import Declaration, Tenant
from flowerbed.declaration.pod_model import DeclaredParty, PodWords, Resources, SecretUse, Toleration
from flowerbed.declaration.resolution import server_executor
from flowerbed.declaration.rules.naming import object_name
from flowerbed.declaration.suggestions import Guesser, foreign
from flowerbed.declaration.violations import KeyPath, Violation, show

_ENV_NAME = re.compile(grammar.ENV_NAME)
_ENV_TAKEN = frozenset(
    {"FLWR_HOME", "FLWR_TELEMETRY_ENABLED", "FLWR_DISABLE_UPDATE_CHECK", "HOME", "TMPDIR", "POD_NAME"}
)
_PART = "[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LABEL_VALUE = re.compile(f"(?:{_PART})?")
_MODULE = re.compile(grammar.MODULE)
_QUALIFIED = re.compile(rf"(?:{grammar.DNS_NAME}/)?{_PART}")
# Without a domain in front, Kubernetes knows only the first four.
_RESOURCE = re.compile(rf"cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMG]i|{grammar.DNS_NAME}/{_PART}")
# What the system, Flower's image and the charts have there already.
_TAKEN = re.compile(
    r"/(?:(?:bin|boot|dev|etc|lib|lib64|proc|python|run|sbin|sys|usr|var/run"
    r"|admission|clients|executor|files|key|loopback|runtime|state|superexec|tls|tmp)(?:/.*)?)?"
)
_MOUNT_LIMIT = 1024


def parties(declaration: Declaration) -> Iterator[tuple[KeyPath, PodWords]]:
    """Yield everything that speaks of pods, with its key path."""
    yield ("superlink",), declaration.superlink
    for index, tenant in enumerate(declaration.tenants):
        yield ("tenants", index), tenant
    for name, profile in declaration.profiles.items():
        yield ("profiles", name), profile


def profiles(declaration: Declaration) -> Iterator[Violation]:
    """A profile that is used is declared."""
    guesser = Guesser()
    for path, party in parties(declaration):
        if isinstance(party, DeclaredParty) and party.profile and party.profile not in declaration.profiles:
            remedy = guesser.did_you_mean(party.profile, declaration.profiles)
            yield Violation((*path, "profile"), f"there is no profile {show(party.profile)}", remedy)


def resources(declaration: Declaration) -> Iterator[Violation]:
    """Resources are ones that Kubernetes knows, in its quantities, and no request is above its limit."""
    for path, party in parties(declaration):
        own = party.resources
        for word, amounts in (("requests", own.requests), ("limits", own.limits)):
            yield from _amounts((*path, "resources", word), amounts)
        base = Resources()
        if isinstance(party, DeclaredParty) and party.profile in declaration.profiles:
            base = declaration.profiles[party.profile].resources
        if own.requests or own.limits:
            yield from _below_limits((*path, "resources", "requests"), base, own)


def _amounts(path: KeyPath, amounts: Mapping[str, str | float]) -> Iterator[Violation]:
    for name, amount in amounts.items():
        if not _RESOURCE.fullmatch(name):
            message = f"{show(name)} is not a Kubernetes resource"
            yield Violation((*path, name), message, _RESOURCE_REMEDY, on_key=True)
        elif (size := _size(amount)) is None:
            yield Violation((*path, name), f"{show(str(amount))} is not a quantity", _QUANTITY_REMEDY)
        elif "/" in name and size != int(size):
            yield Violation((*path, name), f"{name} comes in whole pieces only", "write a whole number")


_RESOURCE_REMEDY = (
    "known are cpu, memory, ephemeral-storage, hugepages-2Mi and names with a domain, as in nvidia.com/gpu"
)
_QUANTITY_REMEDY = "write one such as 500m, 2, 512Mi or 1.5Gi"


@lru_cache(maxsize=1024)
def _size(amount: str | float) -> float | None:
    return grammar.quantity_size(grammar.quantity(amount))


def _below_limits(path: KeyPath, base: Resources, own: Resources) -> Iterator[Violation]:
    requests = {**base.requests, **own.requests}
    limits = {**base.limits, **own.limits}
    for name in requests.keys() & limits.keys():
        asked, most = _size(requests[name]), _size(limits[name])
        if asked is not None and most is not None and asked > most:
            message = f"{requests[name]} are asked for, but {limits[name]} are the limit"
            yield Violation((*path, name), message, "raise the limit or lower the request")


def environment(declaration: Declaration) -> Iterator[Violation]:
    """Environment variables have names that every shell knows, and leave Flowerbed's own alone."""
    for path, party in parties(declaration):
        for name, value in party.env.items():
            where = (*path, "env", name)
            if not _ENV_NAME.fullmatch(name):
                message = f"{foreign(name) or show(name)}: no name for an environment variable"
                yield Violation(where, message, "use letters, digits and _, and no digit first", on_key=True)
            elif name in _ENV_TAKEN:
                yield Violation(where, f"{name} is set by Flowerbed", "remove it", on_key=True)
            elif "\0" in value:
                yield Violation(where, "an environment variable cannot hold a zero byte", "remove it")
            elif "PRIVATE KEY-----" in value:
                yield Violation(
                    where, "a private key does not belong here", "put it in a Secret, under `secrets`"
                )


def placement(declaration: Declaration) -> Iterator[Violation]:
    """Node selectors are labels, and tolerations are ones that Kubernetes takes."""
    for path, party in parties(declaration):
        for key, value in party.node_selector.items():
            if not _QUALIFIED.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
                message = f"{show(key)}: {show(value)} is not a label"
                yield Violation(
                    (*path, "node-selector", key), message, "write a label of the machines", on_key=True
                )
        for index, toleration in enumerate(party.tolerations):
            yield from _toleration((*path, "tolerations", index), toleration)


def _toleration(path: KeyPath, toleration: Toleration) -> Iterator[Violation]:
    if toleration.operator == "Exists" and toleration.value:
        yield Violation((*path, "value"), "`Exists` takes no value", "remove it, or write operator: Equal")
    if toleration.operator == "Equal" and not toleration.key:
        yield Violation((*path, "key"), "without `key` the operator must be Exists", "write operator: Exists")
    if toleration.key and not _QUALIFIED.fullmatch(toleration.key):
        yield Violation(
            (*path, "key"), f"{show(toleration.key)} is not a taint key", "write it as the taint has it"
        )
    if toleration.toleration_seconds is not UNSET and toleration.effect != "NoExecute":
        message = "`toleration-seconds` goes with the effect NoExecute only"
        yield Violation((*path, "toleration-seconds"), message, "remove it, or write effect: NoExecute")


def runs(declaration: Declaration) -> Iterator[Violation]:
    """At least one run goes on at once."""
    most = declaration.superlink.max_runs
    if most is not UNSET and most < 1:
        message = f"{most} runs at once are none"
        yield Violation(("superlink", "max-runs"), message, "write 1 or more, or remove the key for no limit")


def execution(declaration: Declaration) -> Iterator[Violation]:
    """What is imported before app processes are forked are modules, and some are forked."""
    for index, name in enumerate(declaration.preload):
        if not _MODULE.fullmatch(name):
            message = f"{show(name)} is not the name of a Python module"
            yield Violation(("preload", index), message, "write it as `import` takes it, such as sklearn.svm")
    if declaration.preload and declaration.execution == "stock":
        message = "nothing is preloaded with `execution: stock`"
        yield Violation(("preload",), message, "remove it, or remove execution: stock")


def mounting(declaration: Declaration) -> Iterator[tuple[KeyPath, DeclaredParty]]:
    """Yield the coordinator and the tenants, with their key paths."""
    yield ("superlink",), declaration.superlink
    for index, tenant in enumerate(declaration.tenants):
        yield ("tenants", index), tenant


def secrets(declaration: Declaration) -> Iterator[Violation]:
    """A Secret has a name, is used for something, and is listed once."""
    for path, party in mounting(declaration):
        seen: dict[str, int] = {}
        for index, use in enumerate(party.secrets):
            where: KeyPath = (*path, "secrets", index)
            yield from object_name((*where, "name"), use.name, "Secret")
            yield from _used(where, use)
            if seen.setdefault(use.name, index) != index:
                message = f"the Secret {show(use.name)} is already in secrets[{seen[use.name]}]"
                yield Violation((*where, "name"), message, "say `env` and `mount` in one entry")


def _used(path: KeyPath, use: SecretUse) -> Iterator[Violation]:
    if not use.env and not use.mount:
        message = "the Secret is not used: neither as environment nor as files"
        yield Violation(
            path, message, "add env: true, or mount: /path", needs=((*path, "env"), (*path, "mount"))
        )


def mounts(declaration: Declaration) -> Iterator[Violation]:
    """Everything is mounted at a path of its own, where nothing else is."""
    for path, party in mounting(declaration):
        seen: dict[str, KeyPath] = {}
        for where, mount in _mounts(path, party):
            yield from _mount(where, mount)
            if (other := seen.setdefault(mount, where)) != where:
                message = f"{show(mount)} is already the mount of {other[-3]}[{other[-2]}]"
                yield Violation(where, message, "give each a path of its own", needs=(other,))


def _mounts(path: KeyPath, party: DeclaredParty) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(party, Tenant):
        for index, volume in enumerate(party.data):
            yield (*path, "data", index, "mount"), volume.mount
    for index, use in enumerate(party.secrets):
        if use.mount:
            yield (*path, "secrets", index, "mount"), use.mount


def _mount(path: KeyPath, mount: str) -> Iterator[Violation]:
    if (
        not mount.startswith("/")
        or mount.startswith("//")
        or posixpath.normpath(mount) != mount
        or ":" in mount
    ):
        yield Violation(path, f"{show(mount)} is not a normalized absolute path", "write one such as /data")
    elif not mount.isprintable() or len(mount) > _MOUNT_LIMIT:
        yield Violation(path, f"{show(mount)} is too long or unprintable", "write a path such as /data")
    elif _TAKEN.fullmatch(mount):
        message = f"{mount} belongs to the system, to Flower's image or to the charts"
        yield Violation(path, message, "mount it elsewhere, such as at /data")


def claims(declaration: Declaration) -> Iterator[Violation]:
    """Claims have names, and the SuperLink's has a size."""
    for index, tenant in enumerate(declaration.tenants):
        for position, volume in enumerate(tenant.data):
            yield from object_name(("tenants", index, "data", position, "claim"), volume.claim, "claim")
    storage = declaration.superlink.storage
    size = grammar.quantity_size(grammar.quantity(storage.size))
    if not size or size < 0:
        message = f"{show(str(storage.size))} is not a size"
        yield Violation(("superlink", "storage", "size"), message, "write one such as 10Gi")
    if storage.class_:
        yield from object_name(("superlink", "storage", "class"), storage.class_, "StorageClass")


def executors(declaration: Declaration) -> Iterator[Violation]:
    """An executor is named only where one runs, and can carry what its tasks are promised."""
    if server_executor(declaration) == "kubernetes" and declaration.superlink.secrets:
        yield _no_secrets(("superlink",), needs=(("superlink", "executor"), ("users",)))
    for index, tenant in enumerate(declaration.tenants):
        if tenant.executor is UNSET:
            continue
        path: KeyPath = ("tenants", index)
        if tenant.isolation != "process":
            message = "`executor` means nothing with isolation: subprocess"
            remedy = "add isolation: process, or remove the executor"
            yield Violation((*path, "executor"), message, remedy, needs=((*path, "isolation"),))
        if tenant.executor == "kubernetes" and tenant.secrets:
            yield _no_secrets(path, needs=((*path, "executor"),))


def _no_secrets(path: KeyPath, needs: tuple[KeyPath, ...]) -> Violation:
    message = "Flower's Kubernetes executor passes no Secret on to task pods"
    remedy = "declare another `executor`, such as deployment"
    return Violation((*path, "secrets"), message, remedy, needs=needs)


def ports(declaration: Declaration) -> Iterator[Violation]:
    """The ports of the local federation are ports, and no two are the same."""
    local = declaration.local.ports
    declared = {"fleet": local.fleet, "control": local.control, "runtime": local.runtime}
    seen: dict[int, str] = {}
    for audience, port in declared.items():
        path: KeyPath = ("local", "ports", audience)
        if port not in range(65536):
            yield Violation(path, f"{port} is not a port", "write one from 1 to 65535, or 0 for any free one")
        elif port and (other := seen.setdefault(port, audience)) != audience:
            message = f"{port} is already the port of {other}"
            yield Violation(path, message, "give each its own, or 0 for any free one")


RULES = (
    profiles,
    resources,
    environment,
    placement,
    runs,
    execution,
    secrets,
    mounts,
    claims,
    executors,
    ports,
)
