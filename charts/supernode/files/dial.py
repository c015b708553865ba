"""Tell whether a SuperNode's Runtime API answers: `dial.py HOST:PORT [CA]`, over TLS if a CA is given.

The readiness probe of a SuperExec: it serves nothing, and is of use only while it reaches its SuperNode.
"""

from __future__ import annotations

import ssl
import sys
import urllib.request


def main(address: str, ca: str | None = None) -> int:
    """Print why nobody answers; return 0 if somebody does."""
    trust = ssl.create_default_context(cafile=ca) if ca else None
    url = f"{'https' if ca else 'http'}://{address}/health"
    try:
        with urllib.request.urlopen(url, timeout=4, context=trust) as reply:  # noqa: S310
            reply.read(65536)  # of more than that none is read
    except OSError as error:
        print(f"{address}: {getattr(error, 'reason', error)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
