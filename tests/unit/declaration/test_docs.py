"""What is generated from the model and the table of wrong declarations, and committed.

Run as a program, as `make generated` does, it writes it anew.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from msgspec import NODEFAULT, inspect

from flowerbed.declaration import image_model, load, load_plan, model, pod_model, type_info
from flowerbed.declaration.reader import read
from flowerbed.declaration.schema import schema, schema_text
from flowerbed.errors import DeclarationError, Problem
from marked import replaced
from support.paths import ROOT, writing
from support.wrong_declarations import CASES, Case

SCHEMA = ROOT / "schema" / "federation.schema.json"
PAGE = ROOT / "docs" / "declaration.md"
SECTIONS = {
    model.Declaration: "",
    model.SuperLink: "superlink",
    model.Exposures: "superlink.exposure",
    model.FleetExposure: "superlink.exposure.fleet",
    model.Exposure: "superlink.exposure.control",
    model.Tls: "superlink.tls",
    pod_model.Storage: "superlink.storage",
    model.Tenant: "tenants[]",
    model.NodeSpec: "tenants[].nodes[]",
    pod_model.DataVolume: "tenants[].data[]",
    pod_model.TenantProxy: "tenants[].proxy",
    pod_model.SecretUse: "secrets[]",
    pod_model.Resources: "resources",
    pod_model.Toleration: "tolerations[]",
    pod_model.Profile: "profiles.NAME",
    model.User: "users[]",
    image_model.Images: "images",
    image_model.Image: "images.all, .superlink, .supernode, .superexec",
    image_model.Instructions: "images.NAME.instructions",
    image_model.BuildSecret: "images.NAME.build-secrets[]",
    model.Local: "local",
    model.Ports: "local.ports",
}
MODEL_SCHEMA = schema()


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def code(text: str) -> str:
    """Return text as code in a cell, also when it holds backticks."""
    fence = "``" if "`" in text else "`"
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{cell(text)}{pad}{fence}"


def default_of(field: inspect.Field) -> str:
    if field.required:
        return "**needed**"
    value = field.default
    if value is NODEFAULT or not isinstance(value, str | int | bool) or value == "":
        return ""
    return code(json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value)


def description_of(field: inspect.Field) -> str:
    assert isinstance(field.type, inspect.Metadata), field.name
    return str((field.type.extra_json_schema or {})["description"])


def row(field: inspect.Field) -> str:
    words = (
        f"`{field.encode_name}`",
        type_info.expected(field.type),
        default_of(field),
        description_of(field),
    )
    return f"| {' | '.join(map(cell, words))} |"


def reference() -> str:
    """Return the field reference: one table for each part of the declaration."""
    lines: list[str] = []
    for kind, path in SECTIONS.items():
        info = inspect.type_info(kind)
        assert isinstance(info, inspect.StructType)
        own = set(kind.__annotations__)
        fields = sorted(info.fields, key=lambda field: field.name not in own)
        lines += [f"### {f'`{path}`' if path else 'The file'}", "", (kind.__doc__ or "").strip(), ""]
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        lines += [*map(row, fields), ""]
    return "\n".join(lines)


def problem_of(case: Case) -> Problem:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "federation.yaml"
        file.write_text(case.wrong)
        try:
            load(file)
        except DeclarationError as error:
            return error.problems[0]
    raise AssertionError(case.name)


def written(case: Case, problem: Problem) -> str:
    """Return the line that is wrong, as the table shows it: keys and long words shortened, controls named."""
    lines = case.wrong.splitlines()
    line = lines[min(problem.line, len(lines)) - 1].strip()
    line = re.sub(r"([A-Za-z0-9+/=\\-]{24})[A-Za-z0-9+/=\\ -]{24,}", r"\1…", line)
    return line.replace("\u200b", "<U+200B>").replace("\t", "<tab>")


def wrong_table() -> str:
    """Return the table of wrong declarations, section by section."""
    lines: list[str] = []
    section = ""
    for case in CASES:
        if case.section != section:
            section = case.section
            lines += ["", f"**{section}**", "", "| written | place | answer |", "|---|---|---|"]
        problem = problem_of(case)
        path = f" {code(problem.key_path)}" if problem.key_path else ""
        place = f"{problem.line}:{problem.column}{path}"
        answer = f"{cell(problem.message)} → *{cell(problem.remedy)}*".replace("<", "&lt;")
        lines.append(f"| {code(written(case, problem))} | {place} | {answer} |")
    return "\n".join(lines).strip() + "\n"


def page() -> str:
    """Return docs/declaration.md as it should be."""
    text = replaced(PAGE.read_text(), "fields", reference())
    return replaced(text, "wrong declarations", wrong_table())


def test_the_schema_is_the_models() -> None:
    """schema/federation.schema.json is what the model gives."""
    assert SCHEMA.read_text() == schema_text(), writing(__file__)


def test_the_page_is_up_to_date() -> None:
    """The field reference and the table of wrong declarations are what model and checks give."""
    assert PAGE.read_text() == page(), writing(__file__)


def test_every_part_of_the_model_is_described() -> None:
    """Each struct of the declaration has its table, and each field its meaning."""
    declared = {
        kind
        for module in (model, pod_model, image_model)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, pod_model.Model)
    }
    assert declared - SECTIONS.keys() == {pod_model.Model, pod_model.PodWords, pod_model.Party}


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


if __name__ == "__main__":
    SCHEMA.write_text(schema_text())
    PAGE.write_text(page())
    sys.stdout.write(f"written: {SCHEMA}, {PAGE}\n")
