"""Records of runs: artifacts read from a log, files written whole, names that cannot leave the folder."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from pathlib import Path

import pytest

from flowerbed import documents
from flowerbed.cli.main import run as flowerbed
from flowerbed.errors import UsageError
from flowerbed.flower.artifacts import SIZE_LIMIT, artifacts
from flowerbed.runs.records.model import VERSION, ArtifactRecord, Record
from flowerbed.runs.records.store import described, folder_of, load, load_log, save, schema_text
from support import report_runs
from support.paths import ROOT

SCHEMA = ROOT / "schema" / "run.schema.json"


def given(name: str, data: bytes, parts: int = 1, /, **changes: object) -> list[str]:
    """Return the lines in which an app gives a file."""
    step = max(1, -(-len(data) // parts))
    head = {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "parts": parts}
    return [
        "artifact "
        + json.dumps(
            head
            | {"part": at + 1, "data": base64.b64encode(data[at * step : (at + 1) * step]).decode()}
            | changes
        )
        for at in range(parts)
    ]


def record(log: str) -> Record:
    report = report_runs.completed()
    return Record(
        version=VERSION, federation="digits", address="localhost:1", run=report.run, source=None, config={},
        overrides={}, packing_seconds=None, phases=report.stages, nodes=report.nodes,
        metrics=report.metrics, artifacts=described(artifacts(log)), complete=True,
    )  # fmt: skip


def test_parts_make_a_file_in_any_order() -> None:
    """Parts come together by their numbers, between other lines, with Flower's level in front."""
    first, *rest = given("model.npz", b"0123456789", 3)
    [found] = artifacts("\n".join([*rest, "noise", f"INFO :      {first}"]))
    assert (found.name, found.data, found.problem) == ("model.npz", b"0123456789", "")


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc/passwd",
        "a/../b",
        "a//b",
        "a/b/",
        "a/" * 8 + "b",
        "..",
        ".hidden",
        "",
        "x" * 101,
        "a\\b",
        "a\0",
    ],
)
def test_names_that_leave_the_folder_are_refused(name: str) -> None:
    """Only a plain file name is one; the refusal is told, and its data is gone."""
    [found] = artifacts("\n".join(given(name, b"data")))
    assert found.data is None
    assert "not a plain file name" in found.problem


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (given("a", b"data", sha256="0" * 64), "SHA-256"),
        (given("a", b"data", 2)[:1], "1 of 2 parts are missing"),
        (given("a", b"x" * (SIZE_LIMIT + 1)), "more than"),
    ],
)
def test_damaged_files_are_refused(lines: list[str], words: str) -> None:
    """A wrong hash, a missing part, too many bytes: refused with the reason."""
    [found] = artifacts("\n".join(lines))
    assert found.data is None
    assert words in found.problem


@pytest.mark.parametrize(
    "line",
    [
        "artifact {}",
        "artifact {nonsense}",
        "artifact []",
        *given("a", b"d", data="*"),
        *given("a", b"d", part=0),
    ],
)
def test_lines_without_sense_are_passed_over(line: str) -> None:
    """They count as any other line of a log."""
    assert artifacts(line) == []


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Record, log and artifacts are read back equal; only their owner can read them."""
    log = "\n".join(given("model.npz", b"weights"))
    one = record(log)
    folder = save(tmp_path, one, log, artifacts(log))
    run_id = one.run.run_id
    assert load(tmp_path, run_id) == one
    assert load_log(tmp_path, run_id) == log
    assert (folder / "artifacts" / "model.npz").read_bytes() == b"weights"
    digest = hashlib.sha256(b"weights").hexdigest()
    [kept] = one.artifacts
    assert kept == ArtifactRecord(
        name="model.npz", file="artifacts/model.npz", size=7, sha256=digest, problem=""
    )
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}
    assert not list(folder.rglob(".*"))


def test_what_is_no_record_is_told(tmp_path: Path) -> None:
    """A damaged record names its file; an id that is none cannot lead elsewhere; a missing one is None."""
    folder_of(tmp_path, "12").mkdir()
    (tmp_path / "12" / "record.json").write_text("{")
    with pytest.raises(UsageError, match="not the record of a run"):
        load(tmp_path, "12")
    with pytest.raises(UsageError, match="not the id of a run"):
        load(tmp_path, "../12")
    assert load(tmp_path, "13") is None


def test_records_of_before_are_read(tmp_path: Path) -> None:
    """Version 1 wrote null for a figure that is not finite, and its reader refused that: it is NaN now."""
    document = json.loads(documents.encode(record("")))
    document["version"] = 1
    document["metrics"]["rounds"][1]["server"]["loss"] = None
    document["metrics"]["nodes"][0]["figures"]["loss"] = None
    document["overrides"]["rate"] = None
    folder = folder_of(tmp_path, "12")
    folder.mkdir()
    (folder / "record.json").write_text(json.dumps(document))
    found = load(tmp_path, "12")
    assert found is not None
    assert found.version == VERSION
    assert math.isnan(found.metrics.rounds[1].server["loss"])
    assert math.isnan(found.metrics.nodes[0].figures["loss"])
    assert math.isnan(float(found.overrides["rate"]))
    document["version"] = VERSION
    (folder / "record.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match="not the record of a run"):
        load(tmp_path, "12")


def test_the_schema_is_published() -> None:
    """schema/run.schema.json is what the model gives, and a record has the keys that it names."""
    assert SCHEMA.read_text() == schema_text()
    body = json.loads(schema_text())["$defs"]["Record"]
    assert set(body["properties"]) == set(Record.__struct_fields__)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("artifacts/model", "../escaped.txt"),
        ("../../private", "model"),
        ("/etc/passwd", "model"),
        ("artifacts/other", "model"),
        ("artifacts/.hidden", ".hidden"),
    ],
)
def test_a_record_of_others_leads_nowhere(file: str, name: str, tmp_path: Path) -> None:
    """Names are plain, and the files lie in the record's own directory; the record as written is read."""
    log = "\n".join(given("model", b"weights"))
    one = record(log)
    folder = save(tmp_path, one, log, artifacts(log))
    assert load(tmp_path, one.run.run_id) == one
    document = json.loads((folder / "record.json").read_text())
    document["artifacts"][0] |= {"file": file, "name": name}
    (folder / "record.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match="not a plain file name"):
        load(tmp_path, one.run.run_id)


def test_a_link_in_a_record_leads_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not the recorded file is not copied out; before it was exchanged it was."""
    log = "\n".join(given("id_rsa", b"weights"))
    one = record(log)
    folder = save(tmp_path / "runs", one, log, artifacts(log))
    for name in ("before", "after", "home"):
        (tmp_path / name).mkdir()
    (tmp_path / "home" / "id_rsa").write_text("private")
    command = ["artifacts", one.run.run_id, "--records", str(tmp_path / "runs"), "-o"]
    assert flowerbed([*command, str(tmp_path / "before")]) == 0
    assert (tmp_path / "before" / "id_rsa").read_bytes() == b"weights"
    (folder / "artifacts" / "id_rsa").unlink()
    (folder / "artifacts").rmdir()
    (folder / "artifacts").symlink_to(tmp_path / "home")
    assert flowerbed([*command, str(tmp_path / "after")]) == 0
    assert not list((tmp_path / "after").iterdir())
    assert "its SHA-256 is not the recorded one" in capsys.readouterr().err
