"""The report of a run: what the SuperLink says of it, and what its log says of its rounds."""

from flowerbed.runs.report.compare import render_comparison, render_comparison_page
from flowerbed.runs.report.comparison import Comparison, compare
from flowerbed.runs.report.model import Environment, Report, SourceRecord, TreeRecord, Wait, build
from flowerbed.runs.report.page import render_page
from flowerbed.runs.report.participants import Participant
from flowerbed.runs.report.text import render_text

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
