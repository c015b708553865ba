#!/usr/bin/env python3
"""Submit a Flower app to a SuperLink, follow the run, end with its true outcome.

Needs the files beside it, the standard library and `flwr`: it runs on a laptop and, mounted as files, on a
plain Flower image. `python submit.py --help` says how.
"""

from __future__ import annotations

if __package__:
    from .flower_client import Connection, FlowerClient, Invalid, Refused, SubmitError, Unreachable
else:
    from flower_client import (  # type: ignore[import-not-found,no-redef]
        Connection,
        FlowerClient,
        Invalid,
        Refused,
        SubmitError,
        Unreachable,
    )

__all__ = ["Connection", "FlowerClient", "Invalid", "Refused", "SubmitError", "Unreachable"]
