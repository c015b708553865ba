"""The nodes of tenants: how many, what their apps see, and the keys that were brought."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from flowerbed.declaration import grammar
from flowerbed.declaration.model import MAX_NODES, Declaration, Tenant
from flowerbed.declaration.pem import PublicKeyError, canonical_public_key
from flowerbed.declaration.resolution import brought_keys
from flowerbed.declaration.scalars import INT64
from flowerbed.declaration.violations import KeyPath, Violation, key_path, show
from flowerbed.plan import Scalar

MAX_NODES_IN_ALL = 20_000
_CONFIG_KEY = re.compile(grammar.CONFIG_KEY)
_ADDED = ("partition-id", "num-partitions")


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


RULES = (counts, configs, keys_match, keys_readable)
