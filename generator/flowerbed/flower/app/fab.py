"""Read a .fab file that anybody may have made: everything is bounded before and while it is read.

A FAB is a zip archive with a manifest, `.info/CONTENT`, of lines `path,sha256,size in bits` (flwr 1.41:
cli/build.py). Flower installs also what the manifest does not list, so here the two have to agree.
"""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import tomllib
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import UsageError
from ..text import plain
from .build import LARGEST_FAB
from .checks import table, told

CONTENT, MANIFEST = ".info/CONTENT", "pyproject.toml"
DATE = (2024, 10, 1, 0, 0, 0)  # of every entry (flwr 1.41: common/constant.py, FAB_DATE)
LARGEST_UNPACKED = 64 * 1024 * 1024  # bytes of all files together
MOST_ENTRIES = 10_000
LONGEST_NAME = 512  # bytes
CHUNK = 64 * 1024
# What Flower packs (flwr 1.41: common/constant.py, FAB_INCLUDE_PATTERNS), beside manifest and licence.
KINDS = (".py", ".toml", ".md", ".yaml", ".yml", ".json", ".jsonl")
OTHERS = {CONTENT, "LICENSE"}
FIRST, DIRECTORY_ENTRY = b"PK\x03\x04", b"PK\x01\x02"
LOCAL_HEADER = 30  # bytes, before the name
ENCRYPTED, UTF_8 = 0x1, 0x800  # flag bits (APPNOTE.TXT 4.4.4)
Contents = dict[str, bytes]
# What zipfile raises for archives that are damaged, encrypted or unusual.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    NotImplementedError,  # a compression or flag that zipfile does not know
    EOFError,
    OSError,
    ValueError,  # also UnicodeDecodeError
    OverflowError,
    IndexError,
    struct.error,
)


class FabFile:
    """A FAB whose entries are safe and are those of its manifest; `sizes` of its files, in bytes by path.

    Raises UsageError with every problem found.
    """

    def __init__(self, fab: bytes) -> None:
        if fab.count(DIRECTORY_ENTRY) > MOST_ENTRIES:
            raise UsageError(f"it holds more than {MOST_ENTRIES:,} files", "pack the app alone")
        if not fab.startswith(FIRST):
            raise UsageError("not a FAB: it does not begin as a zip archive does", "build it with flwr build")
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(fab))
            entries = self._archive.infolist()
            if problems := told(_problems(entries, self._archive.start_dir)):
                raise UsageError("\n".join(problems))
            found = {entry.filename: self._digest(entry) for entry in entries}
            listed = self.read(CONTENT, LARGEST_FAB) or b""
        except DAMAGED as error:
            raise UsageError(f"not a FAB: {plain(str(error) or 'it is damaged')}") from None
        found.pop(CONTENT, None)
        lines = sorted(f"{name},{digest},{size * 8}" for name, (digest, size) in found.items())
        if sorted(listed.decode(errors="replace").splitlines()) != lines:
            raise UsageError(f"its files are not those that {CONTENT} lists", "build it again: flwr build")
        self.sizes = {name: size for name, (_, size) in found.items()}

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a file's content, None for none. Raises UsageError if it is longer than `limit`."""
        try:
            entry = self._archive.getinfo(name)
        except KeyError:
            return None
        with self._archive.open(entry) as file:
            content = b"".join(iter(lambda: file.read(CHUNK), b"")) if entry.file_size <= limit else None
        if content is None:
            raise UsageError(f"{name} is {entry.file_size:,} bytes long; at most {limit:,} are read")
        return content

    def _digest(self, entry: zipfile.ZipInfo) -> tuple[str, int]:
        """Return an entry's SHA-256 and size, read by pieces: zipfile unpacks a bomb whole if it is let."""
        digest, size = hashlib.sha256(), 0
        with self._archive.open(entry) as file:
            while piece := file.read(CHUNK):
                digest.update(piece)
                size += len(piece)
        if size != entry.file_size:
            raise zipfile.BadZipFile(f"{entry.filename!r} has {size:,} bytes, not {entry.file_size:,}")
        return digest.hexdigest(), size


