"""What a run was submitted with, for its record: versions, host and command line, without secrets."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import socket
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata

from .source.address import bare
from .text import harmless

MOST_PACKAGES = 2000
MOST_ARGUMENTS = 200
_PROJECT = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-.*)?\.(?:dist|egg)-info")
# Names of options and of run config keys whose value may be a secret.
_SECRET = re.compile(
    r"(?i)token|secret|passw|passphrase|pwd|api[-_.]?key|access[-_.]?key|credential|private|signature|bearer"
)
HIDDEN = "***"


def environment() -> dict[str, object]:
    """Return versions of Flowerbed, Flower and Python, the platform, the host's name, installed packages.

    `packages` has the version of up to MOST_PACKAGES by PEP 503 name; `packages_left_out` more are installed.
    """
    found = packages(sys.path)
    kept = dict(list(found.items())[:MOST_PACKAGES])
    return {
        "flowerbed": _version("flowerbed"),
        "flower": _version("flwr"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "host": harmless(socket.gethostname()),
        "packages": kept,
        "packages_left_out": len(found) - len(kept),
    }


def packages(folders: Iterable[str]) -> dict[str, str]:
    """Return the versions of what is installed in folders, by PEP 503 name; the first folder counts.

    They are read from the names of the metadata directories (PEP 376, PEP 427).
    """
    found: dict[str, str] = {}
    for folder in folders:
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(folder or ".")):  # noqa: PTH208
                if match := _PROJECT.fullmatch(name):
                    project = re.sub(r"[-_.]+", "-", match["name"]).lower()
                    found.setdefault(harmless(project), harmless(match["version"]))
    return dict(sorted(found.items()))


def command_line(arguments: Sequence[str]) -> list[str]:
    """Return a command line as it may be kept: each argument on one line, cut to 300 characters.

    Addresses lose user, password and query; the value of a key whose name suggests a secret is HIDDEN.
    Paths of token and key files stay.
    """
    kept = [_argument(argument) for argument in arguments[:MOST_ARGUMENTS]]
    hidden = [
        HIDDEN if before.startswith("--") and "=" not in before and _is_secret(before) else one
        for before, one in zip(["", *kept], kept, strict=False)
    ]
    left_out = len(arguments) - MOST_ARGUMENTS
    return hidden + [f"... {left_out} more"] * (left_out > 0)


def _argument(text: str) -> str:
    text = bare(text.replace("\n", " "))
    option, sign, _ = text.partition("=")
    if sign and option.startswith("--") and not _is_secret(option):  # --set=KEY=VALUE
        key, sign, _ = text[len(option) + 1 :].partition("=")
        option = f"{option}={key}"
    else:
        key = option
    return harmless(f"{option}={HIDDEN}" if sign and _is_secret(key) else text)


def _is_secret(key: str) -> bool:
    return bool(_SECRET.search(key)) and not (key.startswith("--") and key.endswith("-file"))


def _version(project: str) -> str:
    try:
        return metadata.version(project)
    except metadata.PackageNotFoundError:
        return ""
