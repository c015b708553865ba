"""docs/reference/sources.md says what the programs do."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowerbed.cli import main
from flowerbed.flower import options as flower_options
from flowerbed.flower.flags import flags_of, taken
from flowerbed.flower.source import address as addresses
from flowerbed.flower.source import archive as archives
from flowerbed.flower.source import fetch as downloads
from flowerbed.flower.source import git_process as git
from flowerbed.flower.source import request as sources
from flowerbed.flower.source.options import SourceFlags
from support.apps import CLIENT, SERVER
from support.paths import ROOT

DOCUMENT = (ROOT / "docs" / "reference" / "sources.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"`(flowerbed submit [^`]+)`", DOCUMENT)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of the table is understood, and its addresses are such."""
    monkeypatch.chdir(tmp_path)
    arguments = flower_options.parser("").parse_args(shlex.split(command.replace("HEX", "0" * 64))[2:])
    asked = taken(SourceFlags, vars(arguments)).request(arguments.app)
    if addresses.is_address(asked.app):
        address = addresses.parse(asked.app)
        assert address.git == asked.app.startswith("git+")
        assert address.path or asked.path or not address.git


def test_loose_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command for loose pieces makes an app of them."""
    [command] = [command for command in COMMANDS if "--client" in command]
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "client.py": CLIENT,
        "server.py": SERVER,
        "helpers.py": "",
        "requirements.txt": "",
    }.items():
        Path(name).write_text(text)
    assert main.run([*shlex.split(command)[1:], "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "helpers.py (0 bytes)" in output
    assert 'serverapp = "server:app"' in output


def figures() -> Iterator[str]:
    """Yield how the document says each limit."""
    mebibyte = 1024 * 1024
    yield f"at most {downloads.LARGEST // mebibyte} MiB and must be"
    yield f"at most {archives.LARGEST_UNPACKED // mebibyte} MiB and {archives.MOST_ENTRIES:,} files"
    yield f"at most {archives.HIGHEST_RATIO} times its own size"
    yield f"At most {downloads.MOST_REDIRECTS} redirects"
    yield f"At most {git.LARGEST_REPOSITORY // mebibyte} MiB are fetched"
    yield f"`--fetch-timeout` ({sources.TIMEOUT / 60:.0f} minutes)"
    yield "(default: `x-access-token`)"


@pytest.mark.parametrize("figure", list(figures()))
def test_figures(figure: str) -> None:
    """Limits are those of the code."""
    assert figure in " ".join(DOCUMENT.split())


def test_every_flag_is_there() -> None:
    """Each flag of a source is in the document."""
    flags = {word for one in flags_of(SourceFlags) for word in one.words}
    assert flags <= set(re.findall(r"--[a-z0-9-]+", DOCUMENT))


def test_the_record() -> None:
    """Each field of the record is in the document."""
    [chapter] = re.findall(r"## The record\n(.*)", DOCUMENT, re.DOTALL)
    assert {f"`{name}`" for name in sources.Source.__dataclass_fields__} <= set(
        re.findall(r"`[a-z0-9]+`", chapter)
    )


def test_a_folder_costs_no_fetching(tmp_path: Path) -> None:
    """What only archives and repositories need is not imported for a folder."""
    program = (
        "import sys\n"
        "from flowerbed.flower.source.prepare import prepared\n"
        "from flowerbed.flower.source.request import Request\n"
        "with prepared(Request(app='.')): pass\n"
        "print(*[name for name in ('urllib.request', 'subprocess', 'tomli_w') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "\n"
