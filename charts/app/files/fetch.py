"""Lay a Flower app out as plain files for submit.py.

fetch.py copy FROM TO             a mounted ConfigMap's files are links, which Flower does not pack
fetch.py archive URL SHA256 TO    an archive of the app's folder, or a .fab
    [--path FOLDER]               the app's folder in the archive (default: its root, or its only folder)
    [--authorization FILE]        what to send as the header of that name
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import NoReturn

CHUNK = 1 << 20
TIMEOUT = 60.0  # seconds without a byte


def download(url: str, sha256: str, authorization: Path | None, to: Path) -> None:
    """Write what lies at an address to a file; end the program if its hash is another."""
    request = urllib.request.Request(url)  # noqa: S310  (the chart takes http and https only)
    if authorization:
        # A redirect leads elsewhere, which this is not for.
        request.add_unredirected_header("Authorization", authorization.read_text().strip())
    found = hashlib.sha256()
    try:
        with (
            urllib.request.urlopen(request, timeout=TIMEOUT) as reply,  # noqa: S310
            to.open("wb") as file,
        ):
            while piece := reply.read(CHUNK):
                found.update(piece)
                file.write(piece)
    except OSError as error:  # URLError, HTTPError and broken connections are OSErrors
        end(f"{url}: {getattr(error, 'reason', error)}")
    if found.hexdigest() != sha256:
        end(f"{url}: its SHA-256 is {found.hexdigest()}, not {sha256}")


def unpack(archive: Path, to: Path) -> None:
    """Unpack a zip or tar archive; no entry gets outside of the folder."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(to)  # noqa: S202  (it drops absolute paths and `..`)
        else:
            with tarfile.open(archive) as opened_tar:
                opened_tar.extractall(to, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        end(f"the archive cannot be unpacked: {error}")


def app_folder(unpacked: Path, path: str) -> Path:
    """Return the app's folder in an unpacked archive."""
    if path:
        folder = unpacked / path
        return folder if folder.is_dir() else end(f"the archive has no folder {path}")
    entries = list(unpacked.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else unpacked


def end(text: str) -> NoReturn:
    """End the program with a sentence."""
    sys.exit(f"error: {text}")


def copy(source: Path, to: Path) -> None:
    """Copy a mounted ConfigMap; its folder also holds the kubelet's own `..` entries."""
    shutil.copytree(source, to, ignore=shutil.ignore_patterns("..*"))


def archive(arguments: argparse.Namespace) -> None:
    """Fetch an archive and lay out its app."""
    to: Path = arguments.to
    if to.suffix == ".fab":
        download(arguments.url, arguments.sha256, arguments.authorization, to)
        return
    with tempfile.TemporaryDirectory() as scratch:
        packed, unpacked = Path(scratch, "archive"), Path(scratch, "unpacked")
        download(arguments.url, arguments.sha256, arguments.authorization, packed)
        unpack(packed, unpacked)
        shutil.copytree(app_folder(unpacked, arguments.path), to, symlinks=True)


def main(argv: list[str]) -> None:
    """Run one command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    deeds = parser.add_subparsers(dest="deed", required=True)
    copying = deeds.add_parser("copy")
    copying.add_argument("source", type=Path)
    fetching = deeds.add_parser("archive")
    fetching.add_argument("url")
    fetching.add_argument("sha256")
    fetching.add_argument("--path", default="")
    fetching.add_argument("--authorization", type=Path)
    for deed in (copying, fetching):
        deed.add_argument("to", type=Path)
    arguments = parser.parse_args(argv)
    os.umask(0o022)
    if arguments.deed == "copy":
        copy(arguments.source, arguments.to)
    else:
        archive(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
