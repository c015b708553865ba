"""Facts into findings: what is wrong, where, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from flowerbed.kubernetes.diagnosis.facts import Fact
from flowerbed.kubernetes.diagnosis.symptoms import symptom_of

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
