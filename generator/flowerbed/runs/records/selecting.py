"""Which run a RUN argument means: an id, its unique beginning, a name, `latest` or `latest~2`.

The records are asked first, without a network; the SuperLink only for what they do not know.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flowerbed.errors import UnreachableError, UsageError
from flowerbed.flower.connection import Connection
from flowerbed.flower.text import printable
from flowerbed.runs.control import find_runs
from flowerbed.runs.model import RunFilter, RunRecord
from flowerbed.runs.records.index import listing, recorded_ids
from flowerbed.runs.report.figures import moment

Connect = Callable[[], Connection]
LATEST = re.compile(r"latest(?:~(\d{1,6}))?")
SHORTEST = 4  # digits of an id that name a run
WHOLE = 16  # digits; an id of Flower's has 64 random bits, and one in 1,800 has fewer
MOST = 100_000  # runs of a SuperLink that are looked through
PATIENCE = 5.0  # seconds for a SuperLink that may know of a newer run than the records
SHOWN = 5
LISTS = "`flowerbed runs` lists them"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that an argument may mean: `pending_at` is ISO 8601, `name` "" where it has none."""

    run_id: str
    pending_at: str
    app: str
    name: str = ""

    def __str__(self) -> str:
        words = (self.run_id, self.name, self.app, moment(self.pending_at))
        return printable("  ".join(word for word in words if word))


def run_of(text: str, root: Path, connect: Connect | None = None, *, everywhere: bool = False) -> str:
    """Return the id of the run that `text` means; a whole id is returned whether any run has it or not.

    `connect` gives the SuperLink's connection; None asks no SuperLink. The beginning of an id is enough that
    fits one of the records in `root`, or one run of the SuperLink where it fits no record; `everywhere` looks
    at both. Raises UsageError for what means no run or several, and what `connect` raises where it is needed.
    """
    if found := LATEST.fullmatch(text):
        return _latest(text, int(found[1] or 0), root, connect)
    if not (text.isascii() and text.isdecimal()):
        return _named(text, root)
    if len(text) >= WHOLE or (root / text).is_dir():
        return text
    return _beginning_with(text, root, connect, everywhere=everywhere)


def candidates(root: Path) -> list[Candidate]:
    """Return every recorded run, newest first, without asking a SuperLink."""
    return [_candidate(entry.run, entry.name) for entry in listing(root).entries]


def _candidate(run: RunRecord, name: str = "") -> Candidate:
    return Candidate(run.run_id, run.pending_at, f"{run.fab_id} {run.fab_version}".strip(), name)


def _latest(text: str, back: int, root: Path, connect: Connect | None) -> str:
    """Return the newest run but `back`, of those recorded and those of the SuperLink, if that answers."""
    found = {one.run_id: one for one in candidates(root)}
    if connect:
        try:
            runs = find_runs(connect(), RunFilter(), back + 1, timeout=PATIENCE if found else None)
        except UnreachableError:
            if not found:
                raise
        else:
            found |= {run.run_id: _candidate(run) for run in runs if run.run_id not in found}
    order = sorted(found.values(), key=lambda one: (one.pending_at, one.run_id), reverse=True)
    if back < len(order):
        return order[back].run_id
    known = f"{len(order)} run{'s are' if len(order) != 1 else ' is'} known" if order else "no run is known"
    raise UsageError(f"there is no run {text}: {known}", where=str(root), remedy=LISTS)


def _named(text: str, root: Path) -> str:
    found = candidates(root)
    named = [one for one in found if one.name == text]
    if len(named) == 1:
        return named[0].run_id
    if named:
        raise _ambiguous(
            f"{len(named)} runs are named {text!r}", named, "give the id of one, or its beginning"
        )
    near = difflib.get_close_matches(text, {one.name for one in found if one.name}, 3)
    remedy = (
        f"there is: {', '.join(near)}" if near else f"give an id, its beginning, a name or latest; {LISTS}"
    )
    raise UsageError(f"no recorded run is named {printable(text)!r}", where=str(root), remedy=remedy)


def _beginning_with(text: str, root: Path, connect: Connect | None, *, everywhere: bool) -> str:
    fitting = [run_id for run_id in recorded_ids(root) if run_id.startswith(text)]
    runs: list[RunRecord] = []
    if connect and (everywhere or not fitting):
        runs = find_runs(connect(), RunFilter(), MOST)
        if any(run.run_id == text for run in runs):
            return text
    found = {run.run_id: _candidate(run) for run in runs if run.run_id.startswith(text)}
    ids = list(dict.fromkeys([*fitting, *found]))
    if not ids:
        raise UsageError(f"no run has the id {text}, or one that begins with it", remedy=LISTS)
    if len(text) < SHORTEST:
        raise UsageError(f"{text} is too short for the beginning of an id", remedy=f"give {SHORTEST} digits")
    if len(ids) > 1:
        known = {one.run_id: one for one in candidates(root)} | found
        fits = [known.get(run_id, Candidate(run_id, "", "")) for run_id in ids]
        raise _ambiguous(f"{text} is the beginning of {len(ids)} runs", fits, "give more digits")
    return ids[0]


def _ambiguous(what: str, found: list[Candidate], remedy: str) -> UsageError:
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return UsageError("\n  ".join([f"{what}:", *map(str, found[:SHOWN]), *more]), remedy=remedy)
