"""Reading YAML: what words mean, where things stand, and files that are none."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowerbed.declaration import load, load_plan
from flowerbed.declaration.loading import MAX_BYTES, text_of
from flowerbed.declaration.positions import Branch, Source
from flowerbed.declaration.reader import MAX_DEPTH, read
from flowerbed.declaration.scalars import RefusedScalar, meaning
from flowerbed.declaration.violations import key_path, show
from flowerbed.errors import DeclarationError, Problem

GOOD = "version: 1\nname: hospitals\ntenants: [{name: north, nodes: 1}]\n"


def refusal(path: Path) -> Problem:
    with pytest.raises(DeclarationError) as caught:
        load(path)
    (problem,) = caught.value.problems
    return problem


TEXTS = [
    "500m",
    "10.0.0.1",
    "::1",
    "1.2.3",
    "-",
    "+",
    ".",
    "none",
    "e5",
    "1:99",
    "2026-1",
    "0x",
    "1e",
    "é",
    "inf",
    "=",
]
SAME = {
    **{"true": True, "False": False, "NULL": None, "~": None, "": None, "tRue": "tRue", "y": "y", "N": "N"},
    **{"0": 0, "-0": 0, "+7": 7, "9223372036854775807": 2**63 - 1, "-9223372036854775808": -(2**63)},
    **{"1.5": 1.5, ".5": 0.5, "1.": 1.0, "1e-3": 0.001, "-2.5E+3": -2500.0, "007.5": 7.5},
    **{word: word for word in TEXTS},
}
TRAPS = [
    *["yes", "No", "ON", "off", "012", "00", "-07", "0_7", "0x1F", "0o17", "0b11", "+0x1", "1_000", "1_0.5"],
    *[
        "1._5",
        "1:30",
        "12:30:45",
        "1:30.5",
        "2026-11-24",
        "2026-1-4",
        "2026-11-24T10:00Z",
        "2026-11-24 10:00",
    ],
    *[".inf", "-.INF", ".NaN", "1e999", "-1e999", "9223372036854775808", "-9223372036854775809", "9" * 5000],
]


@pytest.mark.parametrize(("word", "value"), SAME.items())
def test_plain_words_mean_one_thing(word: str, value: object) -> None:
    """An unquoted word that all programs read alike has that meaning, and that type."""
    assert (type(meaning(word)), meaning(word)) == (type(value), value)


@pytest.mark.parametrize("word", TRAPS)
def test_traps_are_refused(word: str) -> None:
    """A word that programs read differently, or that no plan can hold, is a trap with a remedy."""
    found = meaning(word)
    assert isinstance(found, RefusedScalar)
    assert found.remedy


def plain_words(count: int) -> list[str]:
    """Return words of the characters that make YAML's special words, always the same ones."""
    chosen = random.Random(20)
    return [
        "".join(chosen.choices("0123456789-+.:_eExonTZabyYN~", k=chosen.randint(1, 8))) for _ in range(count)
    ]


def test_no_word_silently_differs_from_yaml_1_1() -> None:
    """Where PyYAML (YAML 1.1) reads another value than we do, it is text there and plainly a number here."""
    for word in plain_words(20_000):
        try:
            other = yaml.safe_load(f"[{word}]")[0]
        except (yaml.YAMLError, ValueError):
            continue
        ours = meaning(word)
        if isinstance(ours, RefusedScalar) or not isinstance(other, str | int | float | bool | None):
            continue
        if (type(ours), ours) != (type(other), other):
            assert isinstance(ours, float), word
            assert isinstance(other, str), word
            assert float(other) == ours


def random_data(chosen: random.Random, depth: int) -> object:
    kind = chosen.choice(["text", "text", "number", "flag"] + ["list", "mapping"] * (depth < 4))
    if kind == "list":
        return [random_data(chosen, depth + 1) for _ in range(chosen.randint(0, 4))]
    if kind == "mapping":
        return {random_text(chosen): random_data(chosen, depth + 1) for _ in range(chosen.randint(0, 4))}
    values = {
        "text": random_text(chosen),
        "number": chosen.choice([0, -5, 1.5, 2**40]),
        "flag": chosen.random() < 0.5,
    }
    return values[kind]


def random_text(chosen: random.Random) -> str:
    return "".join(chosen.choices("abz Né日🌻:#'\"{}[],&*!|>-_\\\n\t01", k=chosen.randint(0, 8)))


