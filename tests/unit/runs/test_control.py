"""The verbs on runs and what they refuse; against a real SuperLink they are tested in tests/local."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowerbed import runs
from flowerbed.cli import main
from flowerbed.cli.run_table import Column, aligned, elapsed
from flowerbed.errors import NotAllowedError, UnreachableError, UsageError
from flowerbed.flower.client import MEDIA, messages
from flowerbed.flower.connection import Connection
from flowerbed.flower.duration import seconds
from flowerbed.runs.records.query import Row
from support.control_servers import Handler, plain, serving

TIMES = ("pending_at", "starting_at", "running_at", "finished_at")
NOWHERE = Connection(address="127.0.0.1:1", insecure=True)


def record(**changes: str) -> runs.RunRecord:
    texts = dict.fromkeys((*TIMES, "details", "fab_id", "fab_version", "fab_hash"), "")
    values: dict[str, Any] = {"run_id": "1", "status": "pending", "sub_status": "", **texts, **changes}
    return runs.RunRecord(**values)


def flowerbed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main.run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("0", 0), ("0.5s", 0.5)]
)
def test_durations(text: str, expected: float) -> None:
    """A duration is a number of seconds, minutes or hours."""
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "-1", "10 m", "1d", "1h30m", "١٠s", "nan", "1e3"])
def test_what_is_no_duration(text: str) -> None:
    """Anything else is refused with examples."""
    with pytest.raises(UsageError, match="is not a duration\n  write 90, 90s, 10m or 2h"):
        seconds(text)


def test_a_run_is_known_by_its_end_or_its_state() -> None:
    """`outcome` is how the run ended, or where it is."""
    assert record(status="running").outcome == "running"
    assert record(status="finished", sub_status="failed").outcome == "failed"


def test_elapsed_counts_from_running() -> None:
    """Time counts from when the ServerApp runs, and stands still when the run has finished."""
    times = {"running_at": "2026-11-24T07:00:00+00:00", "finished_at": "2026-11-24T08:01:05.9+00:00"}
    assert elapsed(Row(record(**times), None).seconds) == "61:05"
    assert elapsed(Row(record(), None).seconds) == "-"


def test_a_table_is_aligned() -> None:
    """Columns are as wide as their widest cell, lines end without blanks."""
    assert aligned([Column("A", ("long",)), Column("B", ("x",))]) == "A     B\nlong  x"


@pytest.mark.parametrize("run_id", ["", "abc", "-1", "1.0", "٣", str(2**64)])
def test_what_is_no_run_id(run_id: str) -> None:
    """A run's id is a number of 64 bits; anything else is told before anybody is asked."""
    with pytest.raises(UsageError, match="is not the id of a run"):
        runs.get_run(NOWHERE, run_id)


def test_errors_are_flowerbeds_own(tmp_path: Path) -> None:
    """What the Flower side raises becomes the package's errors, with their remedies and exit codes."""
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1: Connection refused"):
        runs.list_runs(NOWHERE)
    with pytest.raises(UsageError, match=r"connection\.toml: No such file"):
        runs.load_connection(tmp_path / "connection.toml")

    def refuse(status: int, body: bytes) -> Any:  # noqa: ANN401
        return lambda handler: handler.give(status, body, "application/json")

    with (
        serving(refuse(403, b'{"detail":"no"}')) as server,
        pytest.raises(NotAllowedError, match=r"no \(HTTP 403\)"),
    ):
        runs.list_nodes(plain(server))
    unknown = refuse(404, b'{"code":16,"detail":"Run ID not found."}')
    with serving(unknown) as server, pytest.raises(UsageError, match="Run ID not found"):
        runs.stop(plain(server), "7")


def test_stopping_a_finished_run_is_no_error() -> None:
    """Flower's answer that the run has finished is a False, not an error."""
    body = b'{"code":18,"detail":"Run is already finished."}'
    with serving(lambda handler: handler.give(412, body, "application/json")) as server:
        assert runs.stop(plain(server), "7") is False


def test_nodes_come_by_name() -> None:
    """Nodes are sorted, ids are text, keys are text."""

    def answer(handler: Handler) -> None:
        reply = messages().ListNodesResponse()
        for number, name in ((2**63, "b"), (5, "a")):
            reply.nodes_info.add(node_id=number, name=name, status="online", public_key=b"pem")
        handler.give(200, reply.SerializeToString(), MEDIA)

    with serving(answer) as server:
        first, second = runs.list_nodes(plain(server))
    assert first == runs.NodeRecord(node_id="5", name="a", status="online", public_key="pem")
    assert second.node_id == "9223372036854775808"


def declared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert main.run(["init"]) == 0


@pytest.mark.parametrize("arguments", [["submit", "app"], ["runs"], ["logs", "1"], ["stop", "1"]])
def test_without_a_running_federation(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each verb says that no local federation runs, how to start one, and how to go elsewhere: exit 3."""
    declared(tmp_path, monkeypatch)
    capsys.readouterr()
    code, output, error = flowerbed(capsys, *arguments)
    assert (code, output) == (3, "")
    assert "no local federation runs here" in error
    assert "`flowerbed up`" in error
    assert "--connection FILE goes elsewhere" in error


def test_a_user_belongs_to_the_local_federation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--user beside --connection is wrong usage."""
    code, _, error = flowerbed(capsys, "runs", "--user", "eve", "--connection", str(tmp_path / "c.toml"))
    assert code == 2
    assert "--user is for the local federation" in error


def test_wrong_usage_of_submit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong flags of `flowerbed submit` end with 2 and one sentence."""
    for arguments, message in {
        ("--timeout", "soon", "--address", "a:1"): "'soon' is not a duration",
        ("--address", "a"): "'a' is not an address",
        ("--address", "a:1", "--client-key", "k"): "a client certificate and its key go together",
        ("--address", "a:1", "--insecure"): "no such app",
        ("--connection", str(tmp_path / "none.toml")): "none.toml: No such file",
    }.items():
        code, output, error = flowerbed(capsys, "submit", str(tmp_path / "app"), *arguments)
        assert (code, output, message in error) == (2, "", True), error


def test_runs_listed_from_an_empty_superlink(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without runs there is a word on stderr and nothing on stdout; as JSON, an empty list."""
    empty = messages().ListRunsResponse().SerializeToString()
    with serving(lambda handler: handler.give(200, empty)) as server:
        file = tmp_path / "connection.toml"
        file.write_text(f'[superlink]\naddress = "{plain(server).address}"\ninsecure = true\n')
        words = ("runs", "--connection", str(file), "--records", str(tmp_path / "runs"))
        assert flowerbed(capsys, *words) == (0, "", "no runs yet\n")
        assert flowerbed(capsys, *words, "--json")[:2] == (0, "[]\n")
