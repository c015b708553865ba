"""Flowerbed: deploy and run Flower federations on Kubernetes, and as processes on one machine.

What the command line does, from Python:

    import flowerbed
    from pathlib import Path

    plan = flowerbed.load_plan(Path("federation.yaml"))          # or DeclarationError, with every problem
    flowerbed.generate(plan, Path("bundles") / plan.name)        # identities that are missing, all bundles

    with flowerbed.federation(Path("federation.yaml")) as running:
        analyst = flowerbed.load_connection(running.connection("analyst"))
        run = flowerbed.submit(analyst, Path("my-app"), settings=["num-server-rounds=3"])
        outcome = flowerbed.follow(analyst, run)                 # status, reason and exit code
        record, log = flowerbed.get_run(analyst, run), flowerbed.read_log(analyst, run)
        report = flowerbed.build_report(record, log, flowerbed.list_nodes(analyst), plan)
        Path("report.html").write_text(flowerbed.render_page(report), encoding="utf-8")

Objects for notebooks and programs (docs/reference/python.md):

    hospitals = flowerbed.Federation.load("federation.yaml")     # or a connection.toml
    run = hospitals.submit("my-app", settings={"num-server-rounds": 3})
    run.wait().exit_code, run.status, run.metrics.rounds

Every expected failure is a `flowerbed.FlowerbedError`. Names are resolved on first use, so that importing
this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from flowerbed.errors import FlowerbedError

if TYPE_CHECKING:
    from flowerbed.bundles import generate
    from flowerbed.declaration import load_plan
    from flowerbed.flower.source.inline import Inline
    from flowerbed.flower.source.request import Request
    from flowerbed.local import down, federation, status, up
    from flowerbed.runs import follow, get_run, list_nodes, list_runs, load_connection, read_log, stop, submit
    from flowerbed.runs.client import Federation, Run
    from flowerbed.runs.report.model import build as build_report
    from flowerbed.runs.report.page import render_page
    from flowerbed.runs.report.text import render_text

__version__ = "0.1.0"

_HOMES = {
    "Federation": "runs.client",
    "Run": "runs.client",
    "load_plan": "declaration",
    "generate": "bundles",
    "federation": "local",
    "up": "local",
    "down": "local",
    "status": "local",
    "load_connection": "runs",
    "submit": "runs",
    "Inline": "flower.source.inline",
    "Request": "flower.source.request",
    "follow": "runs",
    "list_runs": "runs",
    "get_run": "runs",
    "read_log": "runs",
    "list_nodes": "runs",
    "stop": "runs",
    "build_report": "runs.report.model",
    "render_page": "runs.report.page",
    "render_text": "runs.report.text",
}

__all__ = [
    "Federation",
    "FlowerbedError",
    "Inline",
    "Request",
    "Run",
    "build_report",
    "down",
    "federation",
    "follow",
    "generate",
    "get_run",
    "list_nodes",
    "list_runs",
    "load_connection",
    "load_plan",
    "read_log",
    "render_page",
    "render_text",
    "status",
    "stop",
    "submit",
    "up",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'flowerbed' has no attribute {name!r}")
    home = import_module(f"flowerbed.{_HOMES[name]}")
    return getattr(home, "build" if name == "build_report" else name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
