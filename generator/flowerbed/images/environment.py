"""The same packages on this machine: an environment for each lock, for `flowerbed up`.

Environments lie in the user's cache, one for each lock and Python; uv links their files from its own cache.
They are made whole under another name first, so nobody meets half a one.
"""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from flowerbed.errors import FlowerbedError, UsageError
from flowerbed.files import make_private_folder, read_file
from flowerbed.images.images_lock import lock_file
from flowerbed.images.inputs import Inputs, inputs_of, sha256
from flowerbed.images.locking import Lock, index_flags, kept_lock, lock, write_lock
from flowerbed.images.processes import CompletedProcess, Tell, run, uv
from flowerbed.images.wheels import cache_folder
from flowerbed.plan import Component, Plan
from flowerbed.project import Project

_MODE = 0o644


def environments(plan: Plan, declaration: Path, tell: Tell) -> dict[Component, Path]:
    """Return the Python of every component whose image adds packages to Flower's; the rest run as they are.

    Locks and environments that are missing are made; components that ask for the same share one lock.
    Raises UsageError, or FlowerbedError without an index.
    """
    found = {}
    locks: dict[str, Lock] = {}
    for component in plan.images:
        inputs = inputs_of(plan, component, Project(declaration).directory)
        if len(inputs.requirements) > 1:
            made = kept_lock(inputs, declaration) or locks.get(inputs.digest)
            made = made or lock(inputs, declaration, tell=tell)
            locks[inputs.digest] = made
            found[component] = _environment(inputs, made, tell)
            write_lock(made, declaration, component)
    return found


def provided(plan: Plan, declaration: Path) -> dict[str, list[str]]:
    """Return what every image with apps in it has, as locked: versions by canonical name, one if all agree.

    Apps run in SuperExecs, and with isolation `subprocess` in SuperNodes. Empty where one of these is not
    declared or not locked: then Flower's own image runs.
    """
    components: set[Component] = {"superexec"}
    if any(tenant.isolation == "subprocess" for tenant in plan.tenants):
        components.add("supernode")
    if not components <= plan.images.keys():
        return {}
    locks = [_locked(lock_file(declaration, name)) for name in sorted(components)]
    common = set(locks[0]).intersection(*locks)
    return {name: sorted({lock[name] for lock in locks}) for name in sorted(common)}


def _locked(path: Path) -> dict[str, str]:
    found = read_file(path, _MODE)
    lines = found.data.decode(errors="replace").splitlines() if found else []
    pins = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {name: version.split()[0].rstrip(";") for name, _, version in pins if version.split()}


def _environment(inputs: Inputs, made: Lock, tell: Tell) -> Path:
    python = _interpreter(inputs.image.python)
    key = sha256("\n".join([python, platform.platform(), *made.requirements]))[:32]
    kept = cache_folder() / "environments" / key
    interpreter = kept / "bin" / "python"
    if interpreter.exists():
        return interpreter
    tell(f"{inputs.component}: making an environment with {len(made.requirements)} packages")
    make_private_folder(kept.parent)
    temporary = Path(tempfile.mkdtemp(dir=kept.parent, prefix=".new-"))
    try:
        _checked(inputs, run([uv(), "venv", "--quiet", "--relocatable", "--python", python, str(temporary)]))
        _checked(inputs, run(_install(inputs, made, temporary)))
        shutil.rmtree(kept, ignore_errors=True)
        temporary.rename(kept)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return interpreter


def _install(inputs: Inputs, made: Lock, folder: Path) -> list[str]:
    requirements = folder / "requirements.txt"
    requirements.write_text(made.text, encoding="utf-8")
    command = [uv(), "pip", "install", "--quiet", "--python", str(folder / "bin" / "python")]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--compile-bytecode"]
    return [*command, *index_flags(inputs), "--requirement", str(requirements)]


def _interpreter(line: str) -> str:
    """Return a Python of a line (`3.13`) on this machine: our own, or one that uv finds, or UsageError."""
    if line == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    outcome = run([uv(), "python", "find", "--no-python-downloads", "--system", line])
    if outcome.code or not outcome.lines:
        remedy = (
            f'install Python {line}, or write python: "{sys.version_info.major}.{sys.version_info.minor}"'
        )
        raise UsageError(f"the images run Python {line}, which this machine does not have", remedy=remedy)
    return outcome.lines[-1]


def _checked(inputs: Inputs, outcome: CompletedProcess) -> None:
    if outcome.code:
        reason = "\n    ".join(_told(outcome.lines))
        remedy = "check the network and the space on the disk; nothing was kept of it"
        raise FlowerbedError(
            f"the environment cannot be made: {reason}", where=f"images.{inputs.component}", remedy=remedy
        )


def _told(lines: Iterable[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip()][:8]
