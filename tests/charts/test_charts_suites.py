"""Each value is set by a helm-unittest suite; each refusal has its text and a passing neighbour in one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.chart_release import PLACES
from support.chart_schemas import described, schema, written
from support.paths import CHARTS

CHART = pytest.mark.parametrize("chart", PLACES)
Test = dict[str, Any]
Keys = tuple[str, ...]


def leaves(part: Any, path: Keys = ()) -> Iterator[Keys]:  # noqa: ANN401
    """Yield the path of every value of a schema that lists no keys of its own, but for what lists hold."""
    listed = part.get("properties")
    if not listed:
        yield path
    for key, value in (listed or {}).items():
        yield from leaves(value, (*path, key))


def suites(chart: str) -> list[Path]:
    return sorted((CHARTS / chart / "tests").glob("*_test.yaml"))


def cases_of(suite: Path) -> Iterator[Test]:
    """Yield the tests of a suite; `set` of each holds the suite's too, by dotted path."""
    for document in yaml.safe_load_all(suite.read_text(encoding="utf-8")):
        for test in document["tests"]:
            yield {**test, "set": {**document.get("set", {}), **test.get("set", {})}}


def sets(test: Test) -> set[Keys]:
    """Return the path of everything that a test sets, with what is above and below it."""
    found: set[Keys] = set()
    for key, value in test["set"].items():
        start = tuple(key.split("."))
        found |= {start[: index + 1] for index in range(len(start))} | set(written(value, start))
    return found


@CHART
def test_every_value_is_set_by_a_suite(chart: str) -> None:
    """Each leaf of a chart's schema is set beside the chart, where what it does is said."""
    tried = set().union(*(sets(test) for suite in suites(chart) for test in cases_of(suite)))
    wanted = set(leaves(schema(chart))) - {("global",)}
    assert len(wanted) > 50
    assert {".".join(path) for path in wanted - tried} == set()


def refusals(chart: str) -> list[str]:
    """Return the text of every refusal in a chart's templates, with its `{{ }}`."""
    found = []
    for file in sorted((CHARTS / chart / "templates/zz_checks").glob("_*.tpl")):
        text = re.sub(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        # Template code may go on over several lines; a text never does.
        text = re.sub(r"\{\{-(?:.|\n)*?\}\}", "", text)
        found += [line for line in text.splitlines() if re.sub(r"\{\{.*?\}\}", "", line).strip()]
    return found


def says(refusal: str, line: str) -> bool:
    """Return whether a line of a message is this refusal, whatever stands in the place of its `{{ }}`."""
    parts = re.split(r"\{\{.*?\}\}", refusal.strip())
    return re.fullmatch(".+".join(map(re.escape, parts)), line) is not None


def expected(test: Test) -> list[str]:
    """Return the lines with which a test expects values to be refused."""
    failures = [item["failedTemplate"] for item in test["asserts"] if "failedTemplate" in item]
    texts = [failure.get("errorMessage") or failure.get("errorPattern", "") for failure in failures]
    return [line for text in texts for line in text.splitlines()]


def neighbour(line: str, listed: set[Keys], passing: list[set[Keys]]) -> bool:
    """Return whether a test that passes sets what a refusal is about: the path that it begins with.

    What a map holds, such as the nodes by their names, is not listed: then it is the map.
    """
    path = tuple(line.partition(":")[0].split("."))
    while path not in listed:
        path = path[:-1]
    return any(path in found for found in passing)


@CHART
def test_every_refusal_has_its_text_and_a_neighbour_that_passes(chart: str) -> None:
    """Each text in zz_checks stands in a test, and values for the same path pass in another."""
    cases = list(cases_of(CHARTS / chart / "tests/checks_test.yaml"))
    lines = {line for case in cases for line in expected(case)}
    passing = [sets(case) for case in cases if not expected(case)]
    texts = refusals(chart)
    assert len(texts) > 10
    assert [text for text in texts if not any(says(text, line) for line in lines)] == []
    listed = set(described(schema(chart)))
    # A pattern for everything at once is of no single path.
    single = [line for line in lines if not line.startswith("(?s)")]
    assert [line for line in single if not neighbour(line, listed, passing)] == []


def test_a_refusal_without_a_test_is_found() -> None:
    """The control of the two tests above: another text, and a path that no passing test sets, are told."""
    refusal = "tasks.namespace: is the release's own ({{ .Release.Namespace }}); name another"
    assert says(refusal, "tasks.namespace: is the release's own (hospitals); name another")
    assert not says(refusal, "tasks.namespace: is the release's own (); name another")
    assert not says(refusal, "tasks.namespace: is the release's own (hospitals); take another")
    listed = {("tasks",), ("tasks", "namespace"), ("tasks", "image"), ("env",)}
    assert neighbour("tasks.namespace: is x", listed, [{("tasks",), ("tasks", "namespace")}])
    assert neighbour("env.A: is x", listed, [{("env",), ("env", "B")}])
    assert not neighbour("tasks.namespace: is x", listed, [{("tasks",), ("tasks", "image")}, {("env",)}])
