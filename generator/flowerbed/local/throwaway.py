"""A federation that nobody declared: N nodes on this machine, gone with all its files at the end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from flowerbed import documents
from flowerbed.declaration import load_plan
from flowerbed.errors import UsageError
from flowerbed.local import execution
from flowerbed.local.start import Federation, up
from flowerbed.local.state import StateDirectory
from flowerbed.plan import Component
from flowerbed.project import Project

NAME = "local"
NODE_LIMIT = 64  # processes of one machine; more is a simulation's work


def _silent(_: str) -> None:
    pass


def declaration(nodes: int, packages: Sequence[str] = ()) -> str:
    """Return the declaration of a federation on this machine.

    `packages` are for its apps: requirements (`scikit-learn>=1.5`), or one file of them at most (a path).
    Raises UsageError for two files, or one that is not there.
    """
    files = [Path(name).resolve() for name in packages if _is_file(name)]
    if len(files) > 1:
        raise UsageError(f"{len(files)} files of requirements", remedy="name one, and packages beside it")
    if files and not files[0].is_file():
        raise UsageError("there is no such file", where=str(files[0]), remedy="name a requirements.txt")
    image = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "dependencies": [name for name in packages if not _is_file(name)],
        **({"requirements": str(files[0])} if files else {}),
    }
    declared = {
        "version": 1,
        "name": NAME,
        "flower": "1.41",
        "tenants": [{"name": "machine", "nodes": nodes}],
        "users": [{"name": "you", "role": "submitter"}],
        **({"images": {"supernode": image, "superexec": image}} if packages else {}),
    }
    return documents.encode(declared).decode()


def _is_file(name: str) -> bool:
    return name.endswith(".txt") or "/" in name


def locked(packages: Sequence[str], tell: Callable[[str], None] = _silent) -> Mapping[str, Sequence[str]]:
    """Return the versions by name that apps will have with these packages; their environment is made.

    A federation that this process then starts with the same packages has the same versions.
    Raises UsageError for what is not a requirement, FlowerbedError where no index answers.
    """
    from flowerbed.images.environment import environments, provided

    with tempfile.TemporaryDirectory(prefix="flowerbed-with-") as folder:
        file = Path(folder) / "federation.yaml"
        file.write_text(declaration(1, packages), encoding="utf-8")
        plan = load_plan(file)
        components = environments(plan, file, tell)
        lock = Project(file).image_lock
        _locks[tuple(packages)] = {component: lock(component).read_text("utf-8") for component in components}
        return provided(plan, file)


# By packages: the locks that `locked` made, by component.
_locks: dict[tuple[str, ...], dict[Component, str]] = {}


def _write_locks(file: Path, packages: Sequence[str]) -> None:
    for component, text in _locks.get(tuple(packages), {}).items():
        path = Project(file).image_lock(component)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


@contextmanager
def throwaway(
    nodes: int = 2,
    tell: Callable[[str], None] = _silent,
    *,
    wait: bool = True,
    packages: Sequence[str] = (),
) -> Iterator[Federation]:
    """Give a federation of `nodes` SuperNodes with keys and certificates of its own.

    It is a declared federation like any other, in a temporary folder. Processes and folder are gone when the
    context ends, and soon after this process ends in any other way; without `wait` the context ends at once,
    and they are gone some 5 seconds later. `tell` hears how it comes up, why app processes were not
    forked (see `execution`), and that it is taken down. Apps have
    this Python's packages, or Flower and `packages` alone (see `declaration`).
    Raises UsageError for a number of nodes below 1 or above NODE_LIMIT, LocalError where it cannot come up.
    """
    if not 1 <= nodes <= NODE_LIMIT:
        raise UsageError(f"{nodes} nodes on one machine", remedy=f"write a number from 1 to {NODE_LIMIT}")
    said: list[str] = []

    def heard(text: str) -> None:
        said.append(text)
        tell(text)

    folder = Path(tempfile.mkdtemp(prefix="flowerbed-local-"))
    file = folder / "federation.yaml"
    cleanup = _cleanup_process(folder, StateDirectory.of(file, NAME).mark)
    try:
        file.write_text(declaration(nodes, packages), encoding="utf-8")
        _write_locks(file, packages)
        federation = up(load_plan(file), file, tell=heard)
        try:
            yield federation
        finally:
            for reason, apps in execution.slower(federation.plan, StateDirectory.of(file, NAME)).items():
                if not any(reason in text for text in said):
                    tell(f"note: {execution.sentence(reason, apps)}")
            tell(f"taking down the local federation{'' if wait else ', in the background'}")
            if wait:
                federation.down()
            else:
                federation.leave()
    finally:
        if wait:
            cleanup.communicate()
        else:  # the cleanup process waits for the processes, ends what is left and removes the folder
            assert cleanup.stdin is not None  # noqa: S101  (it is a pipe)
            cleanup.stdin.close()


def _cleanup_process(folder: Path, mark: str) -> subprocess.Popen[bytes]:
    # A session of its own: no Ctrl-C of the terminal's reaches it.
    return subprocess.Popen(
        [sys.executable, "-m", "flowerbed.local.cleanup_process", str(folder), mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
