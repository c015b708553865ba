"""The report of a run: what the SuperLink says of it, and what its log says of its rounds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowerbed.runs.report.comparison import Comparison, compare
    from flowerbed.runs.report.comparison_view import render_comparison, render_comparison_page
    from flowerbed.runs.report.model import Environment, Report, SourceRecord, TreeRecord, Wait, build
    from flowerbed.runs.report.page import render_page
    from flowerbed.runs.report.participants import Participant
    from flowerbed.runs.report.text import render_text

_HOMES = {
    "Comparison": "runs.report.comparison",
    "Environment": "runs.report.model",
    "Participant": "runs.report.participants",
    "Report": "runs.report.model",
    "SourceRecord": "runs.report.model",
    "TreeRecord": "runs.report.model",
    "Wait": "runs.report.model",
    "build": "runs.report.model",
    "compare": "runs.report.comparison",
    "render_comparison": "runs.report.comparison_view",
    "render_comparison_page": "runs.report.comparison_view",
    "render_page": "runs.report.page",
    "render_text": "runs.report.text",
}

__all__ = [
    "Comparison",
    "Environment",
    "Participant",
    "Report",
    "SourceRecord",
    "TreeRecord",
    "Wait",
    "build",
    "compare",
    "render_comparison",
    "render_comparison_page",
    "render_page",
    "render_text",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"flowerbed.{_HOMES[name]}"), name)
