"""What happened to identities, for the narration of whoever asked for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["made", "renewed", "retired", "removed", "tightened", "expiring", "revoked"]


@dataclass(frozen=True, slots=True)
class Event:
    """One identity was made, renewed, set aside or deserves a look; `reason` says why, in words."""

    kind: Kind
    what: str
    file: Path
    reason: str = ""

    @property
    def warning(self) -> bool:
        """Return whether a person should read this even when everything else goes unsaid."""
        return self.kind in {"tightened", "expiring", "retired", "revoked"}

    def __str__(self) -> str:
        text = f"{self.file}: {self.what} {self.kind}"
        return f"{text}: {self.reason}" if self.reason else text


Tell = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Take an event and do nothing: for callers that do not narrate."""
