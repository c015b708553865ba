"""The program that starts a SuperNode: what it says while it waits, and what it becomes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest

from flowerbed.errors import RefusedError
from flowerbed.flower.connection import Connection, roots
from flowerbed.flower.errors import refusal
from flowerbed.flower.programs import supernode
from flowerbed.identities import CertificateAuthority, NodeKey
from flowerbed.local import Federation, StateDirectory
from support.local_federation import until
from support.paths import ROOT

PROGRAM = (str(ROOT / "generator/flowerbed/flower/launch.py"), "supernode")


@pytest.fixture
def node(hospitals: Federation, tmp_path: Path) -> Callable[..., list[str]]:
    """Return what makes the command line of an unlisted node; flags given replace the right ones."""
    (tmp_path / "key").write_bytes(NodeKey.generate().private)
    (tmp_path / "wrong.crt").write_bytes(CertificateAuthority.create("other").certificate)

    def command(**changes: str) -> list[str]:
        flags = {
            "state": str(tmp_path / "state"),
            "reason-file": str(tmp_path / "reason"),
            "superlink": hospitals.record.endpoints["fleet"].address,
            "root-certificates": str(
                StateDirectory.of(hospitals.file, "hospitals").path / "gateway" / "ca.crt"
            ),
            "auth-supernode-private-key": str(tmp_path / "key"),
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        return [sys.executable, *PROGRAM, *(f"--{name}={value}" for name, value in flags.items())]

    return command


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def fleet_port(federation: Federation) -> str:
    return federation.record.endpoints["fleet"].address.rpartition(":")[2]


REASONS: dict[str, tuple[Callable[[Federation, Path], dict[str, str]], str]] = {
    "key": (lambda federation, folder: {}, "not admitted: key"),
    "authority": (lambda federation, folder: {"root_certificates": str(folder / "wrong.crt")}, "wrong CA:"),
    # An address that leads here and that the certificate does not carry.
    "name": (lambda federation, folder: {"superlink": f"127.1:{fleet_port(federation)}"}, "wrong name:"),
    "plain": (
        lambda federation, folder: {"superlink": f"localhost:{federation.record.ports['readiness']}"},
        "wrong port:",
    ),
    "nobody": (lambda federation, folder: {"superlink": f"localhost:{closed_port()}"}, "unreachable:"),
    "unknown": (lambda federation, folder: {"superlink": "nobody.invalid:9092"}, "unreachable:"),
}


@pytest.mark.parametrize("case", REASONS)
@pytest.mark.needs("haproxy")
def test_it_waits_and_says_why(
    hospitals: Federation, node: Callable[..., list[str]], tmp_path: Path, case: str
) -> None:
    """Each cause has its own words, said once and kept in the reason file; SIGTERM ends the waiting."""
    changes, expected = REASONS[case]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(node(**changes(hospitals, tmp_path)), stdout=log, stderr=log)
    try:
        said = tmp_path / "log"
        until(lambda: f"supernode: waiting: {expected}" in said.read_text(), 30, f"{expected} in its log")
        assert (tmp_path / "reason").read_text().startswith(f"waiting: {expected}")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM
        assert said.read_text().count("waiting:") == 1
    finally:
        process.kill()
        process.wait()


class Clock(datetime):
    """The time on a machine whose clock is wrong."""

    wrong_by = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + cls.wrong_by


@pytest.mark.parametrize(("seconds", "way"), [(60, "ahead of"), (-600, "behind"), (0, "")])
@pytest.mark.needs("haproxy")
def test_a_wrong_clock_is_named(
    hospitals: Federation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: int, way: str
) -> None:
    """An admitted key's signature of another time is refused; the answer's date says by how much."""
    monkeypatch.setattr(Clock, "wrong_by", timedelta(seconds=seconds))
    monkeypatch.setattr(supernode, "datetime", Clock)
    (tmp_path / "key").write_bytes(NodeKey.generate().private)
    state = StateDirectory.of(hospitals.file, "hospitals")
    key = supernode.read_key(state.node("hospitals-north-0") / "key" if seconds else tmp_path / "key")
    assert key is not None
    roots = state.path / "gateway" / "ca.crt"
    address = hospitals.record.endpoints["fleet"].address
    fleet = supernode.Fleet(Connection(address=address, root_certificates=roots), key)
    with fleet:
        with pytest.raises(RefusedError) as refusal:
            fleet.activate()
        reason = supernode.Admission(fleet, tmp_path / "id", None).reason(refusal.value)
    if not seconds:
        assert reason.startswith("not admitted: key")
        return
    said = re.fullmatch(rf"clock skew: this machine's clock is (\d+) s {way} the SuperLink's", reason)
    assert said is not None, reason
    assert abs(int(said[1]) - abs(seconds)) <= 3


class Lenient:
    """A fleet that lets a node in at the second try, and remembers what it was asked."""

    public = b"key"
    connection = Connection(address="fleet.example.org:443")

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.calls: list[object] = []

    def activate(self) -> int:
        self.calls.append("activate")
        if self.refusals:
            self.refusals -= 1
            raise refusal(412, supernode.NOT_ACTIVATED, "not activated", address=self.connection.address)
        return 7

    def deactivate(self, node_id: int) -> None:
        self.calls.append(node_id)


@pytest.mark.parametrize(
    ("remembered", "refusals", "pause", "offline"),
    [("6", 0, 0.0, True), ("6", 1, 0.0, True), ("", 0, 0.0, False), ("", 1, 0.0, False), ("", 1, 25.0, True)],
)
def test_who_may_have_been_online_stays_offline_for_a_moment(
    remembered: str,
    refusals: int,
    pause: float,
    offline: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that the ServerApp learns what is lost; a node that is new loses no time."""
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda _: clock.__setitem__(0, clock[0] + pause))
    if remembered:
        (tmp_path / "id").write_text(remembered)
    fleet = Lenient(refusals)
    admission = supernode.Admission(fleet, tmp_path / "id", None)  # type: ignore[arg-type]
    online_from = admission.wait()
    assert fleet.calls == [*([6] if remembered else []), *["activate"] * (refusals + 1), 7]
    assert online_from == (clock[0] + supernode.OFFLINE_SECONDS if offline else 0.0)


@pytest.mark.parametrize("flags", [["--insecure"], ["--root-certificates", "/nowhere.crt"]])
def test_without_a_key_or_tls_it_starts_the_supernode_directly(tmp_path: Path, flags: list[str]) -> None:
    """There is nothing to wait for, so flower-supernode gets its flags as they are."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, *PROGRAM, "--state", str(tmp_path), *flags, "--version"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "Flower version: 1.41.0")


def test_a_missing_flower_is_named(tmp_path: Path) -> None:
    """Without flower-supernode on the PATH one sentence says so."""
    done = subprocess.run(
        [sys.executable, *PROGRAM, "--state", str(tmp_path), "--insecure"],
        capture_output=True,
        text=True,
        env={"PATH": "/nowhere"},
        check=False,
    )
    assert done.returncode == 1
    assert "cannot start flower-supernode" in done.stderr


def test_certificates_of_the_system_are_those_that_flower_would_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a root file Flower trusts SSL_CERT_FILE, else certifi's bundle; so does this program."""
    import certifi

    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert roots(None) == Path(certifi.where())
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/own.pem")
    assert roots(None) == Path("/etc/own.pem")
    assert roots(Path("given.pem")) == Path("given.pem")


def test_the_clock_of_the_tests_is_right() -> None:
    """The stand-in for a wrong clock tells the right time when it is wrong by nothing."""
    assert abs(datetime.now(UTC) - Clock.now(UTC)) < timedelta(seconds=1)
