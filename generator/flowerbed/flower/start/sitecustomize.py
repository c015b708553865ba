"""What Flowerbed adds to Flower's processes: Python itself loads this file there, as `sitecustomize`.

It lies in a folder on PYTHONPATH, beside the folder `flowerbed_start` with what it calls:

    ServerApp, ClientApp   apps.py         calls the parts below
                           app_folder.py   a working folder for each run
                           app_stop.py     they end when their run was stopped
                           app_ends.py     they say when their task has begun
    ClientApp              app_loading.py  why it cannot be loaded is in its reply
    ServerApp              app_replies.py  what came back from nodes is told in the run's log
                           pace.py         they wait briefly while there is work
    SuperExec              app_starts.py   few app processes start at once; runs at once are limited
                           warm.py         app processes are forked by warm_server.py
                           pace.py         it asks often while there is work
                           app_ends.py     the sudden end of an app process is told at once
    SuperNode              pace.py         it asks often while there is work
                           warm.py         its SuperExec is forked, too
                           app_stop.py     what it computes for a run that was stopped is given up
                           app_ends.py     a ClientApp that ended suddenly is answered for
"""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path
from typing import Any


def _next() -> None:
    """Run the `sitecustomize` that this one stands before, if there is one."""
    here = Path(__file__).resolve().parent
    for place in sys.path:
        file = Path(place or ".", "sitecustomize.py")
        if file.is_file() and file.resolve().parent != here:
            runpy.run_path(str(file), run_name="sitecustomize")
            return


def _part(name: str) -> Any:  # noqa: ANN401  (a module)
    return importlib.import_module(f"flowerbed_start.{name}")


def _superexec(starter: Any) -> None:  # noqa: ANN401  (warm.Starter, None for Flower's own way)
    _part("app_starts").limit(starter)
    if starter is not None:
        _part("pace").superexec()


def main() -> None:
    """Act in Flower's processes, and in no other one."""
    _next()
    # Flower's programs are scripts. In a pod, the supernode chart's observer.py is a SuperNode's.
    program = next((Path(word).name for word in sys.orig_argv[1:] if not word.startswith("-")), "")
    if program in {"flwr-serverapp", "flwr-clientapp"}:
        _part("apps").add(program)
    elif program == "flower-superexec":
        starter = _part("warm").Starter() if _part("pace").wanted() else None
        _superexec(starter)
        if starter is not None:
            _part("warm").superexec(starter)
    elif program in {"flower-supernode", "observer.py"}:
        if _part("pace").wanted():
            _part("pace").supernode()
            _part("warm").supernode(_superexec)
        _part("app_stop").watch_node()
        _part("app_ends").answer()


if __name__ == "sitecustomize":
    main()
