"""Figures as Python prints them, read without evaluating anything.

A MetricRecord (flwr 1.41) maps names to ints, floats or lists of them; values that came from numpy print as
`np.float64(0.5)`. All readers here stop at the first thing they do not know and return what came before.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

Number = int | float

# A metric that is a list becomes `name[0]`, `name[1]` and so on, unless it is longer than this.
LIST_LIMIT = 16

NUMBER = r"[-+]?(?:nan|inf|\d+(?:\.\d*)?(?:e[-+]?\d+)?)"
_WRAPPED = rf"(?:np\.\w{{1,20}}\()?({NUMBER})\)?"
_STRING = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_ENTRY = re.compile(
    rf"\s*(?P<name>{_STRING})\s*:\s*(?:{_WRAPPED}|\[(?P<list>[^\[\]]*)\]|True|False|None|{_STRING})\s*(?:,|\}})"
)
_ITEM = re.compile(rf"\s*{_WRAPPED}\s*(?:,|$)")
_SERIES = re.compile(rf"\s*(?P<name>{_STRING})\s*:\s*\[(?P<points>[^\[\]]*)\]\s*(?:,|\}})")
_POINT = re.compile(rf"\s*\((\d{{1,9}}),\s*{_WRAPPED}\)\s*(?:,|$)")
_LOSS = re.compile(rf"\s*round (\d{{1,9}}): {_WRAPPED}(?=\s|$)")


def read_number(text: str) -> Number:
    """Return an int where `text` is one that a float would keep exactly, else a float.

    `text` matches `NUMBER`.
    """
    return int(text) if re.fullmatch(r"[-+]?\d{1,15}", text) else float(text)


def as_number(value: Number) -> Number:
    """Return a figure as `read_number` would: an int of more than 15 digits becomes a float, or infinite."""
    if isinstance(value, float) or abs(value) < 10**15:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def read_record(text: str) -> dict[str, Number]:
    """Return the figures of `{'loss': 0.5, 'hist': [1.0, 2.0]}`; text, booleans and None are left out."""
    figures: dict[str, Number] = {}
    for match in _in_a_row(_ENTRY, text.removeprefix("{")):
        name = _unquote(match["name"])
        if match[2] is not None:
            figures[name] = read_number(match[2])
        elif match["list"] is not None:
            figures |= _read_list(name, match["list"])
    return figures


def read_history(text: str) -> dict[int, dict[str, Number]]:
    """Return the figures by round of `{'acc': [(1, 0.5), (2, 0.6)]}`.

    `round 1: 0.5 round 2: 0.6`, which has no name, is the loss.
    """
    rounds: dict[int, dict[str, Number]] = {
        int(loss[1]): {"loss": read_number(loss[2])} for loss in _in_a_row(_LOSS, text)
    }
    for series in _in_a_row(_SERIES, text.removeprefix("{")):
        for point in _in_a_row(_POINT, series["points"]):
            rounds.setdefault(int(point[1]), {})[_unquote(series["name"])] = read_number(point[2])
    return rounds


def not_finite(figures: Mapping[str, Mapping[int, Number]]) -> list[str]:
    """Return a sentence for each figure, by name and round, that is not finite in some round."""
    return [sentence for name, values in figures.items() if (sentence := _not_finite(name, dict(values)))]


def _not_finite(name: str, values: dict[int, Number]) -> str:
    rounds = sorted(values)
    wrong = [at for at in rounds if not math.isfinite(values[at])]
    if not wrong:
        return ""
    last = values[wrong[-1]]
    word = "NaN" if math.isnan(last) else "infinite"
    if wrong != rounds[rounds.index(wrong[0]) :]:
        return f"{name} is {word} in {_rounds(wrong)}"
    return f"{name} is {word} " + (f"from round {wrong[0]} on" if len(wrong) > 1 else f"in round {wrong[0]}")


def _rounds(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"round{'s' * (len(numbers) > 1)} {shown}"


def _read_list(name: str, text: str) -> dict[str, Number]:
    items = [read_number(match[1]) for match in _in_a_row(_ITEM, text)]
    return {f"{name}[{index}]": item for index, item in enumerate(items)} if len(items) <= LIST_LIMIT else {}


def _in_a_row(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    # One after the other from the start, so that the time grows with the text's length and no faster.
    matches, position = [], 0
    while match := pattern.match(text, position):
        matches.append(match)
        position = match.end()
    return matches


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])
