"""Make one call on the SuperLink's fleet path, as a stranger: `reach_fleet FLAGS OF FLOWER-SUPERNODE...`

The answer that it wants is the SuperLink's own refusal of an unsigned call: then name, network, TLS, gateway
and SuperLink are in order, and nothing has changed anywhere.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..client import FlowerClient, flwr_without_init
from ..connection import Connection, flower_options, roots
from ..errors import FlowerbedError, RefusedError
from ..text import write

if TYPE_CHECKING:
    from collections.abc import Sequence

UNSIGNED = 401  # flwr 1.41: superlink/routers/fleet/node_auth.py


def main(arguments: Sequence[str]) -> int:
    """Print what the SuperLink answers; return 0 if it is the wanted refusal."""
    with flwr_without_init():
        from flwr.proto.fleet_pb2 import PullMessagesRequest, PullMessagesResponse
    flags = flower_options(list(arguments))
    trusted = None if flags.insecure else roots(flags.root_certificates)
    connection = Connection(address=flags.superlink, insecure=flags.insecure, root_certificates=trusted)
    try:
        with FlowerClient(connection, timeout=10.0) as client:
            client.call("fleet/pull-messages", PullMessagesRequest(), PullMessagesResponse)
    except RefusedError as refusal:
        if refusal.status == UNSIGNED:
            write(sys.stdout, f"{connection.address} is a SuperLink: it asks for a node's signature\n")
            return 0
        said = str(refusal)
    except FlowerbedError as error:
        said = str(error)
    else:
        what = "answered an unsigned call: this is not a SuperLink's fleet address"
        said = f"{connection.address} {what}"
    write(sys.stdout, f"{said}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
