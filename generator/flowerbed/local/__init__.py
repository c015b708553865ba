"""A declared federation as processes on this machine: the same plan, certificates, keys, gateway and flags.

    with flowerbed.local.federation(Path("federation.yaml")) as running:
        running.connection("analyst")    # a connection.toml, for scripts/submit.py and its like

`up` brings one up, `down` takes it down, `status` says how it is. Everything lies in `.flowerbed/NAME` beside
the declaration (see `state`). Names are resolved on first use: the command line must start fast.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowerbed.local.health import Status, status
    from flowerbed.local.run import Options
    from flowerbed.local.start import Federation, down, up
    from flowerbed.local.state import StateDirectory

_HOMES = {
    "Federation": "start",
    "down": "start",
    "up": "start",
    "StateDirectory": "state",
    "Status": "health",
    "status": "health",
    "Options": "run",
}

__all__ = [
    "Federation",
    "Options",
    "StateDirectory",
    "Status",
    "down",
    "federation",
    "status",
    "up",
]


def federation(file: Path) -> Federation:
    """Bring up the federation that `file` declares; it ends with the context, and with this process.

    Raises DeclarationError or LocalError.
    """
    from flowerbed.declaration import load_plan
    from flowerbed.local.start import up

    return up(load_plan(file), file)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
