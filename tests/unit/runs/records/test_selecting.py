"""A RUN argument: an id, its unique beginning, a name, `latest`; what means none or several is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.cli.main import run as flowerbed
from flowerbed.errors import UnreachableError, UsageError
from flowerbed.flower.connection import Connection
from flowerbed.flower.labels import LONGEST_NOTE, MOST_TAGS, labels
from flowerbed.runs import RunRecord
from flowerbed.runs.records.index import INDEX, listing
from flowerbed.runs.records.selecting import run_of
from support.record_folders import keep

OLD, MIDDLE, NEW = "5311000000000000001", "5312000000000000002", "9473000000000000003"
NAMES = {OLD: "baseline", MIDDLE: "", NEW: "lr=0.3"}
ELSEWHERE = "9479000000000000004"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with three records, one a day."""
    for day, (run_id, name) in enumerate(NAMES.items(), 1):
        keep(tmp_path / "runs", run_id, name=name, pending_at=f"2026-01-0{day}T08:00:00+00:00")
    return tmp_path / "runs"


def superlink(monkeypatch: pytest.MonkeyPatch, *runs: RunRecord) -> Connection:
    """Let the SuperLink know these runs, newest first."""
    monkeypatch.setattr("flowerbed.runs.records.selecting.find_runs", lambda *_, **__: [*runs])
    return Connection(address="localhost:1", insecure=True)


def away() -> Connection:
    raise UnreachableError("nobody answers")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (OLD, OLD), ("5311", OLD), ("94730", NEW), ("baseline", OLD), ("lr=0.3", NEW),
        ("latest", NEW), ("latest~0", NEW), ("latest~1", MIDDLE), ("latest~2", OLD),
        ("1234567890123456789", "1234567890123456789"),
    ],
)  # fmt: skip
def test_a_run_is_found_without_a_superlink(text: str, found: str, root: Path) -> None:
    """By its id, a beginning, its name, its place in time; a whole id is taken as it is."""
    assert run_of(text, root) == found
    assert run_of(text, root, away) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("531", "531 is too short"),
        ("531000", "no run has the id 531000"),
        ("baselin", "there is: baseline"),
        ("other", "no recorded run is named 'other'"),
        ("latest~3", "3 runs are known"),
        ("latest~-1", "no recorded run is named"),
        ("../5311", "no recorded run is named"),
    ],
)
def test_what_means_no_run_is_refused(text: str, words: str, root: Path) -> None:
    """The refusal says what there is, or where it is listed."""
    with pytest.raises(UsageError, match=words):
        run_of(text, root)


def test_what_means_several_is_refused(root: Path) -> None:
    """All that fit are shown, with name and time."""
    keep(root, "5311000000000000009", name="baseline", pending_at="2026-01-09T08:00:00+00:00")
    with pytest.raises(UsageError, match="2 runs are named 'baseline'") as error:
        run_of("baseline", root)
    assert OLD in str(error.value)
    assert "2026-01-09 08:00:00 UTC" in str(error.value)
    with pytest.raises(UsageError, match="5311 is the beginning of 2 runs"):
        run_of("5311", root)


def test_the_superlink_is_asked_for_what_no_record_knows(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer run of another user is the latest; `everywhere` sees both; without an answer: the error."""
    known = keep(root / "aside", ELSEWHERE, pending_at="2026-02-01T08:00:00+00:00").run
    connection = superlink(monkeypatch, known)
    connect = lambda: connection  # noqa: E731
    assert run_of("latest", root, connect) == ELSEWHERE
    assert run_of("latest~1", root, connect) == NEW
    assert run_of("9479", root, connect) == ELSEWHERE
    keep(root, "9479111111111111111")
    assert run_of("9479", root, connect) == "9479111111111111111"
    with pytest.raises(UsageError, match="9479 is the beginning of 2 runs"):
        run_of("9479", root, connect, everywhere=True)
    with pytest.raises(UnreachableError):
        run_of("1234", root, away)
    with pytest.raises(UnreachableError):
        run_of("latest", root / "nothing", away)


def test_the_index_follows_the_records(root: Path) -> None:
    """It is made once; what changes, comes or is damaged is seen, and it may be damaged itself."""
    assert [one.run.run_id for one in listing(root).entries] == [NEW, MIDDLE, OLD]
    first = listing(root).entries[0]
    assert (first.name, first.rounds, first.planned) == ("lr=0.3", 3, 3)
    assert first.figures["server.loss"][1] == 3
    made = (root / INDEX).stat()
    assert listing(root).entries[0] == first
    assert (root / INDEX).stat() == made
    keep(root, NEW, name="renamed", pending_at="2026-01-03T08:00:00+00:00")
    assert listing(root).entries[0].name == "renamed"
    (root / OLD / "record.json").write_text("{")
    assert [one.run.run_id for one in listing(root).entries] == [NEW, MIDDLE]
    assert listing(root).damaged == (root / OLD / "record.json",)
    (root / INDEX).write_bytes(b"\x93")
    assert [one.run.run_id for one in listing(root).entries] == [NEW, MIDDLE]
    assert listing(root / "nothing").entries == ()


@pytest.mark.parametrize(
    "wrong",
    [{"name": "latest"}, {"name": "123456"}, {"name": ""}, {"name": "two words"}, {"name": "-x"},
     {"name": "a\x1b"}, {"name": "x" * 101}, {"tags": ["a,b"]}, {"tags": map(str, range(MOST_TAGS + 1))},
     {"note": "\x1b[2J"}, {"note": "x" * (LONGEST_NOTE + 1)}],
)  # fmt: skip
def test_labels_that_cannot_be(wrong: dict[str, object]) -> None:
    """What would be taken for an id, would not fit one argument, or control a terminal."""
    with pytest.raises(UsageError):
        labels(**wrong)  # type: ignore[arg-type]


def test_labels() -> None:
    """Names in any language, tags once each, notes of several lines."""
    found = labels("Übung/lr=0.1", ["a", "b", "a"], "one\ntwo")
    assert (found.name, found.tags, found.note) == ("Übung/lr=0.1", ("a", "b"), "one\ntwo")


def test_the_verbs_take_names(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report of a run by its name, far from any federation; which run it is, is narrated."""
    monkeypatch.chdir(root.parent)
    assert flowerbed(["report", "baseline"]) == 0
    output, errors = capsys.readouterr()
    assert output.startswith(f"run {OLD}: completed")
    assert errors == f"run {OLD} (baseline)\n"
    assert flowerbed(["artifacts", "latest", "--records", str(root), "--json"]) == 0
    assert flowerbed(["report", "nothing"]) == 2
    assert "Traceback" not in capsys.readouterr().err
