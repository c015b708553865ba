"""Warnings that several verbs narrate: images that are not built, identities that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flowerbed.cli.common import narrate
from flowerbed.images.content_hash import stale_images
from flowerbed.plan import Plan

if TYPE_CHECKING:
    from flowerbed.bundles import GenerateReport  # `check` comes without bundles


def warn_of_images(plan: Plan, file: Path) -> None:
    """Narrate which declared images are not built, or not from what is declared now."""
    for sentence in stale_images(plan, file):
        narrate(f"warning: {sentence}")


def warn_of_troubles(report: GenerateReport) -> None:
    """Narrate every party whose identity cannot be used; all others' bundles were written."""
    for trouble in report.troubles:
        narrate(f"problem: {trouble}")
