"""FABs that nobody should take: each with a true manifest, and one thing wrong."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator

from support.apps import CLIENT, PYPROJECT, SERVER

Files = dict[str, bytes]
Hostile = tuple[str, Callable[[], bytes], str]  # name, maker, what is said of it
APP: Files = {
    "pyproject.toml": PYPROJECT.encode(),
    "tiny/__init__.py": b"",
    "tiny/server.py": SERVER.encode(),
    "tiny/client.py": CLIENT.encode(),
}
DIRECTORY = struct.Struct("<4s4B4HL2L5H2L")  # of an entry in the central directory (APPNOTE.TXT 4.3.12)
METHOD, FLAGS, CRC, PACKED, UNPACKED, OFFSET = 6, 5, 9, 10, 11, 18  # its fields here
MEBIBYTE = 1024 * 1024


def manifest(files: Files) -> bytes:
    lines = (f"{name},{hashlib.sha256(data).hexdigest()},{len(data) * 8}" for name, data in files.items())
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def entry(name: str, mode: int = stat.S_IFREG | 0o644, method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo()
    info.filename = name  # past the constructor, which mends names
    info.external_attr, info.compress_type = mode << 16, method
    return info


def pack(files: Files, more: list[tuple[zipfile.ZipInfo, bytes]] | None = None) -> bytes:
    """Return a FAB with a true manifest; `more` entries count too."""
    target = io.BytesIO()
    pairs = [(entry(name), data) for name, data in files.items()] + (more or [])
    listed = manifest({info.filename: data for info, data in pairs})
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(target, "w") as archive:
        for info, data in [*pairs, (entry(".info/CONTENT"), listed)]:
            archive.writestr(info, data)
    return target.getvalue()


def with_entry(name: str, data: bytes = b"x", **how: int) -> Callable[[], bytes]:
    return lambda: pack(APP, [(entry(name, **how), data)])


def with_file(name: str, data: bytes) -> Callable[[], bytes]:
    return lambda: pack({**APP, name: data})


def patched(fab: bytes, name: str, **fields: int) -> bytes:
    """Return a FAB with fields of a directory entry changed."""
    data, at = bytearray(fab), -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        values = list(DIRECTORY.unpack_from(data, at))
        found = data[at + DIRECTORY.size : at + DIRECTORY.size + values[12]]
        if found == name.encode():
            for field, value in fields.items():
                values[globals()[field.upper()]] = value
            DIRECTORY.pack_into(data, at, *values)
            return bytes(data)
    raise AssertionError(name)


def lying_bomb() -> bytes:
    """An entry that unpacks to 200 MiB and says that it is ten bytes long."""
    bomb = pack(APP, [(entry("bomb.py", method=zipfile.ZIP_DEFLATED), bytes(200 * MEBIBYTE))])
    return patched(bomb, "bomb.py", unpacked=10)


def overlapping() -> bytes:
    """Two names for the same bytes."""
    fab = pack({**APP, "a.py": b"x" * 1000, "b.py": b"x" * 1000})
    offset = fab.index(b"a.py") - 30
    return patched(fab, "b.py", offset=offset)


def zip64(size: int, offset: int) -> bytes:
    """An entry whose true numbers are said to stand in a zip64 field, where they are huge."""
    info = entry("huge.py")
    extra = struct.pack("<HHQQQ", 1, 24, size, size, offset)
    fab = bytearray(pack(APP, [(info, b"x")]))
    at = fab.rindex(b"huge.py") - DIRECTORY.size
    values = list(DIRECTORY.unpack_from(fab, at))
    values[PACKED] = values[UNPACKED] = values[OFFSET] = 0xFFFFFFFF
    values[13] = len(extra)
    DIRECTORY.pack_into(fab, at, *values)
    end = at + DIRECTORY.size + len("huge.py")
    fab[end:end] = extra
    # The end record says where the directory is, and how long.
    record = fab.rindex(b"PK\x05\x06")
    (length,) = struct.unpack_from("<L", fab, record + 12)
    struct.pack_into("<L", fab, record + 12, length + len(extra))
    return bytes(fab)


def many_entries() -> bytes:
    """A directory of 150,000 entries, which would take a hundred megabytes to read."""
    one = DIRECTORY.pack(b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0x5821, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0) + b"a.py"
    directory = one * 150_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), 4, 0)
    return b"PK\x03\x04" + directory + end


def many_links() -> bytes:
    """More that is wrong than anybody would read."""
    return pack(APP, [(entry(f"l{number}.py", mode=stat.S_IFLNK), b"x") for number in range(2000)])


def renamed(old: bytes, new: bytes, *, directory: bool = True, header: bool = True) -> bytes:
    fab = pack({**APP, old.decode(): b"x"})
    first, last = fab.index(old), fab.rindex(old)
    data = bytearray(fab)
    if header:
        data[first : first + len(old)] = new
    if directory:
        data[last : last + len(old)] = new
    return bytes(data)


def hostile() -> Iterator[Hostile]:
    """Yield all of them."""
    for part in (_names, _kinds, _doubles, _sizes, _archives, _contents):
        yield from part()


def _names() -> Iterator[Hostile]:
    """Yield those with names that lead elsewhere, or that nobody can read."""
    outside = "would be written outside the app's directory"
    for name in (
        "../e.py",
        "/e.py",
        "a/../../e.py",
        "a\\e.py",
        "c:e.py",
        "a//e.py",
        "./e.py",
        "a/",
        "~/../e.py",
    ):
        yield f"slip {name}", with_entry(name), outside
    yield "escape in a name", with_entry("a\x1b[2J.py"), "control characters"
    yield "newline in a name", with_entry("a\nb.py"), "control characters"
    yield "long name", with_entry("a" * 600 + ".py"), "a very long one"


def _kinds() -> Iterator[Hostile]:
    """Yield those with entries that are no files that Flower packs."""
    yield "link", with_entry("l.py", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "is a symbolic link"
    yield "device", with_entry("d.py", mode=stat.S_IFCHR | 0o666), "is not a regular file"
    yield "pipe", with_entry("p.py", mode=stat.S_IFIFO | 0o666), "is not a regular file"
    yield "encrypted", lambda: patched(pack(APP), "tiny/client.py", flags=1), "is encrypted"
    yield "bzip2", with_entry("b.py", method=zipfile.ZIP_BZIP2), "compressed in a way"
    yield "lzma", with_entry("z.py", method=zipfile.ZIP_LZMA), "compressed in a way"
    yield "no such method", lambda: patched(pack(APP), "tiny/client.py", method=99), "compressed in a way"
    yield "nested archive", with_entry("inner.zip", pack(APP)), "of a kind that Flower never packs"
    yield "program", with_entry("run.sh"), "of a kind that Flower never packs"


def _doubles() -> Iterator[Hostile]:
    """Yield those with names that stand for two things, or for none."""
    yield "twice", with_entry("tiny/client.py", CLIENT.encode()), "occurs more than once"
    yield "other case", with_entry("tiny/Client.py"), "is the same name on some disks"
    yield "other accents", lambda: pack({**APP, "é.py": b"", "e\u0301.py": b""}), "is the same name"
    yield "file as folder", with_entry("tiny/client.py/x.py"), "which is a file"
    yield "cp437 name", lambda: renamed(b"aXb.py", b"a\x82b.py"), "has a name that is not UTF-8"
    yield "broken UTF-8", lambda: renamed("aéb.py".encode(), b"a\xff\xffb.py"), "not a FAB"
    yield "two names", lambda: renamed(b"one.py", b"two.py", header=False), "not a FAB"


def _sizes() -> Iterator[Hostile]:
    """Yield those that are larger than they say, or than anybody would read."""
    yield (
        "bomb",
        with_entry("b.py", bytes(65 * MEBIBYTE), method=zipfile.ZIP_DEFLATED),
        "unpacked it would be",
    )
    yield "lying bomb", lying_bomb, "not a FAB"
    yield "overlap", overlapping, "overlaps with another"
    yield "zip64 size", lambda: zip64(2**60, 0), "unpacked it would be 1,152,921,504,606,8"
    yield "zip64 place", lambda: zip64(1, 2**60), "overlaps with another"
    yield "many entries", many_entries, "more than 10,000 files"
    yield "many links", many_links, "and 1,980 more of these"


def _archives() -> Iterator[Hostile]:
    """Yield those whose archive or manifest is damaged."""
    yield "wrong checksum", lambda: patched(pack(APP), "tiny/client.py", crc=1), "not a FAB"
    yield "wrong size", lambda: patched(pack(APP), "tiny/client.py", unpacked=3), "not a FAB"
    yield "empty", lambda: b"", "not a FAB"
    yield "no zip", lambda: b"PK\x03\x04" + bytes(1000), "not a FAB"
    yield "something before it", lambda: b"#!/bin/sh\n" + pack(APP), "not a FAB"
    yield "cut short", lambda: pack(APP)[:-40], "not a FAB"
    yield "no manifest", lambda: pack(APP).replace(b".info/CONTENT", b".info/CONTENX"), "of a kind that"
    yield (
        "manifest that is not text",
        lambda: pack(APP).replace(b"tiny/client.py,", b"\xff\xfe\xff/client.py,"),
        "not",
    )


def _contents() -> Iterator[Hostile]:
    """Yield those with files that take too much to read."""
    yield "large pyproject", with_file("pyproject.toml", b"#" * MEBIBYTE), "at most 262,144 are read"
    yield "deep lists", with_file("pyproject.toml", b"a = " + b"[" * 50_000), "deep"
    yield "deep tables", with_file("pyproject.toml", b"a." * 50_000 + b"a = 1"), "deep"
    header = b"[" + b"a." * 4000 + b"a]\n" + b"\n".join(b"k%d.b=1" % number for number in range(20_000))
    yield "keys below a deep header", with_file("pyproject.toml", header), "deep"
    yield "long number", with_file("pyproject.toml", b"a = " + b"9" * 100_000), "not TOML"
    yield "large module", with_file("tiny/server.py", b"a;" * MEBIBYTE), "at most 131,072 are read"
    yield "deep module", with_file("tiny/server.py", b"(" * 100_000), "does not compile"
    yield "module of names", with_file("tiny/server.py", b"a;" * 65_000), "its module defines no app"
