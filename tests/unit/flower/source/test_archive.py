"""Archives, honest and hostile: what is unpacked, what is refused, and how much memory it takes."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import stat
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowerbed.errors import UsageError
from flowerbed.flower.source import archive as flower_archive
from flowerbed.flower.source.archive import app_folder, unpack

FILES = {"pyproject.toml": b"[project]\n", "tiny/server.py": b"app = 1\n" * 100, "tiny/empty.py": b""}
KINDS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}


def tarred(*entries: tuple[str, bytes] | tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive of files by name and of other entries."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as tar:
        for entry in entries:
            info = entry if isinstance(entry, tarfile.TarInfo) else tarfile.TarInfo(entry[0])
            content = b"" if isinstance(entry, tarfile.TarInfo) else entry[1]
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def odd(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """Return an entry that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return target.getvalue()


def moded(name: str, mode: int) -> zipfile.ZipInfo:
    """Return an entry of a kind of Unix file."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def unpacked(folder: Path, content: bytes) -> dict[str, bytes]:
    """Return what gets out of an archive, by path."""
    (folder / "archive").write_bytes(content)
    unpack(folder / "archive", folder / "to")
    files = [file for file in (folder / "to").rglob("*") if not file.is_dir()]
    assert not [file for file in files if file.is_symlink()]
    return {str(file.relative_to(folder / "to")): file.read_bytes() for file in files}


@pytest.mark.parametrize("kind", [*KINDS, "zip"])
def test_each_kind(tmp_path: Path, kind: str) -> None:
    """Every kind of archive is known by its content, and gives its files."""
    files = tuple(FILES.items())
    content = zipped(*files) if kind == "zip" else KINDS[kind](tarred(*files))
    assert unpacked(tmp_path, content) == FILES


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_and_foreign_names(tmp_path: Path, form: int) -> None:
    """Names longer than a header, with letters of all sorts, come through."""
    files = {f"Hôpital/{'ü' * 60}/{'x' * 150}.py": b"1", "a b.py": b"2", "日本.py": b"3"}
    assert unpacked(tmp_path, tarred(*files.items(), form=form)) == files


def test_links_inside_are_left_out(tmp_path: Path) -> None:
    """As Flower leaves them out."""
    links = [
        odd("tiny/l.py", tarfile.SYMTYPE, "../pyproject.toml"),
        odd("h.py", tarfile.LNKTYPE, "tiny/server.py"),
    ]
    assert unpacked(tmp_path, tarred(*FILES.items(), *links)) == FILES
    link = moded("tiny/l.py", stat.S_IFLNK | 0o777)
    (tmp_path / "zip").mkdir()
    assert unpacked(tmp_path / "zip", zipped(*FILES.items(), (link, b"../pyproject.toml"))) == FILES


ZEROS = bytes(1024 * 1024)
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "tar slip": (lambda: tarred(("../x.py", b"")), "leads out"),
    "tar inner slip": (lambda: tarred(("a/../../x.py", b"")), "leads out"),
    "tar absolute": (lambda: tarred(("/tmp/x.py", b"")), "leads out"),
    "tar symlink out": (lambda: tarred(odd("a", tarfile.SYMTYPE, "../x")), "leads out"),
    "tar symlink absolute": (lambda: tarred(odd("a", tarfile.SYMTYPE, "/etc/passwd")), "leads out"),
    "tar hard link out": (lambda: tarred(odd("a/b", tarfile.LNKTYPE, "../x")), "leads out"),
    "tar device": (lambda: tarred(odd("a", tarfile.CHRTYPE)), "neither a file nor a directory"),
    "tar fifo": (lambda: tarred(odd("a", tarfile.FIFOTYPE)), "neither a file nor a directory"),
    "tar sparse": (lambda: tarred(odd("a", tarfile.GNUTYPE_SPARSE)), "neither a file nor a directory"),
    "tar twice": (lambda: tarred(("a", b"1"), ("a", b"2")), "more than once"),
    "tar file below a file": (lambda: tarred(("a", b"1"), ("a/b", b"2")), "cannot be unpacked"),
    "tar control characters": (lambda: tarred(("a\x1b[31m", b"")), "control characters"),
    "tar too deep": (lambda: tarred(("a/" * 40 + "b", b"")), "too deep"),
    "tar many": (
        lambda: gzip.compress(tarred(*[odd("a", tarfile.DIRTYPE)] * 20_001)),
        "files and directories",
    ),
    "tar cut": (lambda: tarred(("a", b"1" * 5000))[:2000], "cannot be unpacked"),
    "gz cut": (lambda: gzip.compress(tarred(*FILES.items()))[:-30], "cannot be unpacked"),
    "xz cut": (lambda: lzma.compress(tarred(*FILES.items()))[:-30], "cannot be unpacked"),
    "gz bomb": (lambda: gzip.compress(tarred(("a", ZEROS * 64)), 9), "times its size"),
    "xz bomb": (lambda: lzma.compress(tarred(("a", ZEROS * 64))), "times its size"),
    "zip bomb": (lambda: zipped(("a", ZEROS * 64)), "times its size"),
    "zip slip": (lambda: zipped(("../x.py", b"")), "leads out"),
    "zip absolute": (lambda: zipped(("/x.py", b"")), "leads out"),
    "zip drive": (lambda: zipped(("C:/x.py", b"")), "leads out"),
    "zip symlink out": (lambda: zipped((moded("a", stat.S_IFLNK), b"/etc/passwd")), "leads out"),
    "zip link too long": (lambda: zipped((moded("a", stat.S_IFLNK), b"x" * 4097)), "path of more than"),
    "zip device": (lambda: zipped((moded("a", stat.S_IFBLK), b"")), "neither a file nor a directory"),
    "zip lzma": (lambda: zipped(("a", b"1"), method=zipfile.ZIP_LZMA), "unusual way"),
    "zip cut": (lambda: zipped(*FILES.items())[:-30], "cannot be unpacked"),
    "zip wrong sum": (
        lambda: zipped(("a", b"1234"), method=0).replace(b"1234", b"1235"),
        "cannot be unpacked",
    ),
    "junk": (lambda: b"junk" * 1000, "cannot be unpacked"),
    "empty": (lambda: b"", "cannot be unpacked"),
    "html": (lambda: b"<!DOCTYPE html><html>Sign in</html>", "cannot be unpacked"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile(tmp_path: Path, name: str) -> None:
    """Each is refused with a sentence, and writes nothing outside of its folder."""
    content, said = HOSTILE[name]
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match=said) as error:
        unpacked(tmp_path / "in", content())
    assert "\x1b" not in str(error.value)
    assert {entry.name for entry in tmp_path.iterdir()} == {"in"}
    assert {entry.name for entry in (tmp_path / "in").iterdir()} == {"archive", "to"}


def large_header(kind: bytes) -> bytes:
    """Return a tar archive with a header of 128 MiB that says nothing but its size."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, 128 * 1024 * 1024
    return gzip.compress(info.tobuf() + ZEROS * 128, 1)


