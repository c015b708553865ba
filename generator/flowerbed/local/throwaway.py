"""A federation that nobody declared: N nodes on this machine, gone with all its files at the end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flowerbed.declaration import load_plan
from flowerbed.errors import UsageError
from flowerbed.local.start import Federation, up
from flowerbed.local.state import state_of

NAME = "local"
NODE_LIMIT = 64  # processes of one machine; more is a simulation's work
_DECLARATION = """\
version: 1
name: {name}
flower: "1.41"
tenants:
  - {{name: machine, nodes: {nodes}}}
users:
  - {{name: you, role: submitter}}
"""


def _silent(_: str) -> None:
    pass


@contextmanager
def throwaway(
    nodes: int = 2, tell: Callable[[str], None] = _silent, *, wait: bool = True
) -> Iterator[Federation]:
    """Give a federation of `nodes` SuperNodes with keys and certificates of its own.

    It is a declared federation like any other, in a temporary folder. Processes and folder are gone when the
    context ends, and soon after this process ends in any other way; without `wait` the context ends at once,
    and they are gone some 5 seconds later. `tell` hears how it comes up, and that it is taken down.
    Raises UsageError for a number of nodes below 1 or above NODE_LIMIT, LocalError where it cannot come up.
    """
    if not 1 <= nodes <= NODE_LIMIT:
        raise UsageError(f"{nodes} nodes on one machine", remedy=f"write a number from 1 to {NODE_LIMIT}")
    folder = Path(tempfile.mkdtemp(prefix="flowerbed-local-"))
    file = folder / "federation.yaml"
    janitor = _janitor(folder, state_of(file, NAME).mark)
    try:
        file.write_text(_DECLARATION.format(name=NAME, nodes=nodes), encoding="utf-8")
        federation = up(load_plan(file), file, tell=tell)
        try:
            yield federation
        finally:
            tell(f"taking down the local federation{'' if wait else ', in the background'}")
            if wait:
                federation.down()
            else:
                federation.leave()
    finally:
        if wait:
            janitor.communicate()
        else:  # the janitor waits for the processes, ends what is left and removes the folder
            assert janitor.stdin is not None  # noqa: S101  (it is a pipe)
            janitor.stdin.close()


def _janitor(folder: Path, mark: str) -> subprocess.Popen[bytes]:
    # A session of its own: no Ctrl-C of the terminal's reaches it.
    return subprocess.Popen(
        [sys.executable, "-m", "flowerbed.local.janitor", str(folder), mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
