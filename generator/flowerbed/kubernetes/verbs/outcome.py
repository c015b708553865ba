"""What `apply` and `uninstall` share: who receives their progress, and the exit code of several parties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

# What receives progress: the party's name, and what is done or waited for now.
Tell = Callable[[str, str], None]


class PartyOutcome(Protocol):
    """What became of one party."""

    @property
    def exit_code(self) -> int:
        """Return the exit code of its failure, 0 if there is none."""


def exit_code(outcomes: Sequence[PartyOutcome]) -> int:
    """Return the first failure's exit code, 0 if there is none."""
    return next((each.exit_code for each in outcomes if each.exit_code), 0)
