"""An app of `flowerbed new` trains at once, and the commands of its README show its metrics and its model."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.local_federation import LIMIT, run

TORCH = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


@pytest.mark.parametrize(
    ("options", "model"),
    [((), "model.npz"), (("--sklearn",), "model.npz"), pytest.param(("--torch",), "model.pt", marks=TORCH)],
    ids=["numpy", "sklearn", "torch"],
)
def test_a_new_app_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], model: str
) -> None:
    """The commands of its README work in order: it learns, its nodes are in the report, its model is kept."""
    monkeypatch.chdir(tmp_path)
    done = run("new", "my-app", *options)
    assert done.returncode == 0, done.stderr
    readme = (tmp_path / "my-app" / "README.md").read_text()
    submit, *others = re.findall(r"^flowerbed (.*?)\s+#", readme, re.MULTILINE)
    done = run(*submit.split(), limit=2 * LIMIT)
    assert done.returncode == 0, done.stderr
    (run_id,) = (path.name for path in (tmp_path / "runs").iterdir())
    said = ""
    for command in others:
        done = run(*command.replace("RUN", run_id).split())
        assert done.returncode == 0, done.stderr
        said += done.stdout
    assert model in said
    assert (tmp_path / "report.html").stat().st_size > 1000
    report = json.loads(run("report", run_id, "--json").stdout)
    accuracies = [each["server"]["accuracy"] for each in report["metrics"]["rounds"]]
    assert accuracies[-1] > max(0.85, accuracies[0])
    assert [node["examples"] for node in report["nodes"]] == [400, 400]
    assert report["config"]["seed"] == 1
