"""Facts into findings: what is wrong, where, why, and what to do about it.

The known causes stand in `symptoms.toml`. Its words are those of Kubernetes (kubelet, scheduler, admission:
1.30 to 1.37), of `flower/programs/supernode.py` and `registrar.py`, and of Flower (flwr 1.41).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from flowerbed.kubernetes.diagnosis.facts import Fact


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
    text = Path(__file__).with_name("symptoms.toml").read_text(encoding="utf-8")
    entries = tomllib.loads(text)["symptom"]
    return tuple(Symptom(**{**entry, "words": tuple(entry["words"])}) for entry in entries)


def symptom_of(text: str) -> Symptom:
    """Return the first symptom that fits a text, OTHER if none does."""
    return next((symptom for symptom in symptoms() if symptom.fits(text)), OTHER)


_PLACES_SHOWN = 4
Level = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found.

    `symptom` is its key in `docs/reference/troubleshooting.md`, "" where none is meant. A `warning`
    leaves the federation healthy; `ok` says that something was looked at and is right.
    """

    level: Level
    what: str
    where: str = ""
    symptom: str = ""
    cause: str = ""
    remedy: str = ""

    def lines(self) -> list[str]:
        """Return it as text: one line, then cause and remedy."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        more = [
            f"  {label}: {text}" for label, text in (("cause", self.cause), ("remedy", self.remedy)) if text
        ]
        return [f"{self.level}: {head}", *more]


def diagnose(fact: Fact, *, party: str = "") -> Finding:
    """Return what a fact means. Transient ones are no more than a warning: they may be over in a moment."""
    where = f"{party}: {fact.where}" if party else fact.where
    symptom = symptom_of(fact.text)
    if fact.transient and symptom.key == "other":
        return Finding(level="warning", what=fact.text, where=where)
    return Finding(
        level=symptom.level,
        what=fact.text,
        where=where,
        symptom=symptom.key,
        cause=symptom.cause,
        remedy=symptom.remedy,
    )


def problem(what: str, *, where: str = "", remedy: str = "") -> Finding:
    """Return a problem that its own words explain; known symptoms give it cause and remedy."""
    symptom = symptom_of(what)
    if symptom.key == "other":
        return Finding(level="problem", what=what, where=where, remedy=remedy)
    return Finding(
        level="problem",
        what=what,
        where=where,
        symptom=symptom.key,
        cause=symptom.cause,
        remedy=remedy or symptom.remedy,
    )


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings with those made one that differ in their place alone, such as many nodes' pods."""
    places: dict[Finding, list[str]] = {}
    for finding in findings:
        places.setdefault(msgspec.structs.replace(finding, where=""), []).append(finding.where)
    return [msgspec.structs.replace(finding, where=_places(where)) for finding, where in places.items()]


def _places(where: list[str]) -> str:
    more = len(where) - _PLACES_SHOWN
    return ", ".join(where[:_PLACES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def healthy(findings: Iterable[Finding]) -> bool:
    """Return whether no finding is a problem."""
    return all(finding.level != "problem" for finding in findings)
