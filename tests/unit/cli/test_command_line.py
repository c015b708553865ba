"""The command line as a whole: its verbs, its help, its exit codes, and the way for users of `flwr`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from flowerbed import __version__
from flowerbed.cli import main, verbs
from flowerbed.cli.verbs import COMMANDS, OPTIONS
from support.apps import pyproject, write_app
from support.paths import ROOT

VERBS = sorted(typer.main.get_command(main.app).commands)  # type: ignore[attr-defined]
REFERENCE = ROOT / "docs" / "reference" / "command-line.md"


def flowerbed(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flowerbed", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_help_names_every_verb() -> None:
    """`flowerbed --help` lists the verbs and ends with 0."""
    done = flowerbed("--help")
    assert done.returncode == 0
    assert not done.stderr
    assert all(f" {verb} " in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb's `--help` ends with 0 and describes every option that it has."""
    assert main.run([verb, "--help"]) == 0
    assert f"flowerbed {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(("verb", "words"), [("logs", "The run's id"), ("connection", "Declared user")])
def test_arguments_have_their_help(verb: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A positional argument is explained, with the click that is installed."""
    assert main.run([verb, "--help"]) == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_the_reference_names_every_verb(verb: str) -> None:
    """The page of the command line has a section for each verb, or for each verb of a group."""
    assert re.search(rf"^### flowerbed {verb}\b", REFERENCE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("arguments", [["chekc"], ["check", "--no-such-option"], ["generate", "a", "b", "c"]])
def test_wrong_usage_is_2_without_traceback(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A verb, option or argument that does not exist ends with 2 and one message."""
    assert main.run(arguments) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "flowerbed" in error


def test_version() -> None:
    """`--version` prints the package's version."""
    assert flowerbed("--version").stdout == f"flowerbed {__version__}\n"


def test_a_missing_declaration_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a declaration in the folder, the message names the file and the verb that makes one."""
    monkeypatch.chdir(tmp_path)
    assert main.run(["check"]) == 2
    error = capsys.readouterr().err
    assert "federation.yaml" in error
    assert "flowerbed init" in error


def test_output_to_a_closed_pipe_is_quiet() -> None:
    """Piping into a reader that leaves early gives no traceback."""
    command = f"{sys.executable} -m flowerbed schema | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""


def test_completion_is_offered() -> None:
    """A shell that asks how `flowerbed ch` may go on hears `check`."""
    environment = {
        **os.environ,
        "_FLOWERBED_COMPLETE": "complete_bash",
        "COMP_WORDS": "flowerbed ch",
        "COMP_CWORD": "1",
    }
    command = [sys.executable, "-m", "flowerbed"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split() == ["check"]


@pytest.mark.parametrize("module", ["flwr", "httpx", "jinja2", "cryptography", "rich"])
def test_help_and_check_import_nothing_heavy(module: str, tmp_path: Path) -> None:
    """What answers at once does not load what it does not need."""
    code = (
        "import sys; from flowerbed.cli import main; "
        "main.run(['init']); code = main.run(['check']); "
        f"sys.exit(code or {module!r} in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "module", ["yaml", "msgspec", "flowerbed.local.start", "flowerbed.images.environment"]
)
def test_submit_elsewhere_reads_no_declaration(module: str, tmp_path: Path) -> None:
    """Until the run's id stands there, `submit --address` loads nothing that only other federations need."""
    command = ["submit", str(ROOT / "examples" / "digits"), "--address", "localhost:1", "--insecure"]
    code = (
        f"import sys; from flowerbed.cli import main; code = main.run({command!r}); "
        f"sys.exit(code * 10 + ({module!r} in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 30, done.stderr  # unreachable, and not loaded


def test_the_table_has_each_verbs_own_help() -> None:
    """`flowerbed --help` reads no verb: what it lists is the beginning of each verb's own help."""
    for name, (_, text) in verbs.VERBS.items():
        own = (verbs.load(name).help or "").partition("\n\n")[0]
        assert " ".join(own.split()) == text, name


def test_the_list_of_verbs_reads_none() -> None:
    """Help and completion of verbs' names import no verb's module."""
    code = (
        "import sys; from flowerbed.cli.main import run; run(['--help'])\n"
        "print(*sorted(name for name in sys.modules if name.startswith('flowerbed.cli.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == [
        f"flowerbed.cli.{name}" for name in ("common", "main", "verbs")
    ]


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
