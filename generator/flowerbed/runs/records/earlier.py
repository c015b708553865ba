"""Records as earlier versions wrote them, brought to the form of this one.

Version 1 wrote null for a figure that is not finite, so which of the three it was is lost: it is read as NaN.
Version 2 had no labels (name, tags, note), environment, command line and working tree.
"""

from __future__ import annotations

import math
from typing import Any


def brought_up(document: Any) -> Any:  # noqa: ANN401  (whatever a file holds)
    """Return a record's document in the form of this version; anything else as it is."""
    if not isinstance(document, dict) or document.get("version") not in {1, 2}:
        return document
    return (_without_null(document) if document["version"] == 1 else document) | {"version": 3}


def _without_null(document: dict[str, Any]) -> dict[str, Any]:
    metrics = document.get("metrics")
    config = {key: _not_null(document.get(key)) for key in ("config", "overrides")}
    return document | config | {"metrics": _with_figures(metrics)}


def _with_figures(metrics: Any) -> Any:  # noqa: ANN401
    if not isinstance(metrics, dict):
        return metrics
    filled = {"rounds": ("train", "evaluate", "server"), "nodes": ("figures",)}
    return (
        metrics
        | {name: _each(metrics.get(name), keys) for name, keys in filled.items()}
        | {"config": _not_null(metrics.get("config"))}
    )


def _each(entries: Any, keys: tuple[str, ...]) -> Any:  # noqa: ANN401
    if not isinstance(entries, list):
        return entries
    return [
        one | {key: _not_null(one.get(key)) for key in keys} if isinstance(one, dict) else one
        for one in entries
    ]


def _not_null(figures: Any) -> Any:  # noqa: ANN401
    if not isinstance(figures, dict):
        return figures
    return {name: math.nan if value is None else value for name, value in figures.items()}
