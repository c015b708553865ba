"""What a party may add to its chart's values: all that the chart takes, but what Flowerbed itself writes."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from flowerbed.cluster.party import CHARTS
from flowerbed.declaration.model import Declaration
from flowerbed.declaration.suggestions import Guesser
from flowerbed.declaration.violations import KeyPath, Violation
from flowerbed.flower.text import printable

if TYPE_CHECKING:
    from jsonschema import ValidationError

# Values that hold a federation together, by chart, and the declaration's key for each ("": there is none).
_TLS, _NAMES = "superlink.tls", ""
OWNED: dict[str, dict[tuple[str, ...], str]] = {
    "superlink": {
        ("federation",): "name",
        ("flower",): "flower",
        ("clusterDomain",): "superlink.cluster-domain",
        ("fullnameOverride",): _NAMES,
        ("insecure",): "insecure",
        ("admission",): "admission",
        ("users",): "users",
        ("revoked",): _NAMES,
        ("tls",): _TLS,
        **{
            ("exposure", audience, word): f"superlink.exposure.{audience}"
            for audience in ("fleet", "control")
            for word in ("type", "host", "port", "className", "parentRefs")
        },
        ("networkPolicy", "tenants"): "tenants",
        ("fingerprints",): _NAMES,
        ("superexec", "executor"): "superlink.executor",
        ("superexec", "existingSecret"): _NAMES,
        ("superexec", "maxRuns"): "superlink.max-runs",
        ("superexec", "secrets"): "superlink.secrets",
        ("tasks", "activePodBudget"): "superlink.max-runs",
        ("tasks", "namespace"): _NAMES,
        ("persistence", "size"): "superlink.storage.size",
        ("persistence", "storageClass"): "superlink.storage.class",
    },
    "supernode": {
        ("flower",): "flower",
        ("clusterDomain",): "superlink.cluster-domain",
        ("fullnameOverride",): _NAMES,
        ("superlink",): "superlink.exposure.fleet",
        ("proxy",): "tenants[].proxy",
        ("insecure",): "insecure",
        ("tls",): _TLS,
        ("keys",): "tenants[].keys",
        ("fingerprints",): _NAMES,
        ("replicas",): "tenants[].nodes",
        ("node",): "tenants[].config",
        ("isolationMode",): "tenants[].isolation",
        ("superexec", "executor"): "tenants[].executor",
        ("superexec", "existingSecret"): _NAMES,
        ("tasks", "namespace"): _NAMES,
        ("data",): "tenants[].data",
        ("secrets",): "tenants[].secrets",
    },
}
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
# What is missing may be among the values that Flowerbed writes, or the chart's defaults.
_OF_THE_WHOLE = frozenset({"required", "dependentRequired", "dependencies", "minProperties"})
_REMEDY = "the chart's values.yaml says what it takes"
_LONGEST_RULE = 200


def chart_values(declaration: Declaration) -> Iterator[Violation]:
    """Values that a party adds are ones that its chart takes, and none that Flowerbed writes."""
    yield from _below(("superlink", "values"), "superlink", declaration.superlink.values)
    for index, tenant in enumerate(declaration.tenants):
        yield from _below(("tenants", index, "values"), "supernode", tenant.values)


def _below(path: KeyPath, chart: str, values: Mapping[str, Any]) -> Iterator[Violation]:
    for one in value_violations(chart, values):
        yield Violation((*path, *one.path), one.message, one.remedy, one.on_key)


def value_violations(chart: str, values: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield what a chart (`superlink`, `supernode`) does not take of values, with paths in these values."""
    if not values:
        return
    owned = list(_owned(OWNED[chart], values, ()))
    yield from owned
    spoilt = {one.path for one in owned}
    for one in _unfit(chart, values):
        if not any(one.path[: len(path)] == path for path in spoilt):
            yield one


def _owned(
    owned: Mapping[tuple[str, ...], str], values: Mapping[str, Any], at: tuple[str, ...]
) -> Iterator[Violation]:
    for key, value in values.items():
        path = (*at, key)
        if path in owned:
            remedy = f"declare `{owned[path]}` instead" if owned[path] else "remove it"
            yield Violation(path, "Flowerbed writes this value", remedy, on_key=True)
        elif isinstance(value, Mapping):
            yield from _owned(owned, value, path)
        elif held := next((".".join(one) for one in owned if one[: len(path)] == path), ""):
            message = f"this would replace {held}, which Flowerbed writes"
            yield Violation(path, message, "write a mapping of the values to add", on_key=True)


def _unfit(chart: str, values: Mapping[str, Any]) -> Iterator[Violation]:
    from jsonschema import Draft7Validator  # most declarations have no values

    errors = Draft7Validator(_schema(chart)).iter_errors(values)
    for error in sorted(errors, key=lambda error: list(map(str, error.absolute_path))):
        path: KeyPath = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            yield from _unknown(path, chart, error.instance, error.schema.get("properties", {}))
        # Helm takes a default out where null is written.
        elif error.instance is not None and error.validator not in _OF_THE_WHOLE:
            yield Violation(path, f"the chart {chart} {_refusal(error)}", _REMEDY)


def _unknown(
    path: KeyPath, chart: str, values: Mapping[str, Any], known: Collection[str]
) -> Iterator[Violation]:
    for key in values:
        if key not in known:
            remedy = Guesser().did_you_mean(key, known)
            yield Violation((*path, key), f"the chart {chart} has no such value", remedy, on_key=True)


def _refusal(error: ValidationError) -> str:
    rule: Any = error.validator_value
    if error.validator == "type":
        kinds = [rule] if isinstance(rule, str) else rule
        return f"takes {' or '.join(_TYPES[kind] for kind in kinds)} here"
    text = rule if isinstance(rule, str) else json.dumps(rule)
    return f"refuses this value ({error.validator}: {printable(text)[:_LONGEST_RULE]})"


@cache
def _schema(chart: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHARTS / chart / "values.schema.json").read_text(encoding="utf-8"))
    return found


RULES = (chart_values,)
