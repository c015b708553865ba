"""A federation on this machine for what only a running one can answer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowerbed.declaration import load_plan
from flowerbed.local import Federation, up
from support.local_federation import HOSPITALS, declare


@contextmanager
def running(declaration: str = HOSPITALS) -> Iterator[Federation]:
    """Start a federation in a temporary directory and end it afterwards."""
    with tempfile.TemporaryDirectory() as name:
        file = declare(Path(name), declaration)
        with up(load_plan(file), file) as federation:
            yield federation
