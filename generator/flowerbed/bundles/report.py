"""What a generation did, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Left:
    """Something that was not removed: a folder, and why it is still there."""

    folder: str
    reason: str


@dataclass(frozen=True, slots=True)
class GenerateReport:
    """Every file that a generation made, changed, found right or removed, by name from the bundle folder.

    `left` are folders of parties that are declared no longer; `removed_keys` are those of `removed` that
    held private keys.
    """

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    removed_keys: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()
