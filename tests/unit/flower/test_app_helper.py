"""The file that an app may copy: what it prints is what the report reads, what it writes is an artifact."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flowerbed.flower import app_helper
from flowerbed.flower.artifacts import NAME, artifacts
from flowerbed.flower.start import app_folder
from flowerbed.runs.metrics.log import parse

APP = """\
from flowerbed_helper import log_config, log_metrics, save_artifact

log_config({"rounds": 2, "rate": 0.5})
log_metrics(1, {"loss": 0.25})
log_metrics(2, {"loss": float("nan"), "accuracy": 1, "site": "Hôpital"}, node=17, examples=240)
save_artifact("out/model.txt", "weights")
"""


def test_a_copy_that_needs_python_alone(tmp_path: Path) -> None:
    """As an app has it: copied by the verb, run by a Python without Flower or Flowerbed."""
    copied = subprocess.run(
        [sys.executable, "-m", "flowerbed", "helper"], capture_output=True, text=True, check=True
    )
    (tmp_path / "flowerbed_helper.py").write_text(copied.stdout)
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "run").mkdir()
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import app",
    ]
    done = subprocess.run(command, cwd=tmp_path / "run", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = parse(done.stdout)
    assert found.config == {"rounds": 2, "rate": 0.5}
    assert found.rounds[0].server == {"loss": 0.25}
    [node] = found.nodes
    assert (node.node, node.examples, node.labels) == ("17", 240, {"site": "Hôpital"})
    assert node.figures["accuracy"] == 1
    assert math.isnan(node.figures["loss"])
    given = artifacts("".join(app_folder.lines(tmp_path / "run")))
    assert [(one.name, one.data) for one in given] == [("out/model.txt", b"weights")]


def test_numbers_of_numpy(capsys: pytest.CaptureFixture[str]) -> None:
    """They are written as the numbers that they are."""
    app_helper.log_metrics(3, {"loss": np.float32(0.5), "count": np.int64(7)})
    assert capsys.readouterr().out == 'metrics {"loss": 0.5, "count": 7, "round": 3}\n'


def test_names_are_those_that_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nobody could fetch is refused before anything is written."""
    monkeypatch.chdir(tmp_path)
    assert app_helper._NAME.pattern == NAME.pattern
    for name in ("../x", "/etc/x", "a b", ""):
        with pytest.raises(ValueError, match="not a plain file name"):
            app_helper.save_artifact(name, b"")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="no round -1"):
        app_helper.log_metrics(-1, {})
