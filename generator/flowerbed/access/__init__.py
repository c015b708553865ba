"""A user's connection to a SuperLink: what it is, and the stock `flwr` command over it.

`flwr` 1.41 cannot present a client certificate. Where the SuperLink's gateway wants one, a small HAProxy on
this machine's loopback adds it, for the time of one session and for this session's `flwr` alone.
"""

from flowerbed.access.details import ConnectionDetails, details
from flowerbed.access.flwr_config import FlwrConfig
from flowerbed.access.session import Session, run_in, session

__all__ = ["ConnectionDetails", "FlwrConfig", "Session", "details", "run_in", "session"]
