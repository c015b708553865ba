"""Known troubles: by which words one is recognised, what causes it, and what to do.

They stand in `symptoms.toml`. The words are Kubernetes' (kubelet, scheduler, admission: 1.30 to 1.37), those
of `flower/programs/supernode.py` and `flower/programs/registrar.py`, and Flower's (flwr 1.41).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Symptom:
    """One trouble. `words` are regular expressions over a fact's text, `example` is one such text.

    `title` is its heading in the docs. A `warning` is no fault of anything: it was asked for.
    """

    key: str
    title: str
    words: tuple[str, ...]
    example: str
    cause: str
    remedy: str
    level: Literal["warning", "problem"] = "problem"

    def fits(self, text: str) -> bool:
        """Return whether a fact's text is of this trouble."""
        return any(re.search(words, text, re.IGNORECASE) for words in self.words)


OTHER = Symptom(
    key="other",
    title="Anything else",
    words=(),
    example="",
    cause="not among the known ones",
    remedy="`kubectl describe pod` and `kubectl logs` of the named pod show more",
)


@cache
def symptoms() -> tuple[Symptom, ...]:
    """Return every known trouble, the narrower first."""
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    entries = tomllib.loads(text)["symptom"]
    return tuple(Symptom(**{**entry, "words": tuple(entry["words"])}) for entry in entries)


def symptom_of(text: str) -> Symptom:
    """Return the first symptom that fits a text, OTHER if none does."""
    return next((symptom for symptom in symptoms() if symptom.fits(text)), OTHER)
