"""A further gateway before the shared federation's SuperLink, with settings of a test's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowerbed.local import Federation
from flowerbed.local.ports import reserve
from flowerbed.local.state import StateDirectory
from support.gateway_calls import call, trust
from support.local_federation import until
from support.paths import ROOT

LISTENERS = ("fleet", "control", "runtime", "readiness", "metrics")
CONFIG = ROOT / "charts" / "superlink" / "files" / "haproxy.cfg"
Start = Callable[..., dict[str, str]]


@pytest.fixture
def start(hospitals: Federation, tmp_path: Path) -> Iterator[Start]:
    """Return what starts a further gateway before the SuperLink, with other settings and users."""
    with contextlib.ExitStack() as stack:

        def begin(users: str = "olga operator\n", **settings: str) -> dict[str, str]:
            own = tmp_path / "gateway"
            shutil.copytree(StateDirectory.of(hospitals.file, "hospitals").path / "gateway", own)
            (own / "users").write_text(users)
            reservation = reserve(LISTENERS, {}, {})
            stack.callback(reservation.release)
            environment = {
                "PATH": os.environ["PATH"],
                "GATEWAY_HOST": "127.0.0.1",
                **{f"GATEWAY_{name.upper()}_PORT": str(port) for name, port in reservation.ports.items()},
                "GATEWAY_SUPERLINK_PORT": str(hospitals.record.ports["superlink"]),
                "GATEWAY_CERTIFICATE": "tls.crt",
                "GATEWAY_CLIENT_CA": "ca.crt",
                "GATEWAY_LOOPBACK_CA": "loopback-ca.crt",
                "GATEWAY_USERS": "users",
                "GATEWAY_ADMITTED": "admitted-keys",
                **settings,
            }
            log = stack.enter_context((tmp_path / "gateway.log").open("wb"))
            process = subprocess.Popen(
                ["haproxy", "-db", "-f", str(CONFIG)], cwd=own, env=environment, stdout=log, stderr=log
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            addresses = {name: f"127.0.0.1:{port}" for name, port in reservation.ports.items()}
            until(lambda: answers(addresses["readiness"]), 10, "a gateway that listens")
            return addresses

        yield begin


def answers(address: str) -> bool:
    with contextlib.suppress(OSError):
        return call(address, "/gateway", None, method="GET").status == 200
    return False


def as_user(folder: Path, user: str) -> ssl.SSLContext:
    own = folder / "users" / user
    return trust(own / "ca.crt", own / "client.crt", own / "client.key")
