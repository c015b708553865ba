"""Text arrives as it was, whatever it holds."""

from __future__ import annotations

import random
import subprocess

import pytest
import yaml

from flowerbed.values.rendering import block, flow, key_text, mapping, quote, shell
from support.plan_variants import NASTY

LOADERS = [yaml.SafeLoader, yaml.CSafeLoader]


def any_text(source: random.Random) -> str:
    points = [*range(0x180), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0x202E, 0x1F338, 0x10FFFF]
    pieces = [*map(chr, points), "{{ ", " }}", ": ", " #", "\n", '"', "\\"]
    return "".join(source.choices(pieces, k=source.randrange(12)))


def texts() -> list[str]:
    source = random.Random(41)
    return [*NASTY, *(any_text(source) for _ in range(2000))]


@pytest.mark.parametrize("loader", LOADERS)
def test_a_quoted_text_reads_back(loader: type) -> None:
    """Both of PyYAML's readers give back every text, from one line."""
    for text in texts():
        quoted = quote(text)
        assert yaml.load(quoted, Loader=loader) == text
        assert quoted.isprintable()


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("indent", [2, 6])
def test_a_block_reads_back(loader: type, indent: int) -> None:
    """A block, or what stands in its place, gives back every text."""
    for text in (
        *texts(),
        "a = 1\nb = 2\n",
        " indented\n",
        "blank\n\nbetween\n",
        "trailing \nspace\n",
        "a\n\n",
    ):
        document = f"{' ' * (indent - 2)}key: {block(text, indent)}\n"
        assert yaml.load(document, Loader=loader) == {"key": text}


def test_plain_lines_stay_readable() -> None:
    """Lines that a block carries to the letter are not quoted."""
    assert block('site = "Hôpital"\nsize = 1\n', 4) == '|\n    site = "Hôpital"\n    size = 1'
    assert quote("Hôpital Nord") == '"Hôpital Nord"'


@pytest.mark.parametrize("loader", LOADERS)
def test_nested_data_reads_back(loader: type) -> None:
    """Mappings, sequences and scalars come back with their types; keys may be any text."""
    data = {
        "flags": [True, False, 0, 1, -5, 2**53 + 1],
        "texts": list(NASTY),
        "empty": {"mapping": {}, "sequence": []},
        **{text: text for text in NASTY},
    }
    assert yaml.load(flow(data), Loader=loader) == data


@pytest.mark.parametrize("loader", LOADERS)
def test_a_mapping_in_lines_reads_back(loader: type) -> None:
    """What a party adds to values comes back: null, which takes a default out for Helm, and fractions too."""
    data = {
        "unset": None,
        "part": {"share": 0.25, "large": 1e300, "deep": {"list": [{"a": None}], "empty": {}}},
        **{text: {text: text, "number": 1} for text in NASTY},
    }
    assert yaml.load(mapping(data), Loader=loader) == data


@pytest.mark.parametrize(
    "word", ["yes", "No", "on", "null", "~", "y", "1", "1.0", "a-b", "a.b", "", "<<", "=", "é"]
)
def test_a_key_is_text(word: str) -> None:
    """No key turns into a switch, a number or nothing."""
    assert yaml.safe_load(f"{key_text(word)}: 1") == {word: 1}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1: 2}.keys(), object()])
def test_other_values_are_refused(value: object) -> None:
    """What the charts' values do not hold is an error, never its `str`."""
    with pytest.raises(TypeError, match="no value for a chart"):
        flow({"key": value})


def test_half_a_character_is_refused() -> None:
    """A lone surrogate is not text, and no file could hold it."""
    with pytest.raises(ValueError, match="surrogate"):
        quote("\ud800")


@pytest.mark.parametrize("text", [text for text in NASTY if "\0" not in text])
def test_a_shell_word_arrives(text: str) -> None:
    """A shell passes every text on as one argument."""
    done = subprocess.run(["sh", "-c", f"printf %s {shell(text)}"], capture_output=True, check=True)
    assert done.stdout.decode() == text
