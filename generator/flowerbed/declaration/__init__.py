"""The declaration, `federation.yaml`: read, checked, and resolved into a plan.

file -> reader (YAML, with positions) -> schema (types) -> rules (what fits together) -> Declaration
Declaration -> resolve -> Plan

Names are resolved on first use: a run on a federation elsewhere needs no declaration.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowerbed.declaration.loading import check, load, load_plan
    from flowerbed.declaration.model import Declaration
    from flowerbed.declaration.resolution import resolve

_HOMES = {
    "Declaration": "model",
    "check": "loading",
    "load": "loading",
    "load_plan": "loading",
    "resolve": "resolution",
}

__all__ = ["Declaration", "check", "load", "load_plan", "resolve"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
