"""Install, upgrade, render, inspect or remove one party of a declaration with Helm, from this repository.

    party.py install|upgrade|template|status|uninstall FEDERATION.yaml PARTY

PARTY is `coordinator` or a tenant's name. Each command is printed before it runs, and is what the party's
INSTALL.md says. Ends with the exit code of the first command that fails, 2 for wrong input. `flowerbed apply`
does the same for all parties at once, and tells what it waits for.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from flowerbed.bundles import generate
from flowerbed.declaration import load_plan
from flowerbed.errors import FlowerbedError
from flowerbed.kubernetes.changes import is_missing
from flowerbed.kubernetes.objects import INSTANCE
from flowerbed.kubernetes.parties import Commands, parties
from flowerbed.kubernetes.programs import Command, Programs, find_programs
from flowerbed.project import Project

VERBS = ("install", "upgrade", "template", "status", "uninstall")


def main(arguments: list[str]) -> int:
    """Run one verb for one party; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("federation", type=Path, help="the declaration")
    parser.add_argument("party", help="coordinator, or a tenant's name")
    options = parser.parse_args(arguments)
    try:
        plan = load_plan(options.federation)
        bundles = Project(options.federation).bundles(plan.name)
        (party,) = parties(plan, bundles, [options.party])
        if options.verb in {"install", "upgrade", "template"}:
            generate(plan, bundles)
        programs = find_programs()
        return run(commands(options.verb, programs, Commands(programs, party)))
    except FlowerbedError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def commands(verb: str, programs: Programs, about: Commands) -> Iterator[Command]:
    """Yield the commands of a verb in their order."""
    party = about.party
    match verb:
        case "template":
            yield about.template()
        case "status":
            yield about.release("status")
            yield about.here("get", "pods", "--selector", f"{INSTANCE}={party.release}")
        case "uninstall":
            yield about.release("uninstall", "--wait")
        case _:
            for name in party.namespaces if verb == "install" else ():
                if is_missing(programs, about, name):
                    yield about.create_namespace(name)
                    yield about.label_namespace(name)
            if party.secrets:
                yield about.apply_secrets(party.secrets)
            # A tenant's nodes get ready only once the coordinator runs, so nothing waits for them here.
            wait = ["--wait", "--timeout", "10m"] if party.is_coordinator else []
            yield about.upgrade(*wait, install=verb == "install")


def run(wanted: Iterator[Command]) -> int:
    """Print and run each command; return the exit code of the first that fails, else 0."""
    for command in wanted:
        print(f"$ {shlex.join(command)}", file=sys.stderr, flush=True)
        if code := subprocess.run(command, check=False).returncode:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
