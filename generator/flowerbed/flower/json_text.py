"""JSON that can be read again, whatever it holds: the form of everything that is written for programs.

JSON has no figures that are not finite, and UTF-8 no lone surrogates. So NaN and the infinities are written
as the strings "NaN", "Infinity" and "-Infinity"; a string that reads like one of them is written with a pair
of quotation marks around it, which reading takes away; a lone surrogate becomes U+FFFD.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_QUOTED = re.compile(r'("*)(?:NaN|-?Infinity)\1')


def dumps(value: object, indent: int | None = None) -> str:
    """Return dicts, lists and scalars as JSON, on one line unless `indent` is a number of spaces."""
    return json.dumps(plain(value), indent=indent, allow_nan=False)


def loads(data: str | bytes) -> Any:  # noqa: ANN401  (whatever the text holds)
    """Return what was written; bytes are UTF-8. Raises ValueError for what is not JSON."""
    try:
        return restored(json.loads(data))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def plain(value: object) -> object:
    """Return a value in which every figure is finite and every string is UTF-8, as the module says."""
    if isinstance(value, dict):
        return {_text(key) if isinstance(key, str) else key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str):
        return f'"{_text(value)}"' if _QUOTED.fullmatch(value) else _text(value)
    return value


def restored(value: object) -> Any:  # noqa: ANN401  (whatever was written)
    """Return plain data as it was before `plain`."""
    if isinstance(value, dict):
        return {key: restored(one) for key, one in value.items()}
    if isinstance(value, list):
        return [restored(one) for one in value]
    if isinstance(value, str):
        return NOT_FINITE.get(value, value[1:-1] if _QUOTED.fullmatch(value) else value)
    return value


def _text(value: str) -> str:
    # By way of UTF-16, in which the halves of a pair find each other.
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
