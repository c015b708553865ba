"""Flowerbed: deploy and run Flower federations on Kubernetes."""

from __future__ import annotations

__version__ = "0.1.0"
