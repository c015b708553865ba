"""Make one call on the SuperLink's control path, as the user: `reach_control CONNECTION.TOML`.

It lists runs, and changes nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..client import FlowerClient
from ..connection import Connection
from ..errors import FlowerbedError
from ..runs import runs
from ..text import write


def main(file: Path) -> int:
    """Print what the SuperLink answers; return 0 if it lists its runs."""
    try:
        connection = Connection.load(file)
        with FlowerClient(connection, timeout=10.0) as client:
            found = runs(client, limit=1)
    except FlowerbedError as error:
        write(sys.stdout, f"{error}\n")
        return 1
    last = f"its last run is {found[0].run_id}" if found else "it has no run yet"
    write(sys.stdout, f"{connection.address} is a SuperLink, and takes this user: {last}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
