"""Print what Helm would install for one party of a declaration.

    template.py FEDERATION.yaml PARTY

PARTY is `coordinator` or a tenant's name. The bundles are generated first; the command is printed before it
runs. Ends with Helm's exit code, 2 for wrong input.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from flowerbed.bundles import generate
from flowerbed.cluster.party import parties
from flowerbed.cluster.programs import Programs, find_program
from flowerbed.cluster.session import Cluster
from flowerbed.declaration import load_plan
from flowerbed.errors import FlowerbedError
from flowerbed.project import Project


def main(arguments: list[str]) -> int:
    """Render one party's release; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("federation", type=Path, help="the declaration")
    parser.add_argument("party", help="coordinator, or a tenant's name")
    options = parser.parse_args(arguments)
    try:
        plan = load_plan(options.federation)
        bundles = Project(options.federation).bundles(plan.name)
        (party,) = parties(plan, bundles, [options.party])
        programs = Programs(helm=find_program("helm"), kubectl="kubectl")
        generate(plan, bundles)
    except FlowerbedError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    command = Cluster(programs, party).commands.template()
    print(f"$ {shlex.join(command)}", file=sys.stderr, flush=True)
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
