"""values.yaml, its schema, the README's table, copies of the package: they agree, and each key is tried."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.chart_release import CASES, PLACES, Refused, render
from support.chart_schemas import Json, default, described, schema, written
from support.paths import CHARTS, ROOT

CHART = pytest.mark.parametrize("chart", PLACES)


@CHART
def test_every_key_of_the_schema_has_a_default(chart: str) -> None:
    """What may be set stands in values.yaml; that the defaults fit, Helm checks at each rendering."""
    values = yaml.safe_load((CHARTS / chart / "values.yaml").read_text())
    known = set(written(values))
    listed = set(described(schema(chart))) - {("global",)}
    # A map that is empty by default, such as limits, says nothing of its parts.
    expected = {path for path in listed if len(path) == 1 or default(values, path[:-1])}
    assert {".".join(path) for path in expected - known} == set()


@CHART
def test_every_object_is_closed(chart: str) -> None:
    """No object that lists its keys takes others."""

    def open_objects(part: Json, path: str) -> Iterator[str]:
        if isinstance(part, dict):
            if (
                "properties" in part
                and part.get("type") == "object"
                and part.get("additionalProperties") is not False
            ):
                yield path
            for key, value in part.items():
                yield from open_objects(value, f"{path}/{key}")

    assert list(open_objects(json.loads((CHARTS / chart / "values.schema.json").read_text()), "")) == []


@CHART
def test_a_typo_fails_with_its_path(chart: str) -> None:
    """A key that is not there is refused, and the message names it and where."""
    for values, place in (({"replicaz": 1}, "replicaz"), ({"networkPolicy": {"enabeld": True}}, "enabeld")):
        with pytest.raises(Refused, match=place):
            render(chart, values)


@CHART
def test_every_key_is_set_by_a_test(chart: str) -> None:
    """Each key of the schema is set by a shipped values file or by a suite beside the chart."""
    tried: set[tuple[str, ...]] = set()
    for case in CASES:
        if case.chart == chart:
            tried |= set(written(case.values))
    for suite in (CHARTS / chart / "tests").glob("*_test.yaml"):
        for document in yaml.safe_load_all(suite.read_text(encoding="utf-8")):
            for source in (document, *document["tests"]):
                for key, value in (source.get("set") or {}).items():
                    start = tuple(key.split("."))
                    tried |= {start[: i + 1] for i in range(len(start))} | set(written(value, start))
                for file in source.get("values") or []:
                    tried |= set(written(yaml.safe_load((suite.parent / file).read_text())))
    assert {".".join(path) for path in set(described(schema(chart))) - {("global",)} - tried} == set()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("# wrong: a comment\nreplicas: 1\n", "the comment above `replicas` begins otherwise"),
        ("replicas: 1\n", "no comment says what `replicas` is"),
    ],
)
def test_a_value_without_its_comment_is_refused(tmp_path: Path, change: str, said: str) -> None:
    """tools/charts.py refuses a comment that begins with another word, and a value without any."""
    (tmp_path / "values.schema.yaml").write_text("type: object\nproperties: {}\n")
    (tmp_path / "README.md").write_text("<!-- values: begin -->\n<!-- values: end -->\n")
    (tmp_path / "values.yaml").write_text(change)
    command = [sys.executable, str(ROOT / "tools/charts.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr


def test_drift_is_found_and_written(tmp_path: Path) -> None:
    """`--check` fails on a file that differs and leaves it; without it the file is written."""
    (tmp_path / "values.schema.yaml").write_text(
        "type: object\nproperties: {a: {type: object, properties: {}}}\n"
    )
    (tmp_path / "README.md").write_text("# x\n<!-- values: begin -->\nold\n<!-- values: end -->\nrest\n")
    (tmp_path / "values.yaml").write_text('# a: what | it is\na: {"b": 1}\n')
    command = [sys.executable, str(ROOT / "tools/charts.py"), str(tmp_path)]
    assert subprocess.run([*command, "--check"], capture_output=True, check=False).returncode == 1
    assert not (tmp_path / "values.schema.json").exists()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert subprocess.run([*command, "--check"], capture_output=True, check=False).returncode == 0
    written_schema = json.loads((tmp_path / "values.schema.json").read_text())
    assert written_schema["properties"]["a"]["additionalProperties"] is False
    readme = (tmp_path / "README.md").read_text()
    assert '| `a` | `{"b": 1}` | what \\| it is |' in readme
    assert readme.endswith("<!-- values: end -->\nrest\n")


@CHART
def test_every_module_of_a_chart_finds_what_it_imports(chart: str) -> None:
    """With nothing of Flowerbed but the chart's own files, each is imported, and has a line on its source."""
    files = CHARTS / chart / "files"
    copies = sorted((files / "flowerbed").rglob("*.py"))
    generated = [*copies, files / "launch.py"]
    assert all(file.read_text().startswith("# Generated by tools/charts.py") for file in generated)
    names = [".".join(file.relative_to(files).with_suffix("").parts) for file in copies]
    names = [name.removesuffix(".__init__") for name in names if not name.endswith("sitecustomize")]
    program = (
        "import importlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "for name in sys.argv[2:]:\n"
        " assert importlib.import_module(name).__file__.startswith(sys.argv[1]), name"
    )
    command = [sys.executable, "-c", program, str(files), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@CHART
def test_one_version(chart: str) -> None:
    """Charts and package have one version, and appVersion is of the Flower line that values.yaml names."""
    import tomllib

    meta = yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    values = yaml.safe_load((CHARTS / chart / "values.yaml").read_text())
    assert meta["version"] == project["version"]
    assert meta["appVersion"].rpartition(".")[0] == values["flower"]
