"""The SuperNode chart's own programs: what a pod makes at its start, and what its probes say."""

from __future__ import annotations

import importlib.util
import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flowerbed.flower.programs import supernode
from flowerbed.identities.authority import CertificateAuthority
from support.https_server import serving
from support.paths import CHARTS

pytestmark = pytest.mark.pods

FILES = CHARTS / "supernode/files"


def load(name: str) -> ModuleType:
    """Return one of the chart's programs as a module."""
    spec = importlib.util.spec_from_file_location(f"chart_{name}", FILES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prepare(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run prepare.py."""
    command = [sys.executable, str(FILES / "prepare.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def handshake(server: Path, client: Path, name: str) -> None:
    """Shake hands in memory, strictly. Raises ssl.SSLError if the client does not trust the server."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(server / "tls.crt", server / "tls.key")
    trusting = ssl.create_default_context(cafile=str(client / "ca.crt"))
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    first = trusting.wrap_bio(down, up, server_hostname=name)
    second = serving.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (first, second):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


def test_a_node_and_its_superexec_trust_each_other_and_no_others(tmp_path: Path) -> None:
    """Both derive one secret and one authority; another release's secret, node or name is refused."""
    name, node = "hospitals-north-0.hospitals-north-runtime.north.svc.cluster.local", "hospitals-north-0"
    sides = {
        "server": (b"s" * 32, node),
        "client": (b"s" * 32, node),
        "neighbour": (b"s" * 32, "hospitals-north-1"),
        "stranger": (b"t" * 32, node),
    }
    for folder, (secret, whose) in sides.items():
        (tmp_path / folder).mkdir()
        (tmp_path / f"{folder}.secret").write_bytes(secret)
        deed, names = ("server", [name]) if folder == "server" else ("client", [])
        done = prepare(deed, tmp_path / folder, tmp_path / f"{folder}.secret", whose, *names)
        assert done.returncode == 0, done.stderr
    handshake(tmp_path / "server", tmp_path / "client", name)
    for other in ("neighbour", "stranger"):
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            handshake(tmp_path / "server", tmp_path / other, name)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        handshake(tmp_path / "server", tmp_path / "client", "hospitals-north-1")
    secrets = {folder: (tmp_path / folder / "secret").read_text() for folder in sides}
    assert secrets["server"] == secrets["client"]
    assert len(set(secrets.values())) == 3
    assert len(secrets["server"]) == 64
    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "server").iterdir()}
    assert modes == dict.fromkeys(("secret", "ca.crt", "tls.crt", "tls.key"), 0o640)
    assert not (tmp_path / "client/tls.key").exists()


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    """A secret that could be guessed from the certificates ends the init container, with the reason."""
    (tmp_path / "secret").write_bytes(b"password")
    done = prepare("client", tmp_path, tmp_path / "secret", "hospitals-north-0")
    assert done.returncode == 1
    assert "has 8 bytes; it needs at least 32" in done.stderr
    assert not (tmp_path / "ca.crt").exists()


def test_each_start_makes_another_secret(tmp_path: Path) -> None:
    """A sidecar's secret is new at every start, and long enough."""
    found = set()
    for _ in range(3):
        assert prepare("secret", tmp_path).returncode == 0
        found.add((tmp_path / "secret").read_text())
    assert len(found) == 3
    assert all(len(secret) >= 32 for secret in found)


def observed(tmp_path: Path, change: Callable[[Any], None]) -> tuple[str, str]:
    """Return what both probes say of a SuperNode in this process, after a change to its notes."""
    observer = load("observer")
    notes = observer.Notes(tmp_path / "observed")
    notes.begin()
    change(notes)
    return observer.ready(notes, tmp_path / "reason"), observer.alive(notes)


def aged(name: str, seconds: float) -> Callable[[Any], None]:
    """Return a change that dates a note back."""
    return lambda notes: (notes.folder / name).write_text(f"{time.monotonic() - seconds:.1f}")


@pytest.mark.parametrize(
    ("change", "ready", "alive"),
    [
        (lambda notes: notes.mark("online"), "", ""),
        (aged("online", 50), "", ""),
        (aged("online", 70), r"acknowledged no heartbeat for 7\d s", ""),
        (lambda notes: None, "acknowledged no heartbeat yet", ""),
        (lambda notes: notes.problem("pull-messages: HTTP 503"), "last problem: pull-messages: HTTP 503", ""),
        (aged("worker", 400), "acknowledged no heartbeat yet", r"has not asked for work for 4\d\d s"),
        (aged("heartbeat", 400), "acknowledged no heartbeat yet", r"has not sent a heartbeat for 4\d\d s"),
        (aged("heartbeat", 200), "acknowledged no heartbeat yet", ""),
    ],
)
def test_probes(tmp_path: Path, change: Callable[[Any], None], ready: str, alive: str) -> None:
    """Ready is an acknowledged heartbeat of the last 60 s; alive is a try of each kind in the last 300 s.

    The age that is reported counts on from the note's own: the probe takes time as well.
    """
    said = observed(tmp_path, change)
    for found, expected in zip(said, (ready, alive), strict=True):
        assert re.search(expected, found) if expected else found == ""


def test_a_node_stays_offline_for_as_long_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once: when it is activated again later, there is nothing to wait for."""
    observer = load("observer")
    assert observer.ONLINE_FROM == supernode.ONLINE_FROM
    began = time.monotonic()
    monkeypatch.setenv(observer.ONLINE_FROM, f"{began + 0.4:.1f}")
    observer.stay_offline()
    assert time.monotonic() - began > 0.3
    assert observer.ONLINE_FROM not in os.environ
    slept: list[float] = []
    monkeypatch.setattr(observer.time, "sleep", slept.append)
    observer.stay_offline()
    assert slept == [0.0]


def test_notes_of_an_earlier_process_count_for_nothing(tmp_path: Path) -> None:
    """While a new start waits, the notes of the one before neither make it Ready nor end it."""

    def of_another(notes: Any) -> None:  # noqa: ANN401
        notes.mark("online")
        aged("worker", 9999)(notes)
        (notes.folder / "process").write_text(f"{os.getpid()} 1")
        (tmp_path / "reason").write_text("waiting: not admitted\n")

    assert observed(tmp_path, of_another) == ("waiting: not admitted", "")


def dial(*arguments: str | Path) -> tuple[int, str]:
    """Run dial.py as the probe does, and return its exit code and words."""
    command = [sys.executable, "-I", "-S", str(FILES / "dial.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_superexec_is_ready_while_its_supernode_answers_under_its_own_name(tmp_path: Path) -> None:
    """The probe passes over TLS with the right authority, and says why with another, or where nobody is."""
    (tmp_path / "health").write_text("{}")
    with serving(tmp_path) as server:
        assert dial(server.address, tmp_path / "ca.crt") == (0, "")
        stranger = tmp_path / "stranger.crt"
        stranger.write_bytes(CertificateAuthority.create("stranger", 1).certificate)
        code, said = dial(server.address, stranger)
        assert code == 1
        assert "CERTIFICATE_VERIFY_FAILED" in said
        assert dial(server.address)[0] == 1, "plain HTTP is no answer of a TLS port"
    code, said = dial(server.address, tmp_path / "ca.crt")
    assert code == 1
    assert "Connection refused" in said
