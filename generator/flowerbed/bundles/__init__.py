"""Bundles: the folder that each party gets, written from the plan.

`generate(plan, folder)` brings a bundle folder in line with a plan and says what it did.
"""

from __future__ import annotations

from flowerbed.bundles.generation import generate
from flowerbed.bundles.record import RECORD_FILE, Record, read_record
from flowerbed.bundles.report import GenerateReport, Left

__all__ = ["RECORD_FILE", "GenerateReport", "Left", "Record", "generate", "read_record"]
