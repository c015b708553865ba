"""What is written can be read: every JSON document that is kept, for every float, text and size."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowerbed import documents
from flowerbed.backups.archive import Manifest
from flowerbed.bundles.manifest import PartyEntry
from flowerbed.flower.app.run_config import Scalar
from flowerbed.flower.json_text import dumps, loads
from flowerbed.flower.text import screened
from flowerbed.identities.issued import Issued
from flowerbed.identities.revocations import Revocations
from flowerbed.images.images_lock import ImagesLock
from flowerbed.local.state import LocalState
from flowerbed.plan import Plan
from flowerbed.runs import NodeRecord, RunRecord
from flowerbed.runs.metrics.log import parse
from flowerbed.runs.records.capturing import Submitted, handed_in
from flowerbed.runs.records.model import VERSION, Record
from flowerbed.runs.records.store import load, load_log, save
from flowerbed.runs.report.comparison import Comparison
from flowerbed.runs.report.model import Report
from support.document_values import BROKEN_TEXTS, TEXTS, values

KEPT = [
    Record, Submitted, Report, Comparison, RunRecord, NodeRecord,
    LocalState, dict[str, int], dict[str, str], Manifest, dict[str, PartyEntry], Plan,
    Revocations, tuple[Issued, ...],
]  # fmt: skip


def told(value: object) -> str:
    """Return all of a value as text, in which a NaN equals another."""
    return repr(msgspec.to_builtins(value))


def same(value: object, kind: type) -> bool:
    return told(documents.decode(documents.encode(value), kind)) == told(value)


@pytest.mark.parametrize("kind", KEPT, ids=str)
def test_what_is_written_is_read_as_it_was(kind: type) -> None:
    """Every figure and text comes back, NaN and infinities included; the text is JSON for every reader."""

    @given(values(kind, TEXTS))
    @settings(max_examples=12, deadline=None)
    def check(value: object) -> None:
        assert same(value, kind)
        json.loads(documents.encode(value), parse_constant=pytest.fail)

    check()


@pytest.mark.parametrize("kind", KEPT, ids=str)
def test_broken_texts_do_not_break_a_document(kind: type) -> None:
    """A lone surrogate becomes U+FFFD; what was read is written the same again."""

    @given(values(kind, BROKEN_TEXTS))
    @settings(max_examples=8, deadline=None)
    def check(value: object) -> None:
        text = documents.encode(value)
        assert documents.encode(documents.decode(text, kind)) == text

    check()


@given(values(Record, TEXTS | BROKEN_TEXTS), TEXTS | BROKEN_TEXTS)
@settings(max_examples=50, deadline=None)
def test_a_record_can_be_read_again(record: Record, log: str) -> None:
    """Whatever a record holds, its folder is read again, with its log, which can be printed."""
    replace = msgspec.structs.replace
    # Other names of files are refused, which tests/unit/runs/records/test_records.py looks at.
    files = tuple(replace(one, file="") for one in record.artifacts)
    record = replace(record, version=VERSION, run=replace(record.run, run_id="7"), artifacts=files)
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), record, log, [])
        found = load(Path(folder), "7")
        assert found is not None
        assert documents.encode(found) == documents.encode(record)
        assert load_log(Path(folder), "7") == screened(log, colors=True)


SCALARS: st.SearchStrategy[Scalar] = values(bool | int | float | str, TEXTS)


@given(st.dictionaries(TEXTS, SCALARS))
def test_what_submit_leaves_can_be_read(config: dict[str, Scalar]) -> None:
    """The submission that `submit.py --record` writes without msgspec is the same form."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "7").mkdir()
        file = Path(folder) / "7" / "submission.json"
        file.write_text(dumps({"config": config, "packing_seconds": math.nan}, indent=2))
        found = handed_in(Path(folder), "7")
        assert found is not None
        assert told(found.config) == told(config)


@given(values(ImagesLock, TEXTS))
def test_the_record_of_images_can_be_read(record: ImagesLock) -> None:
    """It is YAML, of texts alone."""
    text = msgspec.yaml.encode(msgspec.to_builtins(record))
    assert msgspec.yaml.decode(text, type=ImagesLock) == record


FIGURES: list[Callable[[str], str]] = [
    lambda figure: f"INFO :      \t└──> Aggregated MetricRecord: {{'loss': {figure}}}",
    lambda figure: f"INFO :      \t└──> MetricRecord: {{'loss': np.float64({figure})}}",
    lambda figure: f"INFO :      fit progress: (1, {figure}, {{}}, 0.5)",
    lambda figure: f'metrics {{"loss": {figure}, "node": "NaN"}}',
    lambda figure: f'config {{"loss": {figure}}}',
]


@pytest.mark.parametrize("line", FIGURES)
@pytest.mark.parametrize("figure", ["nan", "NaN", "-inf", "Infinity", "1e400", "1" + "0" * 400, "1e-400"])
def test_a_log_with_such_figures_makes_a_record_that_can_be_read(
    line: Callable[[str], str], figure: str
) -> None:
    """Whatever figure a log has, in each kind of line, what is made of it is written and read."""
    metrics = parse(f"INFO :      [ROUND 1/1]\n{line(figure)}\n")
    assert same(metrics, type(metrics))


def test_words_are_told_from_figures() -> None:
    """The three words stand for figures; a text that reads like one has quotation marks around it."""
    assert dumps([math.nan, math.inf, -math.inf]) == '["NaN", "Infinity", "-Infinity"]'
    assert dumps(["NaN", '"NaN"', "nan"]) == r'["\"NaN\"", "\"\"NaN\"\"", "nan"]'
    assert loads('["\\"NaN\\""]') == ["NaN"]


def test_what_is_not_json_is_refused() -> None:
    """Nesting without end is refused as any other text that is not JSON."""
    for text in ("{", "[" * 100_000, '"\udc00'):
        with pytest.raises(ValueError, match=r".+"):
            loads(text)
