"""Exceptions of ClientApps out of the logs of nodes on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flowerbed.flower.connection import Connection
from flowerbed.flower.verdict import NOT_LOADED
from flowerbed.local.node_logs import READ, client_errors
from support.reply_logs import KNOWN, phase, verdict

FRAME = '  File "/x/apps/lab.tiny.1.0.0.0a1b2c3d/tiny/client.py", line 7, in fit\n'


def raised(run_id: str, error: str) -> str:
    """Return what a ClientApp process of a run leaves in a node's log."""
    return (
        f"flowerbed: a ClientApp of run {run_id} begins\n"
        "\x1b[91mERROR \x1b[0m:     ClientApp raised an exception\n"
        f"Traceback (most recent call last):\n{FRAME}    train()\n{error}\n"
        "\x1b[91mERROR \x1b[0m:     Exit Code: 607\n"
    )


def went_well(run_id: str) -> str:
    return f"flowerbed: a ClientApp of run {run_id} begins\nSuccessfully installed tiny\n"


@pytest.fixture
def here(tmp_path: Path) -> Connection:
    """Return the connection of a federation on this machine, with two nodes."""
    for node in ("north-0", "west-0"):
        (tmp_path / "nodes" / node).mkdir(parents=True)
    (tmp_path / "logs").mkdir()
    user = tmp_path / "users" / "sam"
    user.mkdir(parents=True)
    return Connection(address="localhost:1", root_certificates=None, file=user / "connection.toml")


def log(here: Connection, part: str, text: str) -> None:
    assert here.file is not None
    (here.file.parents[2] / "logs" / f"{part}.log").write_text(text)


def test_each_node_has_its_own(here: Connection) -> None:
    """The last one of this run, wherever the node's ClientApps run; runs before and after do not count."""
    log(
        here,
        "north-0",
        raised("7", "ValueError: first") + raised("7", "KeyError: 'x'") + raised("8", "OSError"),
    )
    log(here, "west-0-superexec", went_well("7") + raised("8", "OSError: other"))
    assert client_errors(here, "7") == {"north-0": "KeyError: 'x' (tiny/client.py, line 7)"}
    log(here, "west-0-superexec", raised("7", "MemoryError") + went_well("7"))
    assert client_errors(here, "7")["west-0"] == "MemoryError (tiny/client.py, line 7)"


def test_what_the_node_says_next_is_no_exception(here: Connection) -> None:
    """Entries of its log have levels; lines of a traceback have none."""
    more = "\x1b[92mINFO \x1b[0m:     Sending: evaluate message (ID: cb88)\nINFO :      Received: message\n"
    text = raised("7", "KeyError: 'x'").replace("\x1b[91mERROR \x1b[0m:     Exit Code: 607\n", more)
    assert "Exit Code" not in text
    log(here, "north-0", text)
    assert client_errors(here, "7") == {"north-0": "KeyError: 'x' (tiny/client.py, line 7)"}


def test_a_module_that_cannot_be_imported(here: Connection) -> None:
    """The exception of the app, not the one that Flower puts around it."""
    around = "\nThe above exception was the direct cause of the following exception:\n\n"
    error = f"ModuleNotFoundError: No module named 'torch'\n{around}flwr.x.LoadClientAppError: Unable to load"
    log(here, "north-0", raised("7", error))
    assert client_errors(here, "7") == {
        "north-0": "ModuleNotFoundError: No module named 'torch' (tiny/client.py, line 7)"
    }


def test_what_is_not_there(here: Connection, tmp_path: Path) -> None:
    """No logs, another machine's federation, a log of gigabytes of something else."""
    assert client_errors(here, "7") == {}
    assert client_errors(replace(here, file=None), "7") == {}
    assert client_errors(replace(here, file=tmp_path / "a" / "b" / "connection.toml"), "7") == {}
    log(here, "north-0", raised("7", "ValueError: early") + "\n" * READ)
    assert client_errors(here, "7") == {}


def test_the_reason_has_them() -> None:
    """Where the run's own log has none; not where it has."""
    known = replace(KNOWN, errors=lambda: {"north-0": "KeyError: 'x'", "west-0": "KeyError: 'x'"})
    assert verdict(phase(1, 2, 0, 2), known=known).reason == (
        "all 2 replies of nodes failed: KeyError: 'x' on north-0, west-0"
    )
    assert NOT_LOADED not in verdict(phase(1, 2, 0, 2), known=known).reason
