"""The wheels of a lock, downloaded and checked by their hashes before any build begins.

So a build needs no index, no credentials and no network for packages.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from flowerbed.errors import FlowerbedError, UsageError
from flowerbed.files import make_private_folder
from flowerbed.images.inputs import Inputs, sha256
from flowerbed.images.locking import Lock, for_target, index_flags
from flowerbed.images.processes import Tell, run

# By platform: the machine as Python and as wheels call it. 2.36 is the C library of Debian 12.
_MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
_OLDEST, _NEWEST = 5, 36
WHEEL_LIST = "requirements.txt"
"""The list's name in a folder of wheels."""


def cache_folder() -> Path:
    """Return where downloads are kept: `flowerbed` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowerbed"


def target_environment(python: str, platform: str) -> dict[str, str]:
    """Return the values of PEP 508's markers in an image."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": _MACHINES[platform],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


def wheels(inputs: Inputs, made: Lock, tell: Tell) -> Path:
    """Return a folder with every wheel of a lock for the image's platform, and its `requirements.txt`.

    Raises UsageError for wheels that are missing or not the locked ones, FlowerbedError where an index does
    not answer. What is half downloaded is removed.
    """
    image = inputs.image
    text = wheel_list(inputs, made)
    kept = cache_folder() / "wheels" / sha256(f"{image.python} {image.platform}\n{text}")[:32]
    if kept.is_dir():
        return kept
    tell(f"{inputs.component}: downloading {len(text.splitlines())} wheels")
    make_private_folder(kept.parent)
    temporary = Path(tempfile.mkdtemp(dir=kept.parent, prefix=".new-"))
    try:
        (temporary / WHEEL_LIST).write_text(text, encoding="utf-8")
        _download(inputs, temporary)
        temporary.rename(kept)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return kept


def wheel_list(inputs: Inputs, made: Lock) -> str:
    """Return the part of a lock that applies to the image's platform, in pip's form with hashes."""
    image = inputs.image
    lines = for_target(made.requirements, target_environment(image.python, image.platform))
    return "".join(f"{line}\n" for line in lines)


def download_arguments(inputs: Inputs) -> list[str]:
    """Return pip's arguments that download wheels for an image, but for their list and folder."""
    image = inputs.image
    machine = _MACHINES[image.platform]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(_NEWEST, _OLDEST - 1, -1)]
    arguments = ["download", "--quiet", "--no-input", "--no-deps", "--require-hashes"]
    arguments += ["--disable-pip-version-check", "--only-binary", ":all:", "--python-version", image.python]
    for tag in (*tags, f"manylinux2014_{machine}", f"linux_{machine}"):
        arguments += ["--platform", tag]
    # uv reads from an http address that is declared; pip does so where it is told. Hashes are checked anyway.
    plain = {urlsplit(url).hostname for url in (image.index, *image.extra_index) if url.startswith("http:")}
    arguments += [part for host in sorted(filter(None, plain)) for part in ("--trusted-host", host)]
    return [*arguments, *index_flags(inputs)]


def _download(inputs: Inputs, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", *download_arguments(inputs)]
    outcome = run([*command, "--requirement", str(folder / WHEEL_LIST), "--dest", str(folder)])
    if outcome.code:
        raise download_failure(inputs, outcome.text)


def download_failure(inputs: Inputs, said: str) -> FlowerbedError:
    """Return the error for what pip said when it could not download wheels."""
    where = f"images.{inputs.component}"
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "pip said nothing")
    if "DO NOT MATCH THE HASHES" in said:
        found = re.search(r"^\s*(\S+==\S+|\S+) from .*:$", said, re.MULTILINE)
        package = found[1] if found else "a package"
        remedy = (
            "do not build with it; if the index really has new files, lock again: `flowerbed build --update`"
        )
        return UsageError(
            f"{package} is not what was locked: its hash does not match", where=where, remedy=remedy
        )
    if "No matching distribution" in said or "from versions: none" in said:
        found = re.search(r"No matching distribution found for (\S+)", said)
        package = found[1] if found else "a package"
        target = f"Python {inputs.image.python} on {inputs.image.platform}"
        remedy = (
            "build its wheel with `pip wheel` where a compiler is, and set that directory as `wheelhouse`"
        )
        return UsageError(f"{package} has no wheel for {target}", where=where, remedy=remedy)
    if "No module named pip" in said:
        return UsageError("downloading wheels needs pip", where=where, remedy="python -m ensurepip")
    remedy = "check the network and the space on the disk; nothing was kept of it"
    return FlowerbedError(f"the wheels cannot be downloaded: {last.strip()}", where=where, remedy=remedy)
