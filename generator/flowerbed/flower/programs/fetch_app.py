"""Lay a Flower app out as plain files for submit.py, and note where it came from.

fetch_app copy FROM TO       a mounted ConfigMap's files are links, which Flower does not pack
fetch_app FLAGS... APP TO    what submit.py itself would fetch: an archive or a repository, by the same flags
    [--credentials DIR]   a mounted Secret: `authorization`, `password` (and `username`), `ssh-privatekey`
                             (and `known_hosts`), `query` (what signs the address of an archive)

TO becomes a folder or a .fab; TO.json says where it came from, for `submit.py --source-record`. The standard
library is enough, and for a repository git (with ssh, where its address says so).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from ..errors import FlowerbedError
from ..flags import add_flags, taken
from ..source.options import SourceFlags
from ..source.prepare import prepared
from ..source.request import Request
from ..text import write

ENTRIES = {
    "authorization": "token_file",
    "password": "token_file",
    "ssh-privatekey": "ssh_key",
    "known_hosts": "known_hosts",
}


def credentials(folder: Path) -> dict[str, Any]:
    """Return what a mounted Secret opens: the paths of its entries, and the user's name in it."""
    found: dict[str, Any] = {
        field: folder / entry for entry, field in ENTRIES.items() if (folder / entry).is_file()
    }
    username = folder / "username"
    return found | ({"username": username.read_text().strip()} if username.is_file() else {})


def signed(address: str, folder: Path) -> str:
    """Return the address with the query that a mounted Secret holds, if it holds one."""
    query = folder / "query"
    if not query.is_file():
        return address
    text = query.read_text().strip().removeprefix("?")
    return f"{address}{'&' if '?' in address else '?'}{text}"


def fetch(asked: Request, to: Path) -> None:
    """Fetch the app and note its source. Raises FlowerbedError."""
    with prepared(asked, say) as found:
        say(f"source: {found.source}")
        if found.path.is_dir():
            shutil.copytree(found.path, to, symlinks=True)
        else:
            shutil.copyfile(found.path, to)
        to.with_name(f"{to.name}.json").write_text(json.dumps(dataclasses.asdict(found.source)))


def say(text: str) -> None:
    """Print a line of narration."""
    write(sys.stderr, f"{text}\n")


def main(argv: list[str]) -> int:
    """Run one command line; return its exit code."""
    os.umask(0o022)
    if argv[:1] == ["copy"]:
        shutil.copytree(argv[1], argv[2], ignore=shutil.ignore_patterns("..*"))  # the kubelet's own entries
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_flags(parser, SourceFlags)
    parser.add_argument("--credentials", type=Path)
    parser.add_argument("app")
    parser.add_argument("to", type=Path)
    arguments = parser.parse_args(argv)
    flags, address = taken(SourceFlags, vars(arguments)), arguments.app
    if arguments.credentials:
        flags = dataclasses.replace(flags, **credentials(arguments.credentials))
        address = signed(address, arguments.credentials)
    try:
        fetch(flags.request(address), arguments.to)
    except FlowerbedError as error:
        say(f"error: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
