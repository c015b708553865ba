"""declaration.md and the schema: every part is described, examples pass, the schema sees what it can."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from docs.declaration import SECTIONS
from flowerbed.declaration import image_model, load_plan, model, pod_model
from flowerbed.declaration.reader import read
from flowerbed.declaration.schema import schema
from support.paths import ROOT
from support.wrong_declarations import CASES, Case

PAGE = ROOT / "docs" / "reference" / "declaration.md"
MODEL_SCHEMA = schema()


def test_every_part_of_the_model_is_described() -> None:
    """Each struct of the declaration has its table, and each field its meaning."""
    declared = {
        kind
        for module in (model, pod_model, image_model)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, pod_model.Model)
    }
    assert declared - SECTIONS.keys() == {pod_model.Model, pod_model.PodWords, pod_model.DeclaredParty}


def examples() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("index", range(len(examples())))
def test_examples_of_the_page_are_accepted(index: int, tmp_path: Path) -> None:
    """Each whole declaration in the page passes its check."""
    file = tmp_path / "federation.yaml"
    file.write_text(examples()[index])
    load_plan(file)


TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


def fits(part: Any, value: Any) -> bool:  # noqa: ANN401  (a reader of JSON Schema reads anything)
    """Return whether a value is valid by a schema, as far as ours goes."""
    if "$ref" in part and not fits(MODEL_SCHEMA["$defs"][part["$ref"].rpartition("/")[2]], value):
        return False
    if "anyOf" in part and not any(fits(one, value) for one in part["anyOf"]):
        return False
    if "enum" in part and value not in part["enum"]:
        return False
    if "const" in part and value != part["const"]:
        return False
    if "type" in part and not isinstance(value, TYPES[part["type"]]):
        return False
    if part.get("type") in ("integer", "number") and isinstance(value, bool):
        return False
    if isinstance(value, str):
        return len(value) <= part.get("maxLength", 10**6) and bool(re.search(part.get("pattern", ""), value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bool(part.get("minimum", value) <= value <= part.get("maximum", value))
    if isinstance(value, list):
        return all(fits(part.get("items", {}), one) for one in value)
    return not isinstance(value, dict) or fits_object(part, value)


def fits_object(part: Any, value: dict[str, Any]) -> bool:  # noqa: ANN401  (see `fits`)
    known = part.get("properties", {})
    rest = part.get("additionalProperties", True)
    if not set(part.get("required", ())) <= value.keys():
        return False
    if not all(fits(part.get("propertyNames", {}), key) for key in value):
        return False
    if rest is False and not value.keys() <= known.keys():
        return False
    others = rest if isinstance(rest, dict) else {}
    return all(fits(known.get(key, others), inner) for key, inner in value.items())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_schema_accepts_what_is_right(case: Case) -> None:
    """An editor that knows the schema marks nothing in a declaration that passes the check."""
    assert fits(MODEL_SCHEMA, read(case.right).data)


SEEN_BY_EDITORS = [
    *("unquoted line", "quoted number", "unknown key", "camel case", "missing key", "wrong word"),
    *("mapping for list", "number in env", "wrong role", "version", "flower", "capital", "digit first"),
    *("no node", "many nodes", "config key", "long federation", "days", "claim"),
]


@pytest.mark.parametrize("name", SEEN_BY_EDITORS)
def test_the_schema_refuses_what_it_can_see(name: str) -> None:
    """What concerns one value alone is refused by the schema as well."""
    case = next(case for case in CASES if case.name == name)
    assert not fits(MODEL_SCHEMA, read(case.wrong).data)
