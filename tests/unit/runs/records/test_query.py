"""`flowerbed runs` from records: chosen, sorted, within 80 columns, as CSV, without a federation."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import msgspec
import pytest

from flowerbed.cli import run_table
from flowerbed.cli.main import run as flowerbed
from flowerbed.errors import UsageError
from flowerbed.flower.connection import Connection
from flowerbed.flower.figures import Number
from flowerbed.runs import RunFilter
from flowerbed.runs.metrics.model import Metrics
from flowerbed.runs.records.index import listing
from flowerbed.runs.records.query import Row, Wanted, condition, keys, known_runs, order, ordered
from support import report_runs
from support.record_folders import keep

IDS = [f"531100000000000000{at}" for at in range(4)]
LOSSES = [0.5, math.nan, 0.25, 0.75]


def metrics(loss: Number, rounds: int = 3) -> Metrics:
    found = report_runs.completed().metrics
    entries = tuple(msgspec.structs.replace(one, server={"loss": loss}) for one in found.rounds[: rounds + 1])
    return msgspec.structs.replace(found, rounds=entries, ended=rounds == 3)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a sweep of four runs, the last of which was left while it ran."""
    monkeypatch.chdir(tmp_path)
    for at, (run_id, loss) in enumerate(zip(IDS, LOSSES, strict=True)):
        going = {"status": "running", "sub_status": "", "finished_at": ""} if at == 3 else {}
        keep(
            tmp_path / "runs", run_id, name=f"sweep-{at}", tags=("paper",) if at % 2 else ("paper", "even"),
            note="=cmd()" if at == 0 else "", config={"lr": at / 10, "deep": at == 2, "model": f"m{at}"},
            metrics=metrics(loss, 1 if at == 3 else 3), complete=at != 3,
            pending_at=f"2026-01-0{at + 1}T08:00:00+00:00", overrides={"lr": at / 10}, **going,
        )  # fmt: skip
    return tmp_path / "runs"


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    assert flowerbed(["runs", "--json", *options]) == 0
    return [run["name"] for run in json.loads(capsys.readouterr().out)]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (["name=sweep-2"], "2"), (["name=sweep-*"], "3210"), (["name!=sweep-2"], "310"),
        (["tag=even"], "20"), (["tag!=even"], "31"), (["tag=even", "lr>0"], "2"),
        (["lr=0.1"], "1"), (["lr=0.10"], "1"), (["config.lr>=0.2"], "32"), (["model=m1"], "1"),
        (["deep=true"], "2"), (["loss<0.6"], "20"), (["server.loss<=0.25"], "2"), (["loss=nan"], "1"),
        (["train.other<9"], ""), (["note~CMD"], "0"), (["status=completed"], "210"), (["other=1"], ""),
        (["other!=1"], ""), (["app=digits"], "3210"), ([f"id={IDS[1]}"], "1"),
    ],
)  # fmt: skip
def test_runs_are_chosen(where: list[str], found: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By name, tag, run config and last figure; a run without the key does not meet a condition."""
    options = [word for one in where for word in ("--where", one)]
    assert listed(capsys, *options) == [f"sweep-{at}" for at in found]


@pytest.mark.parametrize(
    ("sort", "found"),
    [("loss", "2031"), ("loss:max", "3021"), ("lr:max", "3210"), ("name", "0123"), ("submitted", "0123")],
)
def test_runs_are_sorted(sort: str, found: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The smallest first, or the largest; what is not a number comes last."""
    assert listed(capsys, "--sort", sort) == [f"sweep-{at}" for at in found]
    assert listed(capsys, "--sort", sort, "--limit", "1") == [f"sweep-{found[0]}"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sort", "los"], "no run has 'los'"),
        (["--where", "lr"], "'lr' is not a condition"),
        (["--where", "lr<x"], "< needs a number"),
        (["--where", "=1"], "is not a condition"),
        (["--sort", ""], "--sort needs a key"),
    ],
)
def test_what_cannot_be_asked(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal says how it is written, or what there is."""
    assert flowerbed(["runs", *options]) == 2
    assert words in capsys.readouterr().err


def test_without_a_federation(capsys: pytest.CaptureFixture[str], tmp_path: Path, root: Path) -> None:
    """The records are listed, and said to be records; a run that was left is not called running."""
    assert flowerbed(["runs"]) == 0
    output, errors = capsys.readouterr()
    assert [line.split()[0] for line in output.splitlines()] == ["RUN", *reversed(IDS)]
    assert "running?" in output.splitlines()[1]
    assert errors == f"no federation.yaml here; these runs are from the records in {root}\n"
    assert flowerbed(["init"]) == 0
    capsys.readouterr()
    assert flowerbed(["runs"]) == 0
    assert "no local federation runs here" in capsys.readouterr().err
    (tmp_path / "away.toml").write_text('[superlink]\naddress = "127.0.0.1:1"\ninsecure = true\n')
    assert flowerbed(["runs", "--connection", "away.toml"]) == 0
    assert "these runs are from the records" in capsys.readouterr().err
    assert flowerbed(["runs", "--connection", "away.toml", "--records", "nothing"]) == 3
    assert flowerbed(["runs", "--recorded"]) == 0


def test_a_table_within_80_columns(root: Path) -> None:
    """Ids are cut to what tells them apart; name, status and figures stay."""
    rows = known_runs(root, Wanted(), None).rows
    text = run_table.table(rows, IDS, "loss", 80)
    assert max(map(len, text.splitlines())) <= 80
    assert [line.split()[0] for line in text.splitlines()[1:]] == list(reversed(IDS))
    assert run_table.short(["12345678901", "22345678902"], []) == ["12345678", "22345678"]
    assert all(word in text for word in ("sweep-1", "completed", "lr=0.1", "loss=0."))
    assert "round 1: accuracy=" in run_table.table(rows, IDS)
    for width in (20, 40, 60, 100):
        shown = run_table.table(rows, IDS, "", width)
        assert "STATUS" in shown
        assert width < 40 or max(map(len, shown.splitlines())) <= width


def test_csv(capsys: pytest.CaptureFixture[str]) -> None:
    """A line a run with config and figures; what a spreadsheet would run is text."""
    assert flowerbed(["runs", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["name"] for row in rows] == [f"sweep-{at}" for at in (3, 2, 1, 0)]
    assert (rows[1]["server.loss"], rows[1]["config.lr"], rows[1]["config.deep"]) == ("0.25", "0.2", "true")
    assert rows[3]["note"] == "'=cmd()"


def test_the_superlink_knows_better(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of both are listed once; what an incomplete record says of a run is open."""
    run = msgspec.structs.replace(listing(root).entries[0].run, status="finished", sub_status="completed")
    monkeypatch.setattr("flowerbed.runs.records.query.find_runs", lambda *_: [run])
    connect = lambda: Connection(address="localhost:1", insecure=True)  # noqa: E731
    rows = known_runs(root, Wanted(), connect).rows
    assert [(row.name, row.status, row.recorded) for row in rows] == [
        ("sweep-3", "completed", False),
        *((f"sweep-{at}", "completed", True) for at in (2, 1, 0)),
    ]
    monkeypatch.setattr("flowerbed.runs.records.query.find_runs", lambda *_: [])
    running = Wanted(filter=RunFilter(outcomes=frozenset({"running"})))
    assert known_runs(root, running, connect).rows == []


def test_keys_and_orders(root: Path) -> None:
    """Keys are those of config and figures; an order of runs without any key is refused."""
    rows = [Row(entry.run, entry) for entry in listing(root).entries]
    assert {"lr", "deep", "server.loss"} <= set(keys(rows))
    assert order("a:b").key == "a:b"
    assert order("a:b:max") == order("a:b:max")
    assert condition("server.loss <= 0.5").value == "0.5"
    with pytest.raises(UsageError, match="there is: "):
        ordered(rows, order("nothing"))
    assert ordered([], order("nothing")) == []
