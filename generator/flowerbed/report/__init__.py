"""The report of a run: what the SuperLink says of it, and what its log says of its rounds."""

from flowerbed.report.compare import render_comparison, render_comparison_page
from flowerbed.report.comparison import Comparison, compare
from flowerbed.report.model import Environment, Report, SourceRecord, TreeRecord, Wait, build
from flowerbed.report.page import render_page
from flowerbed.report.participants import Participant
from flowerbed.report.text import render_text

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
