"""Who takes part: admission, versions and `insecure` for all; the nodes of tenants, their config and keys."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from flowerbed.declaration import grammar
from flowerbed.declaration.model import FLOWER_LINES, MAX_NODES, Declaration, Tenant
from flowerbed.declaration.pem import PublicKeyError, canonical_public_key
from flowerbed.declaration.resolution import admission, brought_keys
from flowerbed.declaration.rules.reach import audiences
from flowerbed.declaration.scalars import INT64
from flowerbed.declaration.violations import KeyPath, Violation, key_path, show
from flowerbed.plan import Scalar

MAX_NODES_IN_ALL = 20_000
_CONFIG_KEY = re.compile(grammar.CONFIG_KEY)
_ADDED = ("partition-id", "num-partitions")
_INSECURE = (("insecure",),)


def node_count(tenant: Tenant) -> int:
    """Return how many nodes a tenant declares."""
    return tenant.nodes if isinstance(tenant.nodes, int) else len(tenant.nodes)


def counts(declaration: Declaration) -> Iterator[Violation]:
    """Every tenant has nodes, and not more than one Secret can hold the keys of."""
    total = 0
    for index, tenant in enumerate(declaration.tenants):
        count = node_count(tenant)
        path: KeyPath = ("tenants", index, "nodes")
        if count < 1:
            nodes = "no node" if count == 0 else f"{count} nodes"
            yield Violation(path, f"the tenant has {nodes}", "write how many SuperNodes it runs, 1 or more")
        elif count > MAX_NODES:
            message = f"the tenant has {count} nodes, {MAX_NODES} are the most: their keys share one Secret"
            yield Violation(path, message, "split the tenant in several")
        total += min(max(count, 0), MAX_NODES)
    if total > MAX_NODES_IN_ALL:
        message = f"{total} nodes in all are more than one SuperLink can serve"
        yield Violation(("tenants",), message, f"declare at most {MAX_NODES_IN_ALL}, in several federations")


def configs(declaration: Declaration) -> Iterator[Violation]:
    """Node config has keys that Flower reads, and values that arrive as they are."""
    for index, tenant in enumerate(declaration.tenants):
        yield from _config(("tenants", index, "config"), tenant.config)
        if isinstance(tenant.nodes, int):
            continue
        for ordinal, spec in enumerate(tenant.nodes):
            yield from _config(("tenants", index, "nodes", ordinal, "config"), spec.config)


def _config(path: KeyPath, config: Mapping[str, Scalar]) -> Iterator[Violation]:
    for key, value in config.items():
        if key in _ADDED:
            message = f"`{key}` is given by Flowerbed: the node's ordinal and the number of nodes"
            yield Violation((*path, key), message, "remove it, or use another key", on_key=True)
        elif not _CONFIG_KEY.fullmatch(key):
            allowed = "letters, digits, - and _, in parts joined by dots"
            message = f"{show(key)} is not a key that Flower accepts: {allowed}"
            yield Violation((*path, key), message, "write it with these alone", on_key=True)
        elif "." in key and (outer := _outer_key(key, config)):
            message = f"`{outer}` cannot be a value and hold `{key}` as well"
            yield Violation((*path, key), message, "rename one of them", on_key=True)
        if isinstance(value, float) and not math.isfinite(value):
            yield Violation((*path, key), "the number is not finite", "write a finite number, or text")
        elif isinstance(value, int) and value not in INT64:
            yield Violation((*path, key), "the number does not fit into 64 bits", "write it as text")


def _outer_key(key: str, config: Mapping[str, Scalar]) -> str:
    parts = key.split(".")
    prefixes = (".".join(parts[:count]) for count in range(1, len(parts)))
    return next((prefix for prefix in prefixes if prefix in config), "")


def keys_match(declaration: Declaration) -> Iterator[Violation]:
    """Brought keys are there, one for each node, and said in one place only."""
    for index, tenant in enumerate(declaration.tenants):
        in_nodes = () if isinstance(tenant.nodes, int) else tuple(spec.public_key for spec in tenant.nodes)
        if tenant.keys == "brought":
            yield from _brought(index, tenant, in_nodes)
        elif tenant.public_keys or any(in_nodes):
            message = "public keys are declared, but keys is `generated`"
            path: KeyPath = ("tenants", index, "public-keys" if tenant.public_keys else "nodes")
            yield Violation(path, message, "add keys: brought", needs=(("tenants", index, "keys"),))


def _brought(index: int, tenant: Tenant, in_nodes: tuple[str, ...]) -> Iterator[Violation]:
    path: KeyPath = ("tenants", index, "public-keys")
    needs: tuple[KeyPath, ...] = (("tenants", index, "nodes"), ("tenants", index, "keys"))
    count = node_count(tenant)
    if tenant.public_keys and any(in_nodes):
        yield Violation(
            path, "public keys are declared here and in `nodes`", "keep them in one place", needs=needs
        )
    elif tenant.public_keys and len(tenant.public_keys) != count:
        message = f"{count} nodes need as many public keys, not {len(tenant.public_keys)}"
        yield Violation(path, message, "list one for each node, in their order", needs=needs)
    elif not tenant.public_keys and not any(in_nodes):
        yield Violation(path, "keys: brought needs the public keys", "list one for each node", needs=needs)
    elif not tenant.public_keys:
        for ordinal, text in enumerate(in_nodes):
            if not text:
                key: KeyPath = ("tenants", index, "nodes", ordinal, "public-key")
                yield Violation(key, "this node has no public key", "add its public-key", needs=needs)


def keys_readable(declaration: Declaration) -> Iterator[Violation]:
    """Brought keys are public keys that Flower takes, and no two nodes have the same."""
    first: dict[str, KeyPath] = {}
    for index, tenant in enumerate(declaration.tenants):
        for ordinal, text in enumerate(brought_keys(tenant)):
            listed = bool(tenant.public_keys)
            tail: KeyPath = ("public-keys", ordinal) if listed else ("nodes", ordinal, "public-key")
            if text or listed:
                yield from _key(("tenants", index, *tail), text, first)


def _key(path: KeyPath, text: str, first: dict[str, KeyPath]) -> Iterator[Violation]:
    try:
        key = canonical_public_key(text)
    except PublicKeyError as error:
        remedy = "write the line of an ecdsa-sha2-nistp384 .pub file (ssh-keygen -t ecdsa -b 384), or its PEM"
        yield Violation(path, f"the key {error}", remedy)
        return
    if (other := first.setdefault(key, path)) != path:
        message = f"the same key as {key_path(other)}: Flower takes each only once"
        yield Violation(path, message, "give every node its own key")


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
    *(versions, somebody, insecure_stays_inside, insecure_has_no_keys),
    *(counts, configs, keys_match, keys_readable),
)
