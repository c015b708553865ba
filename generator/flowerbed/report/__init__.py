"""The report of a run: what the SuperLink says of it, and what its log says of its rounds."""

from flowerbed.report.compare import Comparison, compare, render_comparison, render_comparison_page
from flowerbed.report.model import Participant, Report, SourceRecord, Wait, build
from flowerbed.report.page import render_page
from flowerbed.report.text import render_text

__all__ = [
    "Comparison",
    "Participant",
    "Report",
    "SourceRecord",
    "Wait",
    "build",
    "compare",
    "render_comparison",
    "render_comparison_page",
    "render_page",
    "render_text",
]