def declaring(fab: bytes, values: Mapping[str, Any]) -> bytes:
    """Return a FAB whose app declares more keys of its run config, dotted ones as they are.

    It is what Flower's builder makes of an app that does: Flower takes no value for an undeclared key.
    """
    import tomli_w  # comes with flwr

    def declared(contents: Contents) -> Contents:
        config = tomllib.loads(contents[MANIFEST].decode())
        app = config["tool"]["flwr"]["app"]
        app["config"] = {**table(app, "config"), **values}
        return {**contents, MANIFEST: tomli_w.dumps(config).encode()}

    return rewritten(fab, declared)


def rewritten(fab: bytes, change: Callable[[Contents], Contents]) -> bytes:
    """Return a FAB with other contents, by path, and a manifest of these."""
    with zipfile.ZipFile(io.BytesIO(fab)) as old:
        contents = change({name: old.read(name) for name in old.namelist()})
    lines = [
        f"{name},{hashlib.sha256(content).hexdigest()},{len(content) * 8}"
        for name, content in contents.items()
        if name != CONTENT
    ]
    contents[CONTENT] = "\n".join(lines).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as new:
        for name, content in contents.items():
            new.writestr(zipfile.ZipInfo(name, DATE), content)
    return target.getvalue()


def _problems(entries: list[zipfile.ZipInfo], end: int) -> Iterator[str]:
    yield from _unsafe_entries(entries)
    yield from _overlaps(entries, end)


def _unsafe_entries(entries: list[zipfile.ZipInfo]) -> Iterator[str]:
    total = sum(entry.file_size for entry in entries)
    if total > LARGEST_UNPACKED:
        yield f"unpacked it would be {total:,} bytes; at most {LARGEST_UNPACKED:,} are accepted"
    names: dict[str, str] = {}
    for entry in entries:
        shown = _shown(entry)
        if problem := _unsafe_name(entry) or _unsafe_kind(entry):
            yield f"entry {shown} {problem}"
            continue
        key = unicodedata.normalize("NFC", entry.filename).casefold()
        if key in names:
            other = "" if names[key] == entry.filename else f": {names[key]!r} is the same name on some disks"
            yield f"entry {shown} occurs more than once{other}"
        names.setdefault(key, entry.filename)
    yield from _files_as_folders(names)


def _shown(entry: zipfile.ZipInfo) -> str:
    return repr(plain(entry.filename if len(entry.filename) <= 100 else f"{entry.filename[:100]}…"))


def _unsafe_name(entry: zipfile.ZipInfo) -> str:
    name = entry.filename
    if name.startswith("/") or "\\" in name or ":" in name or {"", ".", ".."} & set(name.split("/")):
        return "would be written outside the app's directory"
    if not name.isascii() and not entry.flag_bits & UTF_8:
        return "has a name that is not UTF-8"
    if not name.isprintable() or len(name.encode("utf-8", "replace")) > LONGEST_NAME:
        return "has a name with control characters, or a very long one"
    return ""


def _unsafe_kind(entry: zipfile.ZipInfo) -> str:
    mode = entry.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "is a symbolic link"
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        return "is not a regular file"
    if entry.flag_bits & ENCRYPTED:
        return "is encrypted"
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "is compressed in a way that Flower never uses"
    if not entry.filename.endswith(KINDS) and entry.filename not in OTHERS:
        return "is of a kind that Flower never packs"
    return ""


def _files_as_folders(names: dict[str, str]) -> Iterator[str]:
    for key, name in names.items():
        parts = key.split("/")
        above = ("/".join(parts[:count]) for count in range(1, len(parts)))
        if clash := next((names[folder] for folder in above if folder in names), ""):
            yield f"entry {name!r} is in {clash!r}, which is a file"


def _overlaps(entries: list[zipfile.ZipInfo], end: int) -> Iterator[str]:
    """Yield which entries share bytes with others, by which a small archive unpacks to a large one."""
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    ends = [*(entry.header_offset for entry in ordered[1:]), end]
    for entry, following in zip(ordered, ends, strict=False):
        if entry.header_offset + LOCAL_HEADER + entry.compress_size > following:
            yield f"entry {_shown(entry)} overlaps with another"
