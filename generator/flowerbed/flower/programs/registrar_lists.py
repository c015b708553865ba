#!/usr/bin/env python3
"""The registrar's input: the declared nodes, what was revoked, and how many nodes may go at once.

Every trouble with a file is reported and makes the registrar do less: it never registers or unregisters by a
list that it could not read whole.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..text import escaped
from .kept_revocations import DAMAGED, DamagedError, FullError, Revoked, declared, keep, read_kept

OVER = "over"
NOT_KEPT = "revocations not kept"
HELD_BACK = "removals held back"


@dataclass(slots=True)
class Report:
    """Prints events as JSON lines; a trouble is told once, and again only after it had gone away."""

    troubles: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    def tell(self, event: str, **facts: str) -> None:
        """Print what was done."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = json.dumps({"time": moment, "event": event, **facts}, ensure_ascii=False)
        print(escaped(line), flush=True)

    def trouble(self, event: str, **facts: str) -> None:
        """Print what stands in the way, unless it has been said already."""
        line = json.dumps([event, facts])
        self.troubles.add(line)
        if line not in self.told:
            self.tell(event, **facts)

    def begin(self) -> None:
        """Start a new comparison."""
        self.told, self.troubles = self.troubles, set()

    def end(self) -> None:
        """End a comparison: print which troubles have gone away, of the whole list or of a node."""
        for event in sorted(_general(self.told) - _general(self.troubles)):
            self.tell(OVER, of=event)
        for node in sorted(_nodes_of(self.told) - _nodes_of(self.troubles)):
            self.tell(OVER, node=node)


def _general(lines: set[str]) -> set[str]:
    found = (json.loads(line) for line in lines)
    return {event for event, facts in found if "node" not in facts}


def _nodes_of(lines: set[str]) -> set[str]:
    return {facts["node"] for _, facts in map(json.loads, lines) if "node" in facts}


def fingerprint(key: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of a PEM text: what logs may say of a key."""
    return digest(key)[:16]


def digest(key: str) -> str:
    """Return the SHA-256 of a PEM text, in hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def canonical(key: str) -> str:
    """Return a public key as Flower writes it: keys are compared byte by byte. Raises ValueError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        parsed = serialization.load_pem_public_key(key.encode())
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return parsed.public_bytes(serialization.Encoding.PEM, spki).decode()


@dataclass(frozen=True, slots=True)
class Declared:
    """Keys by node name, canonical; `whole` unless one was left out; `revoked` SHA-256s, which go before.

    `removals` is how many nodes may be unregistered at once although they are more than half (None: any).
    """

    keys: dict[str, str]
    whole: bool
    revoked: frozenset[str] = frozenset()
    removals: int | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """The files that are compared with the SuperLink; all but `nodes` are optional. `kept` is a directory."""

    nodes: Path
    revoked: Path | None = None
    revoked_users: Path | None = None
    kept: Path | None = None
    max_removals: Path | None = None

    @property
    def watched(self) -> list[Path]:
        """Return the files whose change is a reason to compare at once."""
        return [file for file in (self.nodes, self.revoked, self.revoked_users, self.max_removals) if file]

    def read(self, report: Report) -> Declared:
        """Return what is declared now; with no keys and not `whole` where that is not known."""
        revoked, known = self._revoked(report)
        keys, whole = _nodes(self.nodes, report)
        left = {name: key for name, key in keys.items() if known and digest(key) not in revoked}
        return Declared(left, whole and known, revoked, self._removals(report))

    def _revoked(self, report: Report) -> tuple[frozenset[str], bool]:
        """Return the revoked keys, the kept ones too, and whether these are all of them."""
        new = Revoked()
        try:
            new, wrong = declared(self.revoked_users, self.revoked)
            for line in wrong:
                report.trouble("not a revocation", line=line[:80])
            return (keep(self.kept, new) if self.kept else new).keys, True
        except DamagedError as error:
            report.trouble(DAMAGED, reason=str(error), registered="nobody")
            return new.keys, False
        except FullError as error:
            report.trouble(NOT_KEPT, reason=str(error))
        except OSError as error:
            report.trouble(NOT_KEPT, reason=str(error))
        return self._without_writing(new)

    def _without_writing(self, new: Revoked) -> tuple[frozenset[str], bool]:
        try:
            return (read_kept(self.kept).merged(new) if self.kept else new).keys, True
        except (DamagedError, OSError):
            return new.keys, False

    def _removals(self, report: Report) -> int | None:
        if self.max_removals is None:
            return None
        try:
            return int(self.max_removals.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            report.trouble("limit not usable", file=str(self.max_removals), reason=str(error))
            return 0


def _nodes(file: Path, report: Report) -> tuple[dict[str, str], bool]:
    """Return the declared keys by node, canonical, and whether the list could be used whole."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except (OSError, ValueError, RecursionError) as error:
        report.trouble("list not usable", file=str(file), reason=str(error))
        return {}, False
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found.values()):
        report.trouble("list not usable", file=str(file), reason="it must map node names to public keys")
        return {}, False
    keys: dict[str, str] = {}
    for name, key in found.items():
        try:
            keys[name] = canonical(key)
        except ValueError:
            report.trouble("not registered", node=name, reason="what is declared is not a public key in PEM")
    return keys, len(keys) == len(found)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's entries. Raises ValueError for a doubled name: JSON would drop all but the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found
