"""Keep what was revoked on the SuperLink's volume, in a list that only grows.

The declared lists come from a ConfigMap, which `helm rollback` and a reinstallation replace by an older one.
This directory is outside of that: revocations are merged into it and never leave it. It holds two files:

    users   NAME YYMMDDHHMMSS   certificates of NAME that were issued until then (UTC) are refused
    keys    SHA-256             of the public key (PEM) of a node that is never admitted again

The first line of each carries the SHA-256 of the rest, so that a truncated file is never mistaken for a
shorter list. Damage is an error: a reader must refuse instead of continuing with less. Needs the standard
library alone.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

USERS, KEYS = "users", "keys"
# 60,000 nodes' keys: four times what the declared lists have room for (1 MiB, a ConfigMap's limit).
MAX_BYTES = 4 << 20
DAMAGED = "kept revocations are damaged"
_USER = re.compile(r"(\S{1,256}) (\d{12})")
_KEY = re.compile(r"[0-9a-f]{64}")
_FIRST = re.compile(r"# SHA-256 of the lines below: ([0-9a-f]{64})")


class DamagedError(Exception):
    """A kept file is not as it was written; the text names the file and what is wrong."""


class FullError(Exception):
    """The merged list exceeds MAX_BYTES, so what is new in it is not kept; the text names the file."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """What is revoked: users with the time of the revocation (`YYMMDDHHMMSS`, UTC), and keys' SHA-256s."""

    users: Mapping[str, str] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()

    def merged(self, other: Revoked) -> Revoked:
        """Return the union; of two times of a user the later one."""
        users = dict(self.users)
        for name, moment in other.users.items():
            users[name] = max(moment, users.get(name, ""))
        return Revoked(users, self.keys | other.keys)


def declared(users: Path | None, keys: Path | None) -> tuple[Revoked, list[str]]:
    """Return what the declared lists revoke, and their lines that are not usable. Raises OSError.

    A file that is not given or does not exist revokes nothing.
    """
    wrong: list[str] = []
    pairs = _matches(_USER, _lines(users), wrong)
    found = _matches(_KEY, _lines(keys), wrong)
    lists = Revoked()
    for pair in pairs:  # one after the other: a name may be there twice
        lists = lists.merged(Revoked({pair[1]: pair[2]}))
    return Revoked(lists.users, frozenset(match[0] for match in found)), wrong


def _lines(file: Path | None) -> list[str]:
    if file is None or not file.exists():
        return []
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    return [line for line in lines if line and not line.startswith("#")]


def _matches(pattern: re.Pattern[str], lines: Iterable[str], wrong: list[str]) -> list[re.Match[str]]:
    found = [(line, pattern.fullmatch(line)) for line in lines]
    wrong += [line for line, match in found if match is None]
    return [match for _, match in found if match]


def read_kept(directory: Path) -> Revoked:
    """Return what is kept, nothing while the directory does not exist. Raises DamagedError, OSError."""
    if not directory.exists():
        return Revoked()
    users = (_checked(_USER, line, directory / USERS) for line in _kept_lines(directory / USERS))
    keys = (_checked(_KEY, line, directory / KEYS) for line in _kept_lines(directory / KEYS))
    return Revoked({match[1]: match[2] for match in users}, frozenset(match[0] for match in keys))


def _kept_lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise DamagedError(f"{file} is missing") from None
    first, _, rest = data.partition(b"\n")
    match = _FIRST.fullmatch(first.decode("ascii", errors="replace"))
    if match is None or match[1] != hashlib.sha256(rest).hexdigest():
        raise DamagedError(f"{file} does not match its checksum")
    return rest.decode(errors="replace").splitlines()


def _checked(pattern: re.Pattern[str], line: str, file: Path) -> re.Match[str]:
    match = pattern.fullmatch(line)
    if match is None:
        raise DamagedError(f"{file} holds a line of another kind")
    return match


def keep(directory: Path, new: Revoked) -> Revoked:
    """Merge into what is kept, and return all of it. Writes atomically, and only what changed.

    Raises DamagedError, FullError (nothing is written then), OSError.
    """
    kept = read_kept(directory)
    merged = kept.merged(new)
    texts = {
        USERS: _text(f"{name} {moment}" for name, moment in sorted(merged.users.items())),
        KEYS: _text(sorted(merged.keys)),
    }
    for name, text in texts.items():
        if len(text) > MAX_BYTES:
            raise FullError(f"{directory / name} would exceed {MAX_BYTES} bytes")
    if not directory.exists():
        _create(directory)
    elif merged == kept:
        return merged
    for name, text in texts.items():
        if (directory / name).read_bytes() != text:
            _replace(directory / name, text)
    return merged


def _text(lines: Iterable[str]) -> bytes:
    rest = "".join(f"{line}\n" for line in lines).encode()
    return f"# SHA-256 of the lines below: {hashlib.sha256(rest).hexdigest()}\n".encode() + rest


def _create(directory: Path) -> None:
    """Create the directory with two empty lists, in one step: with one of its files missing it is damaged."""
    new = directory.with_name(f".{directory.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    for name in (USERS, KEYS):
        _replace(new / name, _text(()))
    new.rename(directory)
    _sync(directory.parent)


def _replace(file: Path, text: bytes) -> None:
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    _sync(file.parent)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    with contextlib.suppress(OSError):  # not every file system can
        os.fsync(handle)
    os.close(handle)


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="kept_revocations.py", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--kept", type=Path, required=True, metavar="DIRECTORY", help="what only grows")
    parser.add_argument("--revoked-users", type=Path, metavar="FILE", help="declared: NAME TIME a line")
    parser.add_argument("--revoked", type=Path, metavar="FILE", help="declared: SHA-256 of a key a line")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Merge the declared lists into what is kept; return 1 if that is not possible, with the reason."""
    options = arguments().parse_args(argv)
    try:
        new, wrong = declared(options.revoked_users, options.revoked)
        kept = keep(options.kept, new)
    except FullError as error:
        # What is kept still counts, and so do the declared lists beside it. The registrar reports it again.
        print(f"warning: {error}; what is new is not kept", file=sys.stderr)
        return 0
    except DamagedError as error:
        print(f"error: {DAMAGED}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: revocations cannot be kept: {error}", file=sys.stderr)
        return 1
    for line in wrong:
        print(f"warning: not a revocation: {line[:80]!r}", file=sys.stderr)
    print(f"kept: {len(kept.users)} revoked users, {len(kept.keys)} revoked keys")
    return 0


if __name__ == "__main__":
    sys.exit(main())
