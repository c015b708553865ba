"""The declaration, `federation.yaml`: read, checked, and resolved into a plan.

file -> reader (YAML, with positions) -> schema_check (types) -> rules (what fits together) -> Declaration
Declaration -> resolve -> Plan
"""

from __future__ import annotations

from flowerbed.declaration.loading import check, load, load_plan
from flowerbed.declaration.model import Declaration
from flowerbed.declaration.resolution import resolve

__all__ = ["Declaration", "check", "load", "load_plan", "resolve"]
