"""Where things lie beside a declaration: the only home of these paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_STATES = ".flowerbed"


@dataclass(frozen=True, slots=True)
class Project:
    """The directory of a declaration (`federation.yaml`); a federation is named in it."""

    declaration: Path

    @property
    def directory(self) -> Path:
        """Return the directory, absolute: where relative paths in the declaration begin."""
        return self.declaration.resolve().parent

    def bundles(self, federation: str) -> Path:
        """Return the directory of a federation's bundles and identities."""
        return self.directory / "bundles" / federation

    def state(self, federation: str) -> Path:
        """Return the directory in which a local federation keeps its state."""
        return self.directory / _STATES / federation

    def states(self) -> list[Path]:
        """Return the state directories that exist, whatever the federation was called then."""
        return sorted((self.directory / _STATES).glob("*"))

    @property
    def records(self) -> Path:
        """Return the directory of the runs' records."""
        return self.directory / "runs"

    @property
    def image_record(self) -> Path:
        """Return the file that says which image was built from what."""
        return self.directory / "images.lock.yaml"

    def image_lock(self, component: str) -> Path:
        """Return the file with the locked packages of a component's image."""
        return self.directory / "images.lock" / f"{component}.txt"
