"""`flowerbed runs` with what stands below it."""

from __future__ import annotations

from flowerbed.cli.compare import compare_command
from flowerbed.cli.label import label_command
from flowerbed.cli.run_list import runs_command

__all__ = ["runs_command"]

runs_command.command("compare")(compare_command)
runs_command.command("label")(label_command)
