"""The types of the model, asked: what fits them, how people call them, and what is an example."""

from __future__ import annotations

from msgspec import inspect

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
    fits = _FITS.get(type(value), ())
    return next((inner for inner in alternatives(kind) if isinstance(inner, fits)), None)


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
