"""Texts with generated parts, each between a pair of markers: <!-- NAME: begin --> and <!-- NAME: end -->."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def replaced(text: str, name: str, inner: str) -> str:
    """Return a text with what stands between a name's markers replaced. Raises ValueError without them."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, also, after = rest.partition(end)
    if not found or not also:
        raise ValueError(f"the markers {begin} and {end} are missing")
    return f"{before}{begin}\n{inner.strip()}\n{end}{after}"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
