"""What a generation did, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass

from flowerbed.errors import FlowerbedError


@dataclass(frozen=True, slots=True)
class Left:
    """Something that was not removed: a folder, and why it is still there."""

    folder: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why one party's identity cannot be used: the party's folder, and the three parts of an error."""

    party: str
    what: str
    where: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.party}: {FlowerbedError(self.what, where=self.where, remedy=self.remedy)}"


@dataclass(frozen=True, slots=True)
class GenerateReport:
    """Every file that a generation made, changed, found right or removed, by name from the bundle folder.

    `left` are folders of parties that are declared no longer; `removed_keys` are those of `removed` that
    held private keys. `troubles` are parties whose identity cannot be used: theirs was left as it was.
    """

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    removed_keys: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()
    troubles: tuple[Trouble, ...] = ()

    @property
    def hand_out(self) -> tuple[str, ...]:
        """Return the folders of users in which a file was made or changed, in the order of the files."""
        users = [name.split("/")[:2] for name in (*self.created, *self.updated) if name.startswith("users/")]
        return tuple(dict.fromkeys("/".join(parts) for parts in users))
