"""For tests that start nothing."""

from __future__ import annotations

from hypothesis import settings

# How long one example takes says more about the machine than about what is tested.
settings.register_profile("flowerbed", deadline=None)
settings.load_profile("flowerbed")
