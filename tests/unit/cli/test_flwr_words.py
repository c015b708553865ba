"""Users of Flower's own command find the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.cli import main
from flowerbed.cli.flwr_words import COMMANDS, OPTIONS
from support.apps import pyproject, write_app


@pytest.mark.parametrize("word", COMMANDS)
def test_a_command_of_flwr_leads_to_ours(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the verb that does the same, which exists."""
    assert main.run([word]) == 2
    error = capsys.readouterr().err
    assert error == f"error: there is no command {word!r}\n  {COMMANDS[word]}\n"
    named = [part.split()[0] for part in error.split("`flowerbed ")[1:]]
    assert all(main.run([name.strip("`"), "--help"]) == 0 for name in named)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_of_flwr_leads_to_ours(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--run-config` is not `--config`."""
    assert main.run(["submit", "app", option, "x=1"]) == 2
    assert capsys.readouterr().err == f"error: there is no option {option}\n  {OPTIONS[option]}\n"


def test_what_no_flwr_has_is_an_ordinary_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Typer's own words, with the nearest verb."""
    assert main.run(["submitt"]) == 2
    assert "No such command 'submitt'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "verb"),
    [(["submti"], "submit"), (["rotate", "certificte"], "certificate"), (["runs", "lable"], "label")],
)
def test_the_nearest_verb_is_suggested_once(
    words: list[str], verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the verbs and of those below one, whether click or typer suggests it."""
    assert main.run(words) == 2
    assert capsys.readouterr().err.count(f"Did you mean {verb!r}?") == 1


def test_without_a_federation_local_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A newcomer needs no declaration."""
    monkeypatch.chdir(tmp_path)
    assert main.run(["submit", str(write_app(tmp_path / "app"))]) == 2
    assert "--local runs the app on this machine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "flags", "says"),
    [
        (pyproject('"1.0.0"', '"newest"'), [], "project.version is 'newest'"),
        ({}, ["--set", "tick=1"], "the app has no config key 'tick'; did you mean 'ticks'?"),
    ],
)
def test_an_app_is_checked_before_a_federation_starts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    flags: list[str],
    says: str,
) -> None:
    """Wrong apps and settings are told at once; a right one gets as far as the federation."""
    monkeypatch.chdir(tmp_path)
    folder = str(write_app(tmp_path / "app", files))
    outcome = tmp_path / "outcome.json"
    assert main.run(["submit", folder, "--local", "--nodes", "0", "--outcome", str(outcome), *flags]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "0 nodes" not in error
    assert '"not-started"' in outcome.read_text()
    write_app(tmp_path / "app")
    assert main.run(["submit", folder, "--local", "--nodes", "0"]) == 2
    assert "0 nodes on one machine" in capsys.readouterr().err


def test_a_correction_is_shown_before_a_federation_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The patch comes first; with it the app is as good as a right one."""
    monkeypatch.chdir(tmp_path)
    folder = str(write_app(tmp_path / "app", pyproject('"tiny"', '"my_app"')))
    assert main.run(["submit", folder, "--local", "--nodes", "0", "--fix"]) == 2
    shown, _, rest = capsys.readouterr().err.partition("0 nodes on one machine")
    assert '+name = "my-app"' in shown
    assert rest
