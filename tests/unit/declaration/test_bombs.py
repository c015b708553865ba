"""Texts made to hurt: each is refused at once, with one clean message, by a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

HEAD = "version: 1\nname: hospitals\n"
LETTERS = "abcdefghij"


def laughs(opening: str, closing: str, repeat: str) -> str:
    """Return nine lines, each of which holds the one before it nine times."""
    lines = [f"a: &a {opening}{closing}\n"]
    for before, own in pairwise(LETTERS):
        inside = ", ".join(repeat.format(index=index, name=before) for index in range(9))
        lines.append(f"{own}: &{own} {opening}{inside}{closing}\n")
    return "".join(lines)


def tenants(entry: str, count: int) -> str:
    return HEAD + "tenants:\n" + f"  - {entry}\n" * count


BOMBS = {
    # libyaml from 0.2.6 on finds it first, in words of its own.
    "brackets": ("[" * 100_000, "check brackets and indentation"),
    "braces": ("{a: " * 100_000, "nested deeper than 16 levels"),
    "dashes": ("- " * 100_000, "nested deeper than 16 levels"),
    "question marks": ("? " * 100_000, "a key must be text"),
    "lines of brackets": ("[\n" * 100_000, "nested deeper than 16 levels"),
    "laughing lists": (laughs("[", "]", "*{name}"), "more than 400000 values, with those"),
    "laughing mappings": (laughs("{", "}", "k{index}: *{name}"), "more than 400000 values"),
    "chain of aliases": (
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 20_000)),
        "nested deeper than 16 levels by this alias",
    ),
    "empty lists": ("[" + "[]," * 3_000_000 + "]", "more than 400000 lines and values"),
    "the same key": (HEAD + "a: 1\n" * 1_500_000, "more than 400000 lines and values"),
    "many entries": (tenants("a", 1_000_000), "more than 400000 lines and values"),
    "long key": ("k" * 5_000_000 + ": 1", "not valid YAML"),
    "long number": (HEAD + f"tenants: [{{name: a, nodes: {'9' * 5_000_000}}}]", "64 bits"),
    "long name": (HEAD + f'tenants: [{{name: "{"а" * 4_000_000}", nodes: 1}}]', "CYRILLIC"),
    "long host": (
        HEAD + f'superlink: {{exposure: {{fleet: {{type: ingress, host: "{"a-" * 2_000_000}"}}}}}}',
        "no DNS name and no IP address",
    ),
    "unclosed quote": (HEAD + 'a: "' + "x" * 9_000_000, "close the quote"),
    "a billion nodes": (HEAD + "tenants: [{name: a, nodes: 1000000000}]", "1000 are the most"),
    "wrong tenants": (tenants("{name: N, nodes: 0, foo: 1}", 10_000), "too many problems, stopped early"),
    "unknown keys": (HEAD + "".join(f"key{i}: 1\n" for i in range(50_000)), "the first 50 are shown"),
}  # fmt: skip


def cpu_seconds_of(command: list[str], folder: Path) -> tuple[int, float]:
    """Run a program with its output in files; return its exit code and the processor time that it took."""
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once(name: str, tmp_path: Path) -> None:
    """`flowerbed check` ends with 2 soon, prints a short message and nothing else.

    Soon: with at most eight times the work of refusing an empty file, on a machine as busy as it is now.
    """
    text, says = BOMBS[name]
    file = tmp_path / "federation.yaml"
    file.write_text("")
    _, least = cpu_seconds_of([sys.executable, "-m", "flowerbed", "check", str(file)], tmp_path)
    file.write_text(text)
    code, seconds = cpu_seconds_of([sys.executable, "-m", "flowerbed", "check", str(file)], tmp_path)
    error = (tmp_path / "err").read_text()
    assert code == 2, error[:2000]
    assert says in error
    assert "Traceback" not in error
    assert len(error) < 20_000
    assert (tmp_path / "out").read_bytes() == b""
    assert seconds < 8 * least
