"""The schema of the declaration: as JSON Schema for editors, and what a declaration breaks of it.

`SchemaCheck` finds every value that has the wrong type, every key that is unknown or missing, all of them at
once. Only a declaration that msgspec refuses is walked: msgspec stops at the first problem, this does not.
What is wrong is replaced by something harmless, so that the rules can still look at the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import inspect

from flowerbed.declaration.model import Declaration
from flowerbed.declaration.reader import UNREADABLE
from flowerbed.declaration.scalars import meaning
from flowerbed.declaration.suggestions import Guesser, foreign
from flowerbed.declaration.violations import MAX_VIOLATIONS, KeyPath, Violation, show

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# What a YAML value may become, by its Python type.
_FITS: dict[type, tuple[type, ...]] = {
    bool: (inspect.BoolType,),
    int: (inspect.IntType, inspect.FloatType),
    float: (inspect.FloatType,),
    str: (inspect.StrType, inspect.LiteralType),
    dict: (inspect.StructType, inspect.DictType),
    list: (inspect.VarTupleType,),
}
# The words for a type, an example, and a value that is there only so that the rest can be checked.
_WORDS: dict[type, tuple[str, str, object]] = {
    inspect.StrType: ("text", "north", ""),
    inspect.IntType: ("a whole number", "1", 1),
    inspect.FloatType: ("a number", "0.5", 1),
    inspect.BoolType: ("true or false", "true", False),
    inspect.StructType: ("a mapping", "{key: value}", {}),
    inspect.DictType: ("a mapping", "{key: value}", {}),
    inspect.VarTupleType: ("a list", "[]", []),
}

_PRIVATE = frozenset({"env", "public-keys", "public-key", "ca"})
"""Keys whose values are never repeated in a message."""


class _Gone:
    """Stands for a value that was wrong."""


_GONE = _Gone()


class _EnoughError(Exception):
    """There are more violations than anybody will read."""


class SchemaCheck:
    """One walk over the data: `violations`, and the paths that are `spoilt` by them.

    `declaration` is what is left when wrong values are replaced; None when the walk ended early.
    """

    def __init__(self, data: object, raw: Callable[[KeyPath], str]) -> None:
        """Walk `data`; `raw` gives the text of the scalar at a path, as it was written."""
        self.violations: list[Violation] = []
        self.spoilt: set[KeyPath] = set()
        self._raw = raw
        self._guesser = Guesser()
        self.declaration: Declaration | None = None
        whole = inspect.type_info(Declaration)
        try:
            kept = self._value(whole, data, ())
        except _EnoughError:
            return
        self.declaration = msgspec.convert(harmless(whole) if kept is _GONE else kept, Declaration)

    def _value(self, kind: inspect.Type, value: Any, path: KeyPath) -> object:  # noqa: ANN401  (any YAML)
        """Return `value` with wrong parts replaced, or _GONE if it is wrong as a whole."""
        match fitting(kind, value):
            case inspect.StructType() as struct:
                return self._struct(struct, value, path)
            case inspect.DictType(value_type=inner):
                parts = {key: self._value(inner, part, (*path, key)) for key, part in value.items()}
                return {key: part for key, part in parts.items() if part is not _GONE}
            case inspect.VarTupleType(item_type=inner):
                items = [self._value(inner, part, (*path, index)) for index, part in enumerate(value)]
                return [harmless(inner) if item is _GONE else item for item in items]
            case inspect.LiteralType(values=choices):
                return value if value in choices else self._wrong_word(choices, value, path)
            case None:
                return self._wrong_type(kind, value, path)
        return value

    def _struct(self, kind: inspect.StructType, value: dict[str, Any], path: KeyPath) -> dict[str, object]:
        fields = {field.encode_name: field for field in kind.fields}
        meant = self._unknown_keys(fields, value, path)
        # A merge key, for one, might have brought what seems to be missing.
        excused = any(part is UNREADABLE for part in value.values())
        kept: dict[str, object] = {}
        for name, field in fields.items():
            part: object = _GONE
            if name in value:
                part = self._value(field.type, value[name], (*path, name))
            elif excused or name in meant:
                self._gone((*path, name))
            elif field.required:
                remedy = f"add it: {name}: {example(field.type)}"
                self._wrong((*path, name), f"`{name}` is missing", remedy)
            if part is not _GONE:
                kept[name] = part
            elif field.required:
                kept[name] = harmless(field.type)
        return kept

    def _unknown_keys(
        self, fields: dict[str, inspect.Field], value: dict[str, Any], path: KeyPath
    ) -> set[str]:
        """Report the keys that are not `fields`; return those fields that were probably meant."""
        meant = set()
        for key in [key for key in value if key not in fields and value[key] is not UNREADABLE]:
            if likely := self._guesser.closest(key, [name for name in fields if name not in value]):
                meant.add(likely)
            strange = foreign(key)
            remedy = f"did you mean {likely}?" if likely else self._guesser.did_you_mean(key, fields)
            self._wrong((*path, key), f"unknown key{strange and ': '}{strange}", remedy, on_key=True)
        return meant

    def _wrong_word(self, choices: tuple[object, ...], value: str, path: KeyPath) -> _Gone:
        words = [str(choice) for choice in choices if choice]
        message = f"{show(value)} is not one of {', '.join(words)}"
        return self._wrong(path, message, self._guesser.did_you_mean(value, words))

    def _wrong_type(self, kind: inspect.Type, value: object, path: KeyPath) -> _Gone:
        if value is UNREADABLE or isinstance(kind, inspect.AnyType):  # told by who read it
            return self._gone(path)
        hidden = not _PRIVATE.isdisjoint(path)
        actual = "and nothing is written" if value is None else f"not {_described(value, hidden)}"
        message = f"{expected(kind)} is expected here, {actual}"
        return self._wrong(path, message, self._remedy(kind, value, path, hidden))

    def _remedy(self, kind: inspect.Type, value: object, path: KeyPath, hidden: bool) -> str:
        if value is None:
            return "write a value, or leave the key out"
        if takes_text(kind) and isinstance(value, bool | int | float):
            return "put it in quotes" if hidden else f'put it in quotes: "{self._raw(path)}"'
        if isinstance(value, str) and not hidden:
            unquoted = meaning(value)
            if not isinstance(unquoted, str) and fitting(kind, unquoted):
                return f"write it without quotes: {value}"
        return f"write {expected(kind)}, such as {example(kind)}"

    def _wrong(self, path: KeyPath, message: str, remedy: str, *, on_key: bool = False) -> _Gone:
        self.violations.append(Violation(path, message, remedy, on_key))
        if len(self.violations) >= MAX_VIOLATIONS:
            raise _EnoughError
        return self._gone(path)

    def _gone(self, path: KeyPath) -> _Gone:
        self.spoilt.add(path)
        return _GONE


def _described(value: object, hidden: bool) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict() | list():
            return "a mapping" if isinstance(value, dict) else "a list"
        case str():
            return "text" if hidden else f"the text {show(value)}"
    return "a number" if hidden else f"the number {value}"


def alternatives(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    """Return the types that a value may have, without their annotations, text first."""
    if isinstance(kind, inspect.Metadata):
        return alternatives(kind.type)
    if isinstance(kind, inspect.UnionType):
        members = [inner for member in kind.types for inner in alternatives(member)]
        return tuple(sorted(members, key=lambda inner: not isinstance(inner, inspect.StrType)))
    return (kind,)


def fitting(kind: inspect.Type, value: object) -> inspect.Type | None:
    """Return the alternative that `value` can be by its Python type, or None."""
    if isinstance(kind, inspect.AnyType):
        return kind if _readable(value) else None
    fits = _FITS.get(type(value), ())
    return next((inner for inner in alternatives(kind) if isinstance(inner, fits)), None)


def _readable(value: object) -> bool:
    """Tell whether all of a value could be read; it is at most as deep as the reader lets it be."""
    if isinstance(value, dict | list):
        return all(map(_readable, value.values() if isinstance(value, dict) else value))
    return value is not UNREADABLE


def takes_text(kind: inspect.Type) -> bool:
    """Return whether text may stand there."""
    return fitting(kind, "") is not None


def expected(kind: inspect.Type) -> str:
    """Return the alternatives in words: `a whole number or a list`."""
    kinds = alternatives(kind)
    # Who reads "a number" knows that a whole one is one as well.
    numbers = any(isinstance(inner, inspect.FloatType) for inner in kinds)
    named = (inner for inner in kinds if not (numbers and isinstance(inner, inspect.IntType)))
    return " or ".join(_choices(inner) or _WORDS[type(inner)][0] for inner in named)


def _choices(kind: inspect.Type) -> str:
    if not isinstance(kind, inspect.LiteralType):
        return ""
    return f"one of {', '.join(str(value) for value in kind.values if value)}"


def example(kind: inspect.Type) -> str:
    """Return something that may stand there."""
    first = alternatives(kind)[0]
    if isinstance(first, inspect.VarTupleType):
        return f"[{example(first.item_type)}]"
    if isinstance(first, inspect.StructType) and (
        needed := [field for field in first.fields if field.required]
    ):
        return "{" + ", ".join(f"{field.encode_name}: {example(field.type)}" for field in needed) + "}"
    return str(first.values[0]) if isinstance(first, inspect.LiteralType) else _WORDS[type(first)][1]


def harmless(kind: inspect.Type) -> object:
    """Return a value of the type that is there only so that the rest can be checked."""
    first = alternatives(kind)[0]
    if isinstance(first, inspect.StructType):
        return {field.encode_name: harmless(field.type) for field in first.fields if field.required}
    return first.values[0] if isinstance(first, inspect.LiteralType) else _WORDS[type(first)][2]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of `federation.yaml`: closed objects, defaults, patterns and descriptions.

    It says what one key may hold. What keys may not say together, `flowerbed check` tells.
    """
    (reference,), parts = msgspec.json.schema_components([Declaration], ref_template="#/$defs/{name}")
    whole = parts.pop(reference["$ref"].rpartition("/")[2])
    head = {
        "$schema": DIALECT,
        "$comment": "Generated by `flowerbed schema`; do not edit.",
        "title": "federation.yaml",
        "description": "A Flower federation, as Flowerbed deploys it.",
    }
    body = {key: value for key, value in whole.items() if key not in head}
    _drop_object_defaults([body, parts])
    return head | body | {"$defs": parts}


def _drop_object_defaults(part: object) -> None:
    """Take out defaults that are mappings: their fields state the same defaults themselves."""
    if isinstance(part, dict):
        if isinstance(part.get("default"), dict):
            del part["default"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            _drop_object_defaults(inner)


def schema_text() -> str:
    """Return the JSON Schema as text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
