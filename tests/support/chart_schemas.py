"""The schemas of the charts' values, and the keys that they and values have."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Iterator
from typing import Any

from support.paths import CHARTS

Json = Any


def schema(chart: str) -> Json:
    """Return a chart's schema with its references resolved."""
    whole = json.loads((CHARTS / chart / "values.schema.json").read_text())

    def resolved(part: Json) -> Json:
        if isinstance(part, list):
            return [resolved(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return resolved(functools.reduce(operator.getitem, part["$ref"].split("/")[1:], whole))
        return {key: resolved(value) for key, value in part.items() if key not in {"definitions", "$defs"}}

    return resolved(whole)


def described(part: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key that a schema lists, but for what is inside of lists."""
    for key, value in part.get("properties", {}).items():
        yield (*path, key)
        yield from described(value, (*path, key))


def written(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key of nested maps."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from written(item, (*path, key))


def default(values: Json, path: tuple[str, ...]) -> Json:
    """Return the default at a path, None if there is none."""
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values
