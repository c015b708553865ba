"""The configuration of the stock `flwr` command: an entry of ours in it, and nothing else touched.

flwr 1.41 keeps connections in `$FLWR_HOME/config.toml` (flwr/cli/flower_config.py). Comments and the
order of other entries are kept: the file is edited as text, the result parsed and compared before it is
written.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowerbed.errors import UsageError
from flowerbed.files import PRIVATE_MODE, make_private_folder, read_file, write_atomic

FlwrEntry = dict[str, str | bool]
NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
# The user name in a session's address marks an entry as ours, also after flwr has written the file anew.
OURS = "flowerbed:"


@dataclass(frozen=True, slots=True)
class FlwrConfig:
    """A `config.toml` of flwr's; it may hold a session's password, so it is its owner's alone (0600)."""

    file: Path

    @classmethod
    def of_user(cls) -> FlwrConfig:
        """Return the one that `flwr` would use here: in `$FLWR_HOME`, else in `~/.flwr`."""
        home = os.environ.get("FLWR_HOME")
        return cls((Path(home) if home else Path.home() / ".flwr").absolute() / "config.toml")

    def entry(self, name: str) -> FlwrEntry | None:
        """Return the connection of this name, None where there is none."""
        return _connections(_parsed(self._read(), self.file)).get(name)

    def add(self, name: str, entry: FlwrEntry) -> bool:
        """Write a connection and return whether the file changed.

        An entry of the same name is replaced if a session of Flowerbed's left it. Raises UsageError for one
        that is somebody else's, for a name that flwr would not take, and for a file that cannot be edited.
        """
        if not NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is not a valid connection name", remedy="use letters, digits, - and _"
            )
        text = self._read()
        known = _connections(_parsed(text, self.file)).get(name)
        if known == entry:
            return False
        if known is not None and not is_ours(known):
            raise UsageError(
                f"the connection {name!r} already exists with other settings",
                where=str(self.file),
                remedy="give another name by --name, or remove it there",
            )
        added = _without(text, name).rstrip("\n")
        new = f"{added}\n\n{_table(name, entry)}" if added else _table(name, entry)
        self._replace(text, new, name, entry)
        return True

    def remove(self, name: str, entry: FlwrEntry) -> None:
        """Remove a connection, unless it has become another one meanwhile."""
        text = self._read()
        if _connections(_parsed(text, self.file)).get(name) == entry:
            self._replace(text, _without(text, name), name, None)

    def _read(self) -> str:
        file = read_file(self.file.resolve(), PRIVATE_MODE)
        if file is None:
            return _default()
        try:
            return file.data.decode()
        except UnicodeDecodeError:
            raise UsageError("this is not UTF-8 text", where=str(self.file)) from None

    def _replace(self, before: str, after: str, name: str, entry: FlwrEntry | None) -> None:
        old = _connections(_parsed(before, self.file))
        old.pop(name, None)
        try:
            new = _connections(tomllib.loads(after))
        except tomllib.TOMLDecodeError:
            new = {}
        if new.pop(name, None) != entry or new != old:
            remedy = f"edit it by hand: {_table(name, entry)}" if entry else "remove the entry by hand"
            what = f"the connection {name!r} cannot be changed here without harm to others"
            raise UsageError(what, where=str(self.file), remedy=remedy)
        # What a symbolic link leads to is written, so that the link stays.
        target = self.file.resolve()
        if not target.parent.is_dir():
            make_private_folder(target.parent)
        write_atomic(target, after.encode(), PRIVATE_MODE)


def is_ours(entry: FlwrEntry) -> bool:
    """Return whether a session of Flowerbed's wrote an entry."""
    return str(entry.get("address", "")).startswith(OURS)


def _default() -> str:
    # What flwr itself would write at its first start.
    from flwr.cli.constant import DEFAULT_FLOWER_CONFIG_TOML

    return str(DEFAULT_FLOWER_CONFIG_TOML)


def _parsed(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"this is not TOML: {error}", where=str(file)) from None


def _connections(parsed: dict[str, Any]) -> dict[str, Any]:
    table = parsed.get("superlink", {})
    return dict(table) if isinstance(table, dict) else {}


def _table(name: str, entry: FlwrEntry) -> str:
    import tomli_w

    return f"[superlink.{name}]\n{tomli_w.dumps(entry)}"


def _without(text: str, name: str) -> str:
    """Return the text without one connection's table and the empty line before it."""
    head = re.compile(rf"\s*\[\s*superlink\s*\.\s*([\"']?){re.escape(name)}\1\s*\]\s*(#.*)?")
    lines = text.splitlines(keepends=True)
    begin = next((at for at, line in enumerate(lines) if head.fullmatch(line.rstrip("\r\n"))), None)
    if begin is None:
        return text
    rest = range(begin + 1, len(lines))
    end = next((at for at in rest if lines[at].lstrip().startswith("[")), len(lines))
    # What stands before the next table belongs to that one.
    while end < len(lines) and end > begin + 1 and lines[end - 1].lstrip().startswith(("#", "\n", "\r")):
        end -= 1
    if begin and not lines[begin - 1].strip():
        begin -= 1
    return "".join([*lines[:begin], *lines[end:]])
