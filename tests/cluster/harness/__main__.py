"""A cluster for a person: `python -m harness up|down|build [NAME]`; `make cluster` calls it."""

from __future__ import annotations

import argparse
import sys

from .built import start_detached, stop
from .cache import HarnessError, say
from .components import programs
from .images import containerd_root


def main() -> int:
    """Do what the arguments say; 1 if that failed."""
    parser = argparse.ArgumentParser(prog="harness", description=__doc__)
    parser.add_argument("verb", choices=["up", "down", "build"])
    parser.add_argument("name", nargs="?", default="play")
    parser.add_argument(
        "--number", type=int, default=0, help="1 to 250: its addresses are 198.19.NUMBER.*; 0: a free one"
    )
    parser.add_argument("--nodes", type=int, default=1, choices=range(1, 10))
    wanted = parser.parse_args()
    try:
        if wanted.verb == "build":
            containerd_root(programs())
        elif wanted.verb == "down":
            stop(wanted.name)
            say(f"cluster {wanted.name} is gone")
        else:
            cluster = start_detached(wanted.name, wanted.number, wanted.nodes)
            sys.stdout.write(f"export KUBECONFIG={cluster.kubeconfig}\n")
            sys.stdout.write(f'export PATH={cluster.programs}:"$PATH"\n')
            say(f"copy the two lines above; NodePorts are at {cluster.address}")
            say(f"`make cluster-down NAME={wanted.name}` ends it")
    except HarnessError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
