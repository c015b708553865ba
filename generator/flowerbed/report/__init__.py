"""The report of a run: what the SuperLink says of it, and what its log says of its rounds."""

from flowerbed.report.model import Participant, Report, Wait, build
from flowerbed.report.page import render_page
from flowerbed.report.text import render_text

__all__ = ["Participant", "Report", "Wait", "build", "render_page", "render_text"]
