"""`flowerbed runs` with what stands below it."""

from __future__ import annotations

from flowerbed.cli.compare import compare
from flowerbed.cli.label import label
from flowerbed.cli.run_list import runs

__all__ = ["runs"]

runs.command()(compare)
runs.command()(label)