def spots(source: Source, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every scalar."""
    if not isinstance(source, Branch):
        return [path]
    return [spot for step, inner in source.values.items() for spot in spots(inner, (*path, step))]


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_written_is_read_back(seed: int) -> None:
    """Data written by PyYAML in either style is read as the same data, each scalar at its place."""
    chosen = random.Random(seed)
    data = {"root": random_data(chosen, 0)}
    text = yaml.safe_dump(data, allow_unicode=True, default_flow_style=bool(seed % 2), width=60)
    document = read(text)
    assert document.problems == ()
    assert document.data == data
    for path in spots(document.source):
        value: Any = data
        for step in path:
            value = value[step]
        spot = document.text.find(document.source, path)
        assert "\n" in spot.raw or yaml.safe_load(f"- {spot.raw}") == [value]
        line, column = document.text.line_and_column(spot.offset)
        assert text.split("\n")[line - 1][column - 1] == text[spot.offset]


def test_aliases_repeat_what_they_name() -> None:
    """An alias stands for a copy of its anchor's value, also inside a list, also of a scalar."""
    document = read("a: &small {cpu: 1}\nb: *small\nc: [&n 5, *n, *small]\n")
    assert document.problems == ()
    assert document.data == {"a": {"cpu": 1}, "b": {"cpu": 1}, "c": [5, 5, {"cpu": 1}]}


def test_the_deepest_allowed_is_read() -> None:
    """Sixteen levels are read, the seventeenth is refused."""
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH).problems == ()
    (problem,) = read("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)).problems
    assert "nested deeper than 16 levels" in problem.message
    assert problem.column == MAX_DEPTH + 1


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_are_counted_in_files_of_any_system(tmp_path: Path, end: str, mark: str) -> None:
    """Line ends of Windows and a byte order mark change neither the data nor the places."""
    file = tmp_path / "federation.yaml"
    file.write_bytes((mark + GOOD).replace("\n", end).encode())
    assert load(file).tenants[0].name == "north"
    file.write_bytes((mark + GOOD.replace("nodes: 1", "nodes: 0")).replace("\n", end).encode())
    problem = refusal(file)
    assert (problem.line, problem.column) == (3, 32)


def test_columns_count_characters(tmp_path: Path) -> None:
    """Accents, CJK and emoji before a wrong value count one column each, as editors count them."""
    file = tmp_path / "federation.yaml"
    file.write_text(GOOD.replace("nodes: 1", 'config: {a: "é日🌻"}, nodes: 0'))
    problem = refusal(file)
    assert GOOD.splitlines()[2][:24] == "tenants: [{name: north, "
    assert (problem.line, problem.column) == (3, 24 + len('config: {a: "é日🌻"}, nodes: ') + 1)


@pytest.mark.parametrize(
    ("data", "place", "says"),
    [
        (GOOD.encode() + b"# caf\xe9\n", (4, 6), "the byte 0xe9 is not UTF-8"),
        (GOOD.encode("utf-16"), (1, 1), "the file is UTF-16"),
        (GOOD.encode() + b"# \x07\n", (4, 3), "the control character U+0007"),
        (b"a: \x00", (1, 4), "the control character U+0000"),
        (b"", (1, 1), "the file declares nothing"),
        (b"x" * (MAX_BYTES + 1), (0, 0), "larger than 10 MB"),
        (b"-\n" * 500_000, (0, 0), "more than 400000 lines and values"),
        (b"just text", (1, 1), "a mapping is expected here"),
        (b"- a list", (1, 1), "a mapping is expected here, not a list"),
    ],
    ids=["latin-1", "utf-16", "bell", "zero", "empty", "large", "lines", "text", "list"],
)
def test_files_that_are_no_declaration(
    tmp_path: Path, data: bytes, place: tuple[int, int], says: str
) -> None:
    """Bytes that are no text, or text that is not a mapping, get one problem with its place."""
    file = tmp_path / "federation.yaml"
    file.write_bytes(data)
    problem = refusal(file)
    assert (problem.line, problem.column) == place
    assert says in problem.message


def test_the_largest_file_is_read(tmp_path: Path) -> None:
    """Ten million bytes are still read."""
    file = tmp_path / "federation.yaml"
    file.write_bytes(GOOD.encode() + b"#" * (MAX_BYTES - len(GOOD)))
    assert load_plan(file).name == "hospitals"


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    """A missing file, a folder, and a path through a file are refused by what they are."""
    (tmp_path / "file").write_text(GOOD)
    assert "no such file" in refusal(tmp_path / "federation.yaml").message
    assert "this is a directory" in refusal(tmp_path).message
    assert "cannot be read: Not a directory" in refusal(tmp_path / "file" / "federation.yaml").message
    assert text_of(tmp_path / "file") == GOOD


def test_pipes_are_read(tmp_path: Path) -> None:
    """A declaration may come through a pipe, as from `<(...)` of a shell."""
    import os
    import threading

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(GOOD,))
    writer.start()
    assert load(pipe).name == "hospitals"
    writer.join(10)


def test_key_paths_are_readable_and_harmless() -> None:
    """A key path quotes what is no plain word and never carries a terminal's control sequences."""
    assert key_path(("tenants", 1, "nodes")) == "tenants[1].nodes"
    assert key_path(("config", "batch size")) == 'config."batch size"'
    assert key_path(("a\x1b[31m",)) == r'"a\u001b[31m"'
    assert len(key_path(("k" * 1000,))) < 70
    assert show("right\u202eleft").isascii()
