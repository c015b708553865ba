#!/usr/bin/env python3
"""Submit a Flower app to a SuperLink, follow the run, end with its true outcome.

Needs the files beside it, the standard library and `flwr`: it runs on a laptop and, mounted as files, on a
plain Flower image. `python submit.py --help` says how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from .flower_client import FlowerClient
    from .flower_connection import Connection, Invalid, Refused, SubmitError, Unreachable
else:
    from flower_client import FlowerClient
    from flower_connection import Connection, Invalid, Refused, SubmitError, Unreachable

__all__ = ["Connection", "FlowerClient", "Invalid", "Refused", "SubmitError", "Unreachable"]
