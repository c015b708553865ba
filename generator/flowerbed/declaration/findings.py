"""What the checks report: a finding is a problem that does not know its place in the text yet."""

from __future__ import annotations

from dataclasses import dataclass

from flowerbed.declaration.places import KeyPath

MAX_FINDINGS = 10_000
"""After so many, looking stops: nobody reads them all, and the file should be refused at once."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a key path, and what to write instead.

    `on_key`: the key is meant, not its value. `needs`: further paths that the finding relies on; it is
    dropped when one of them is wrong itself.
    """

    path: KeyPath
    message: str
    remedy: str
    on_key: bool = False
    needs: tuple[KeyPath, ...] = ()
