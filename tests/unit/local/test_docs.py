"""The pages on the local federation say what the program does: commands, options, parts, snippets."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from typer.main import get_command

import flowerbed.local
from flowerbed.cli.main import app
from flowerbed.cli.verbs import load
from flowerbed.declaration import load_plan
from flowerbed.local.run import TIMEOUT
from flowerbed.local.supervisor import EXIT_CODES
from support.paths import ROOT

PAGES = [ROOT / "docs" / room / "local.md" for room in ("how-to", "reference")]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
COMMANDS = re.findall(r"^    (flowerbed [^#\n]+)", TEXT, re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_one(line: str) -> None:
    """A verb that is shown exists, and so does each option shown with it."""
    _, verb, *rest = shlex.split(line)
    help_text = CliRunner().invoke(get_command(app), [verb, "--help"], terminal_width=200).output
    assert "Usage:" in help_text
    assert [word for word in rest if word.startswith("--") and word not in help_text] == []


def test_there_are_commands() -> None:
    """The reader above finds them."""
    assert {line.split()[1] for line in COMMANDS} == {"up", "status", "submit", "down"}


def test_every_option_of_up_is_described() -> None:
    """What `up` can be told is in the text, with its right default."""
    options = {option for parameter in load("up").params for option in parameter.opts}
    described = {option for option in options if option.startswith("--") and option in TEXT}
    assert described >= {"--detach", "--timeout", "--no-gateway"}
    assert f"`--timeout` seconds ({TIMEOUT:g})" in TEXT


def test_the_exit_codes_are_those_of_the_program() -> None:
    """Each signal's code is in the table."""
    table = TEXT[TEXT.index("| `up` in the foreground ends") :]
    for code in EXIT_CODES.values():
        assert f"| {code} |" in table


def test_the_snippets_are_valid(tmp_path: Path) -> None:
    """The ports can be declared as shown, and the Python names what there is."""
    ports = re.search(r"^ +(local: .*)$", TEXT, re.MULTILINE)
    assert ports is not None
    (tmp_path / "federation.yaml").write_text(
        f'version: 1\nname: x\nflower: "1.41"\ntenants: [{{name: a, nodes: 1}}]\n{ports[1]}\n'
    )
    plan = load_plan(tmp_path / "federation.yaml")
    assert (plan.local.fleet, plan.local.control, plan.local.runtime) == (9092, 9093, 9091)
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code is not None
    ast.parse(code[1])
    for name in ("federation", "up", "down", "status"):
        assert callable(getattr(flowerbed.local, name))
