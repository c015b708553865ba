"""Values of a struct's type for property tests: every float, int and text that its fields can hold."""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import UTC, datetime
from typing import Any, Literal, Union

import msgspec
from hypothesis import strategies as st

# Figures and texts where writers and readers disagree most easily.
FLOATS = st.floats() | st.sampled_from([float("nan"), float("inf"), -float("inf"), -0.0, 5e-324, 1.8e308])
INTEGERS = st.integers() | st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**400])
WORDS = [
    "NaN",
    "Infinity",
    "-Infinity",
    '"NaN"',
    '""NaN"',
    "nan",
    "null",
    "",
    "\0",
    "\x7f",
    "\x1b[31m",
    "\u2028",
]
TEXTS = st.text() | st.sampled_from(WORDS)
MOMENTS = {datetime: st.datetimes(timezones=st.just(UTC))}
BROKEN_TEXTS = st.text(st.characters(categories=["Cs", "Cc", "L"])) | st.sampled_from(["\ud800", "\udc00x"])


def values(kind: Any, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:  # noqa: ANN401  (any type)
    """Return a strategy for a type: structs, dicts, tuples, unions, literals and scalars."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return plain_data(texts)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in {Union, types.UnionType}:
        return st.one_of([values(one, texts) for one in inner])
    if origin is dict:
        return st.dictionaries(values(inner[0], texts), values(inner[1], texts), max_size=3)
    if origin in {tuple, list, frozenset}:
        return st.lists(values(inner[0], texts), max_size=3).map(origin)
    if isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind)):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{name: values(one, texts) for name, one in hints.items()})
    scalars = {float: FLOATS, int: INTEGERS, str: texts, bool: st.booleans(), type(None): st.none()}
    return scalars[kind] if kind in scalars else MOMENTS[kind]


def plain_data(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Return a strategy for what YAML may hold, at any depth."""
    leaves = st.none() | st.booleans() | INTEGERS | FLOATS | texts
    return st.recursive(leaves, lambda part: st.lists(part) | st.dictionaries(texts, part), max_leaves=5)
