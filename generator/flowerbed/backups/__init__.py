"""The SuperLink's state in one file: taken while it works, put back when it is lost or wrong."""

from __future__ import annotations

from flowerbed.backups.archive import Manifest, default_name, refuse_taken, verify

__all__ = ["Manifest", "default_name", "refuse_taken", "verify"]
