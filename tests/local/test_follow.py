"""One run of 10,000 lines, and what befalls those who follow it: each hears every line, once, in order."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowerbed import runs
from flowerbed.flower.connection import Connection
from flowerbed.flower.options import FollowOptions
from flowerbed.flower.runs import Outcome
from flowerbed.identities import CertificateAuthority
from support.apps import write_app
from support.local_federation import until
from support.loopback_federation import ALIAS, LIMIT, SUBMIT, Federation, running, ticks

LINES = 10_000
PAUSE = 0.003  # seconds between two lines
MOVED = "127.0.0.2"
ASLEEP = 5.0  # seconds: longer than the sleeper bears with an absent SuperLink


class Program:
    """A program that follows, with what it says in files, so that it never waits for a reader."""

    def __init__(self, folder: Path, name: str, *arguments: str | Path) -> None:
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen([sys.executable, *map(str, arguments)], stdout=out, stderr=err)

    @property
    def said(self) -> str:
        return self._err.read_text()

    def run_id(self) -> str:
        until(lambda: "\n" in self._out.read_text() or self.process.poll() is not None, LIMIT, "a run")
        return self._out.read_text().split()[0]


class Listener:
    """The same from Python, in a thread."""

    def __init__(self, connection: Connection, run_id: str) -> None:
        self._heard: list[str] = []
        self.outcome: Outcome | None = None
        following = FollowOptions(say=lambda _: None, log=self._heard.append)

        def follow() -> None:
            self.outcome = runs.follow(connection, run_id, following)

        self.thread = threading.Thread(target=follow, daemon=True)
        self.thread.start()

    @property
    def said(self) -> str:
        return "".join(self._heard)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running(tmp_path_factory.mktemp("federation"), direct=True) as federation:
        yield federation


def connection_file(federation: Federation, name: str, address: str) -> Path:
    """Write a connection with files of its own, which can be renewed."""
    text = f'[superlink]\naddress = "{address}"\nroot-certificates = "{name}-ca.crt"\n'
    text += f'client-certificate = "{name}.crt"\nclient-key = "{name}.key"\n'
    return federation.write(f"{name}.toml", text.encode())


def renewed(federation: Federation, name: str, authority: CertificateAuthority) -> None:
    """Put another CA and a certificate of its in the place of a connection's files."""
    federation.write(f"{name}-ca.crt", authority.certificate)
    federation.issue("analyst", file=name, authority=authority)


def move(federation: Federation, name_service: dict[str, str]) -> None:
    """Move the gateway to another host, under another CA, and tell those who are to follow it there."""
    authority = CertificateAuthority.create("moved")
    federation.issue_server("moved", [ALIAS], [MOVED], authority)
    federation.write("moved-ca.crt", authority.certificate)
    federation.start_gateway(
        "moved", GATEWAY_HOST=MOVED, GATEWAY_CERTIFICATE="moved.crt", GATEWAY_CLIENT_CA="moved-ca.crt"
    )
    renewed(federation, "moving", authority)
    connection_file(federation, "moving", f"{MOVED}:{federation.ports['control']}")
    renewed(federation, "renamed", authority)
    name_service[ALIAS] = MOVED
    federation.kill("gateway")


@pytest.fixture
def name_service(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give what a name stands for, to be changed; the system looks up every other name."""
    known, ask = {ALIAS: "127.0.0.1"}, socket.getaddrinfo

    def looked_up(host: Any, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401  (as the system's own)
        return ask(known.get(host, host), *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    return known


def test_every_line_once(federation: Federation, tmp_path: Path, name_service: dict[str, str]) -> None:
    """Through a gateway's restart, a sleep over it, a new address and new certificates, no line is lost."""
    port = federation.ports["control"]
    ours = (federation.folder / "ca.crt").read_bytes()
    for name in ("moving", "renamed"):
        federation.write(f"{name}-ca.crt", ours)
        federation.issue("analyst", file=name)
    moving = connection_file(federation, "moving", federation.control)
    renamed = connection_file(federation, "renamed", f"{ALIAS}:{port}")
    analyst = federation.connection_file()
    settings = ["--set", f"ticks={LINES}", "--set", f"pause={PAUSE}"]
    submitter = Program(
        tmp_path, "submitter", SUBMIT, write_app(tmp_path / "app"), "--connection", analyst, *settings
    )
    run_id = submitter.run_id()
    attach = ("-m", "flowerbed", "attach", run_id, "--records", tmp_path / "runs", "--connection")
    short = ("--unreachable-timeout", f"{ASLEEP - 2}s")
    sleeper = Program(tmp_path, "sleeper", *attach, analyst, *short)
    mover = Program(tmp_path, "mover", *attach, moving)
    listener = Listener(Connection.load(renamed), run_id)
    everybody = (submitter, sleeper, mover, listener)
    try:
        until(lambda: all(ticks(one.said) for one in everybody), LIMIT, "first lines")
        sleeper.process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        move(federation, name_service)
        before = {one: len(ticks(one.said)) for one in everybody}
        until(lambda: len(ticks(mover.said)) > before[mover], LIMIT, "lines from the new address")
        until(
            lambda: len(ticks(listener.said)) > before[listener], LIMIT, "lines from where the name leads now"
        )
        federation.start_gateway()
        until(
            lambda: len(ticks(submitter.said)) > before[submitter],
            LIMIT,
            "lines from the gateway that is back",
        )
        assert ticks(submitter.said)[-1] < LINES - 1, "the run was over before all had happened"
        until(lambda: time.monotonic() - stopped > ASLEEP, LIMIT, "a long sleep")
        sleeper.process.send_signal(signal.SIGCONT)
        for program in (submitter, sleeper, mover):
            assert program.process.wait(LIMIT) == 0, program.said[-2000:]
        listener.thread.join(LIMIT)
    finally:
        for program in (submitter, sleeper, mover):
            program.process.kill()
            program.process.wait()
        federation.kill("moved")
    assert listener.outcome is not None
    assert listener.outcome.status == "completed"
    for one in everybody:
        assert ticks(one.said) == list(range(LINES))
    assert ticks(runs.read_log(federation.connection(), run_id)) == list(range(LINES))
