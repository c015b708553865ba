"""Why ClientApps failed where only the logs of their nodes say so: in the reason of a run on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.apps import PYPROJECT, write_app
from support.local_federation import HOSPITALS, declare, foreground, run, until_online
from support.outcome_app import OLDER_SERVER

CLIENT = """\
from flwr.client import NumPyClient
from flwr.clientapp import ClientApp


class Client(NumPyClient):
    def fit(self, parameters, config):
        return [{}["weights"]], 1, {}


app = ClientApp(client_fn=lambda context: Client().to_client())
"""
LINE = CLIENT.splitlines().index('        return [{}["weights"]], 1, {}') + 1
FILES = {"pyproject.toml": PYPROJECT + "\nmin-nodes = 2\n", "tiny/server.py": OLDER_SERVER}


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (CLIENT, f"KeyError: 'weights' (tiny/client.py, line {LINE})"),
        (
            f"import torch_client_extra\n{CLIENT}",
            "No module named 'torch_client_extra' (tiny/client.py, line 1)",
        ),
    ],
)
def test_the_reason_names_it(tmp_path: Path, client: str, words: str) -> None:
    """With the older API, whose log of the run has no exception, and with both isolations."""
    file = declare(tmp_path / "federation", HOSPITALS)
    app = write_app(tmp_path / "app", {**FILES, "tiny/client.py": client})
    with foreground(file) as process:
        until_online(file, process)
        done = run("submit", app, "-f", file, "--json")
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["exit_code"] == 1
    assert outcome["reason"].startswith("all 2 replies of nodes failed: "), outcome["reason"]
    where = f"{words} on hospitals-north-0, hospitals-west-0"
    assert where in outcome["reason"].split(";")[0], outcome["reason"]