def many_empty_entries() -> bytes:
    """Return a zip archive with half a million entries in its list."""
    entry = b"PK\x01\x02" + bytes(24) + (1).to_bytes(2, "little") + bytes(16) + b"a"
    size = len(entry) * 500_000
    end = b"PK\x05\x06" + bytes(4) + b"\xff\xff\xff\xff" + size.to_bytes(4, "little") + bytes(6)
    return zipped(("a", b""))[:31] + entry * 500_000 + end


def demanding_xz() -> bytes:
    """Return an xz archive whose header asks for 1.5 GiB of memory."""
    content = bytearray(lzma.compress(tarred(*FILES.items()), lzma.FORMAT_XZ))
    # https://tukaani.org/xz/xz-file-format.txt, 3.1 and 5.3.1: the header of the block, with its dictionary.
    end = 12 + content[12] * 4
    assert content[14:16] == b"\x21\x01"
    content[16] = 37
    content[end : end + 4] = zlib.crc32(content[12:end]).to_bytes(4, "little")
    return bytes(content)


GREEDY: dict[str, Callable[[], bytes]] = {
    "pax header": lambda: large_header(tarfile.XHDTYPE),
    "GNU long name": lambda: large_header(tarfile.GNUTYPE_LONGNAME),
    "header upon header": lambda: b"".join(
        bytes(odd("x", tarfile.GNUTYPE_LONGNAME).tobuf()) for _ in range(3000)
    ),
    "gz of 4 GiB": lambda: b"".join([gzip.compress(tarred(("a", b""))[:512] + ZEROS * 8, 9)] * 500),
    "zip list": many_empty_entries,
    "xz dictionary": demanding_xz,
    "zip link bomb": lambda: zipped((moded("a", stat.S_IFLNK), bytes(256 * 1024 * 1024))),
}


