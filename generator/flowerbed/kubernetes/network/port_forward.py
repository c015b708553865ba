"""`kubectl port-forward` to the SuperLink's pod: how a machine outside the cluster reaches the gateway.

It needs the right `create pods/portforward` in the coordinator's namespace and opens a port on loopback only.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
from collections.abc import Iterator

from flowerbed.cluster.programs import error_message
from flowerbed.cluster.session import Cluster
from flowerbed.errors import UnreachableError

START_TIMEOUT = 15.0
_LINE = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)")


@contextlib.contextmanager
def port_forward(cluster: Cluster, ports: tuple[int, ...]) -> Iterator[dict[int, int]]:
    """Give loopback ports that lead to `ports` of the SuperLink's pod, by those, until the block ends.

    Raises UnreachableError when the pod is not there, does not run, or may not be reached this way.
    """
    pod = f"pod/{cluster.party.release}-0"
    words = [f":{port}" for port in ports]
    process = subprocess.Popen(
        cluster.commands.in_namespace("port-forward", pod, "--address", "127.0.0.1", *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(START_TIMEOUT, process.kill)
    watchdog.start()
    try:
        found = _read(process, len(ports), cluster.where)
        watchdog.cancel()
        yield found
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def _read(process: subprocess.Popen[str], count: int, where: str) -> dict[int, int]:
    found: dict[int, int] = {}
    assert process.stdout is not None  # noqa: S101  (it was asked for)
    for line in process.stdout:
        if match := _LINE.match(line):
            found[int(match[2])] = int(match[1])
        if len(found) == count:
            return found
    _, err = process.communicate()
    remedy = "is the pod running, and may you `create pods/portforward` in this namespace?"
    raise UnreachableError(error_message(err) or "kubectl port-forward ended", where=where, remedy=remedy)
