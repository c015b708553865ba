"""The verbs of the local federation, up and down, and its status."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from flowerbed.cli.common import FileArgument, FileOption, JsonOption, declaration_file, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.declaration import load_plan
from flowerbed.local.health import Status, status
from flowerbed.local.run import Options, supervise
from flowerbed.local.start import down_all, join, up
from flowerbed.local.state import StateDirectory
from flowerbed.plan import Plan


def up_command(
    file: FileArgument = None,
    option: FileOption = None,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="Return once all nodes are online; keep running in the background."),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=1, metavar="SECONDS", help="Wait at most this long for the nodes."),
    ] = 120.0,
    no_gateway: Annotated[
        bool, typer.Option("--no-gateway", help="Run without HAProxy: no users, no roles.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Run the declared federation as processes on this machine."""
    path = declaration_file(file, option)
    plan = load_plan(path)
    options = Options(gateway=not no_gateway, timeout=timeout, detached=detach)
    if record := join(plan, StateDirectory.of(path, plan.name), timeout):
        narrate(f"{plan.name} is running already (supervisor {record.pid})")
    elif detach:
        up(plan, path, options, narrate)
    else:
        return supervise(plan, path, options, lambda: _shown(plan, path, json=json))
    show(plan, path, json=json)
    return 0


def down_command(file: FileArgument = None, option: FileOption = None) -> int:
    """Stop the local federation."""
    path = declaration_file(file, option)
    ended = down_all(path)
    nothing = (
        f"nothing runs from {path}; nothing to take down on this machine"
        " (`flowerbed uninstall` removes a federation from Kubernetes)"
    )
    narrate(f"{', '.join(ended)}: down" if ended else nothing)
    return 0


def _shown(plan: Plan, file: Path, *, json: bool) -> None:
    with contextlib.suppress(OSError):  # a reader that has left is no reason to take the federation down
        show(plan, file, json=json)
        sys.stdout.flush()
        narrate("Ctrl-C takes it down")


def show(plan: Plan, file: Path, *, json: bool) -> Status:
    """Print how the local federation is, and return it."""
    found = status(plan, file)
    if json:
        say_json(found)
    else:
        for line in _lines(found):
            say(line)
    return found


def _lines(found: Status) -> list[str]:
    if found.state == "stopped":
        return list(found.problems)
    how = "healthy" if found.healthy else "NOT healthy"
    gateway = "gateway" if found.gateway else "no gateway"
    safety = "INSECURE" if found.insecure else "TLS"
    head = f"{found.name}: {found.state}, {how} ({safety}, {gateway}, admission {found.admission}"
    lines = [f"{head}, Flower {found.flower}, supervisor {found.pid})", ""]
    for audience, endpoint in found.endpoints.items():
        tls = (
            f"  {' '.join(endpoint.tls_names)}  CA {endpoint.ca_fingerprint[:16]}"
            if endpoint.tls_names
            else ""
        )
        lines.append(f"  {audience:<8} {endpoint.address}{tls}")
    lines.append("")
    width = max((len(part.name) for part in found.parts), default=0)
    for part in found.parts:
        restarts = f", {part.restarts} restart{'s' * (part.restarts != 1)}" if part.restarts else ""
        lines.append(f"  {part.name:<{width}}  {part.state} {part.pid or ''}{restarts}".rstrip())
    lines.append("")
    lines += [f"  {node.name:<{width}}  {node.state:<12} {node.node_id}".rstrip() for node in found.nodes]
    lines += [f"problem: {problem}" for problem in found.problems]
    lines += [f"warning: {warning}" for warning in found.warnings]
    return lines