@pytest.mark.parametrize("name", list(GREEDY))
def test_memory_is_bounded(tmp_path: Path, name: str) -> None:
    """What asks for much memory is refused within 150 MB of address space more than Python starts with."""
    (tmp_path / "archive").write_bytes(GREEDY[name]())
    program = (
        "import re, resource, sys; from pathlib import Path\n"
        "from flowerbed.flower.source import archive\n"
        "from flowerbed.errors import UsageError\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 150_000_000,) * 2)\n"
        "try: archive.unpack(Path(sys.argv[1]) / 'archive', Path(sys.argv[1]) / 'to')\n"
        "except UsageError as error: print('refused', error)\n"
        "else: print('taken', len(list((Path(sys.argv[1]) / 'to').iterdir())))\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused"), done.stdout
    assert int(done.stdout.splitlines()[-1]) < 128 * 1024, "KiB were resident at the peak"


def test_links_count_in_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many links of an allowed length are as much as one file of that size; a few are left out."""
    links = [(moded(f"l{number}", stat.S_IFLNK), b"./" * 2000 + b"x") for number in range(300)]
    monkeypatch.setattr(flower_archive, "LARGEST_UNPACKED", 1_000_000)
    (tmp_path / "few").mkdir()
    assert unpacked(tmp_path / "few", zipped(*FILES.items(), *links[:50])) == FILES
    (tmp_path / "many").mkdir()
    with pytest.raises(UsageError, match="unpacks to more than"):
        unpacked(tmp_path / "many", zipped(*FILES.items(), *links))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever bytes of an archive are changed: it is unpacked inside of its folder, or refused."""
    kind = data.draw(st.sampled_from([*KINDS, "zip"]))
    files = tuple(FILES.items())
    content = bytearray(zipped(*files) if kind == "zip" else KINDS[kind](tarred(*files)))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damaged")
    with contextlib.suppress(UsageError):
        unpacked(folder, bytes(content))
    assert {entry.name for entry in folder.iterdir()} <= {"archive", "to"}


@pytest.mark.parametrize(
    ("files", "path", "found"),
    [
        (["pyproject.toml"], "", "."),
        (["top/pyproject.toml"], "", "top"),
        (["top/pyproject.toml", "__MACOSX/x"], "", "top"),
        (["a/pyproject.toml", "b/x"], "", "."),
        (["top/apps/x/pyproject.toml"], "apps/x", "top/apps/x"),
        (["top/apps/x/pyproject.toml"], "top/apps/x", "top/apps/x"),
        (["apps/x/pyproject.toml", "y"], "./apps//x/", "apps/x"),
    ],
)
def test_the_apps_folder(tmp_path: Path, files: list[str], path: str, found: str) -> None:
    """It is the archive's root, the only folder in it, or the one that is named, from either."""
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert app_folder(tmp_path, path) == tmp_path / found


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The error says what is there."""
    (tmp_path / "apps").mkdir()
    with pytest.raises(UsageError, match=r"no directory 'app'\n  at its top there is: apps"):
        app_folder(tmp_path, "app")
    with pytest.raises(UsageError, match="leads out"):
        app_folder(tmp_path, "../x")
