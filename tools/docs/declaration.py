"""docs/reference/declaration.md: the fields of the model, and the table of wrong declarations."""

from __future__ import annotations

import json
import re
import tempfile
from itertools import groupby
from pathlib import Path
from typing import cast

from msgspec import NODEFAULT, inspect

from flowerbed.declaration import image_model, load, model, pod_model, schema
from flowerbed.errors import DeclarationError, Problem
from marked import table
from support.wrong_declarations import CASES, Case

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


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def code(text: str) -> str:
    """Return text as code in a cell, also when it holds backticks."""
    fence = "``" if "`" in text else "`"
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{cell(text)}{pad}{fence}"


def default_of(field: inspect.Field) -> str:
    """Return a field's default for its cell; nothing for a part or an empty text."""
    if field.required:
        return "**needed**"
    value = field.default
    if value is NODEFAULT or not isinstance(value, str | int | bool) or value == "":
        return ""
    return code(json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value)


def description_of(field: inspect.Field) -> str:
    """Return what a field means."""
    metadata = cast("inspect.Metadata", field.type)  # the model gives each field its meaning
    return str((metadata.extra_json_schema or {})["description"])


def row(field: inspect.Field) -> list[str]:
    """Return a field's cells."""
    words = (
        f"`{field.encode_name}`",
        schema.expected(field.type),
        default_of(field),
        description_of(field),
    )
    return [cell(word) for word in words]


def fields() -> str:
    """Return the field reference: one table for each part of the declaration."""
    lines: list[str] = []
    for kind, path in SECTIONS.items():
        info = inspect.type_info(kind)
        own = set(kind.__annotations__)
        own_first = sorted(cast("inspect.StructType", info).fields, key=lambda field: field.name not in own)
        lines += [f"### {f'`{path}`' if path else 'The file'}", "", (kind.__doc__ or "").strip(), ""]
        lines += [table(["key", "value", "default", "meaning"], map(row, own_first)), ""]
    return "\n".join(lines)


def problem_of(case: Case) -> Problem:
    """Return what the check answers first. Raises ValueError if it accepts the declaration."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "federation.yaml"
        file.write_text(case.wrong)
        try:
            load(file)
        except DeclarationError as error:
            return error.problems[0]
    raise ValueError(f"{case.name}: the declaration is accepted")


def written(case: Case, problem: Problem) -> str:
    """Return the line that is wrong, as the table shows it: keys and long words shortened, controls named."""
    lines = case.wrong.splitlines()
    line = lines[min(problem.line, len(lines)) - 1].strip()
    line = re.sub(r"([A-Za-z0-9+/=\\-]{24})[A-Za-z0-9+/=\\ -]{24,}", r"\1…", line)
    return line.replace("\u200b", "<U+200B>").replace("\t", "<tab>")


def wrong_row(case: Case) -> list[str]:
    """Return the cells of a wrong declaration: what is written, its place, and the answer."""
    problem = problem_of(case)
    path = f" {code(problem.key_path)}" if problem.key_path else ""
    answer = f"{cell(problem.message)} → *{cell(problem.remedy)}*".replace("<", "&lt;")
    return [code(written(case, problem)), f"{problem.line}:{problem.column}{path}", answer]


def wrong_declarations() -> str:
    """Return the table of wrong declarations, section by section."""
    sections = []
    for section, cases in groupby(CASES, key=lambda case: case.section):
        rows = table(["written", "place", "answer"], map(wrong_row, cases))
        sections.append(f"**{section}**\n\n{rows}")
    return "\n\n".join(sections)
