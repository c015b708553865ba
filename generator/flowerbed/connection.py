"""`connection.toml`: how a user's tools reach a SuperLink. `scripts/submit.py` reads it."""

from __future__ import annotations

from flowerbed.names import FLOWER_FEDERATION

CONNECTION_FILE = "connection.toml"
_HEADER = (
    "# How to reach the SuperLink: flowerbed submit APP --connection connection.toml\n"
    "# Paths are relative to this file's directory.\n"
)


def connection_toml(
    address: str,
    *,
    insecure: bool = False,
    root_certificates: str = "",
    client_certificate: str = "",
    client_key: str = "",
) -> str:
    """Return the text of a connection.toml for the Control API at `address` (host:port).

    Paths are taken from the file's own folder; one that is "" is left out: without root certificates the
    system's trust counts, without a client certificate none is shown.
    """
    import tomli_w

    paths = {
        "root-certificates": root_certificates,
        "client-certificate": client_certificate,
        "client-key": client_key,
    }
    table = {"address": address, "federation": FLOWER_FEDERATION, "insecure": insecure}
    return _HEADER + tomli_w.dumps({"superlink": table | {key: path for key, path in paths.items() if path}})
