"""What parties say of their pods: profiles, resources, environment, Secrets, volumes, and where they run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from msgspec import UNSET

from flowerbed.declaration import grammar
from flowerbed.declaration.findings import Finding, KeyPath, show
from flowerbed.declaration.model import Declaration
from flowerbed.declaration.pod_model import Party, PodWords, Resources, Toleration
from flowerbed.declaration.suggestions import Guesser, foreign

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


def parties(declaration: Declaration) -> Iterator[tuple[KeyPath, PodWords]]:
    """Yield everything that speaks of pods, with its key path."""
    yield ("superlink",), declaration.superlink
    for index, tenant in enumerate(declaration.tenants):
        yield ("tenants", index), tenant
    for name, profile in declaration.profiles.items():
        yield ("profiles", name), profile


def profiles(declaration: Declaration) -> Iterator[Finding]:
    """A profile that is used is declared."""
    guesser = Guesser()
    for path, party in parties(declaration):
        if isinstance(party, Party) and party.profile and party.profile not in declaration.profiles:
            remedy = guesser.did_you_mean(party.profile, declaration.profiles)
            yield Finding((*path, "profile"), f"there is no profile {show(party.profile)}", remedy)


def resources(declaration: Declaration) -> Iterator[Finding]:
    """Resources are ones that Kubernetes knows, in its quantities, and no request is above its limit."""
    for path, party in parties(declaration):
        own = party.resources
        for word, amounts in (("requests", own.requests), ("limits", own.limits)):
            yield from _amounts((*path, "resources", word), amounts)
        base = Resources()
        if isinstance(party, Party) and party.profile in declaration.profiles:
            base = declaration.profiles[party.profile].resources
        if own.requests or own.limits:
            yield from _below_limits((*path, "resources", "requests"), base, own)


def _amounts(path: KeyPath, amounts: Mapping[str, str | float]) -> Iterator[Finding]:
    for name, amount in amounts.items():
        if not _RESOURCE.fullmatch(name):
            message = f"{show(name)} is no resource of Kubernetes"
            yield Finding((*path, name), message, _RESOURCE_REMEDY, on_key=True)
        elif (size := _size(amount)) is None:
            yield Finding((*path, name), f"{show(str(amount))} is no quantity", _QUANTITY_REMEDY)
        elif "/" in name and size != int(size):
            yield Finding((*path, name), f"{name} comes in whole pieces only", "write a whole number")


_RESOURCE_REMEDY = (
    "known are cpu, memory, ephemeral-storage, hugepages-2Mi and names with a domain, as in nvidia.com/gpu"
)
_QUANTITY_REMEDY = "write one such as 500m, 2, 512Mi or 1.5Gi"


@lru_cache(maxsize=1024)
def _size(amount: str | float) -> float | None:
    return grammar.quantity_size(grammar.quantity(amount))


def _below_limits(path: KeyPath, base: Resources, own: Resources) -> Iterator[Finding]:
    requests = {**base.requests, **own.requests}
    limits = {**base.limits, **own.limits}
    for name in requests.keys() & limits.keys():
        asked, most = _size(requests[name]), _size(limits[name])
        if asked is not None and most is not None and asked > most:
            message = f"{requests[name]} are asked for, but {limits[name]} are the limit"
            yield Finding((*path, name), message, "raise the limit or lower the request")


def environment(declaration: Declaration) -> Iterator[Finding]:
    """Environment variables have names that every shell knows, and leave Flowerbed's own alone."""
    for path, party in parties(declaration):
        for name, value in party.env.items():
            where = (*path, "env", name)
            if not _ENV_NAME.fullmatch(name):
                message = f"{foreign(name) or show(name)}: no name for an environment variable"
                yield Finding(where, message, "use letters, digits and _, and no digit first", on_key=True)
            elif name in _ENV_TAKEN:
                yield Finding(where, f"{name} is set by Flowerbed", "remove it", on_key=True)
            elif "\0" in value:
                yield Finding(where, "an environment variable cannot hold a zero byte", "remove it")
            elif "PRIVATE KEY-----" in value:
                yield Finding(
                    where, "a private key does not belong here", "put it in a Secret, under `secrets`"
                )


def placement(declaration: Declaration) -> Iterator[Finding]:
    """Node selectors are labels, and tolerations are ones that Kubernetes takes."""
    for path, party in parties(declaration):
        for key, value in party.node_selector.items():
            if not _QUALIFIED.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
                message = f"{show(key)}: {show(value)} is no label"
                yield Finding(
                    (*path, "node-selector", key), message, "write a label of the machines", on_key=True
                )
        for index, toleration in enumerate(party.tolerations):
            yield from _toleration((*path, "tolerations", index), toleration)


def _toleration(path: KeyPath, toleration: Toleration) -> Iterator[Finding]:
    if toleration.operator == "Exists" and toleration.value:
        yield Finding((*path, "value"), "`Exists` takes no value", "remove it, or write operator: Equal")
    if toleration.operator == "Equal" and not toleration.key:
        yield Finding((*path, "key"), "without `key` the operator must be Exists", "write operator: Exists")
    if toleration.key and not _QUALIFIED.fullmatch(toleration.key):
        yield Finding(
            (*path, "key"), f"{show(toleration.key)} is no key of a taint", "write it as the taint has it"
        )
    if toleration.toleration_seconds is not UNSET and toleration.effect != "NoExecute":
        message = "`toleration-seconds` goes with the effect NoExecute only"
        yield Finding((*path, "toleration-seconds"), message, "remove it, or write effect: NoExecute")


def runs(declaration: Declaration) -> Iterator[Finding]:
    """At least one run goes on at once."""
    most = declaration.superlink.max_runs
    if most is not UNSET and most < 1:
        message = f"{most} runs at once are none"
        yield Finding(("superlink", "max-runs"), message, "write 1 or more, or remove the key for no limit")


def execution(declaration: Declaration) -> Iterator[Finding]:
    """What is imported before app processes are forked are modules, and some are forked."""
    for index, name in enumerate(declaration.preload):
        if not _MODULE.fullmatch(name):
            message = f"{show(name)} is not the name of a Python module"
            yield Finding(("preload", index), message, "write it as `import` takes it, such as sklearn.svm")
    if declaration.preload and declaration.execution == "stock":
        message = "nothing is preloaded with `execution: stock`"
        yield Finding(("preload",), message, "remove it, or write execution: fast")


RULES = (profiles, resources, environment, placement, runs, execution)
