"""Write what is handed out into dist/: the wheel, the charts, submit.py as one file, and their checksums.

    package.py [--helm HELM] [DIR]

The same sources give the same bytes: archives are sorted, and every file in them is dated by the last commit.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

from closure import PACKAGE, closure, copied
from flowerbed import __version__

ROOT = Path(__file__).resolve().parent.parent
CHARTS = ("superlink", "supernode", "app")
MAIN = "from flowerbed.flower.programs.submit import main\n\nmain()\n"


def main(arguments: list[str]) -> int:
    """Write everything; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--helm", default="helm", help="the Helm that packages the charts")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist", help="default: dist")
    options = parser.parse_args(arguments)
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    date = last_commit()
    written = [
        wheel(folder, date),
        *(chart(options.helm, name, folder, date) for name in CHARTS),
        submit_program(folder, date),
    ]
    sums = "".join(f"{checksum(path)}  {path.name}\n" for path in sorted(written))
    (folder / "SHA256SUMS").write_text(sums, encoding="ascii")
    print(sums, end="")
    return 0


def checksum(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def last_commit() -> int:
    """Return when the sources were last committed, in seconds since 1970."""
    if said := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(said)
    command = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def wheel(folder: Path, date: int) -> Path:
    """Write the wheel, which carries the charts too."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(date)}
    subprocess.run(command, cwd=ROOT, check=True, env=environment, stdout=subprocess.DEVNULL)
    return folder / f"flowerbed-{__version__}-py3-none-any.whl"


def chart(helm: str, name: str, folder: Path, date: int) -> Path:
    """Write a chart's archive: what Helm packs, in order and with a fixed date."""
    with tempfile.TemporaryDirectory() as place:
        command = [helm, "package", str(ROOT / "charts" / name), "--destination", place]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (packed,) = Path(place).glob("*.tgz")
        written = folder / packed.name
        written.write_bytes(repacked(packed.read_bytes(), date))
    return written


def repacked(archive: bytes, date: int) -> bytes:
    """Return a gzipped tar with the same files, sorted and dated alike."""
    plain = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as source,
        tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as target,
    ):
        for member in sorted(source.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = date, 0, 0, "", ""
            member.pax_headers = {}
            target.addfile(member, source.extractfile(member))
    return gzip.compress(plain.getvalue(), mtime=date)


def submit_program(folder: Path, date: int) -> Path:
    """Write `submit.pyz`: scripts/submit.py and what it needs as one file for `python submit.pyz`."""
    written = folder / "submit.pyz"
    needed = closure(["flower/programs/submit.py"])
    texts = {f"{PACKAGE.name}/{file}": copied(file).encode() for file in needed}
    with written.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in {"__main__.py": MAIN.encode(), **texts}.items():
                archive.writestr(zipfile.ZipInfo(name, time.gmtime(date)[:6]), text)
    written.chmod(0o755)
    return written


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
