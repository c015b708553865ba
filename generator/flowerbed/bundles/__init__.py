"""Bundles: the folder that each party gets, written from the plan.

`generate(plan, folder)` brings a bundle folder in line with a plan and says what it did.
"""

from __future__ import annotations

from flowerbed.bundles.generation import generate
from flowerbed.bundles.manifest import MANIFEST_FILE, BundleManifest, read_manifest
from flowerbed.bundles.report import GenerateReport, Left

__all__ = ["MANIFEST_FILE", "BundleManifest", "GenerateReport", "Left", "generate", "read_manifest"]
