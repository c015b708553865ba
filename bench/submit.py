"""To a run's id and to the command's end: `submit.py` and `flowerbed submit` beside `flwr run` and the floor.

    python bench/submit.py [--runs N]

Whole processes against one SuperLink with TLS on loopback, in turn, the same app. No SuperExec takes the
runs, so nothing else works meanwhile. The floor is Python's start and one round trip over TLS.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from measure import BenchError, Command, Summary, environment, interleave, table, write_results

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
SUBMIT = ROOT / "scripts" / "submit.py"
APP = ROOT / "examples" / "digits"
LIMIT = 60.0
RUN_ID = re.compile(r"^\d+$", re.MULTILINE)
STARTED = re.compile(r"Successfully started run \d+")
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
# In a process of its own: what this one imports would count into the peaks (see measure.py).
CERTIFICATES = """
import os
from pathlib import Path
from flowerbed.identities import CertificateAuthority
authority = CertificateAuthority.create("bench")
server = authority.issue_server(["localhost"], ["127.0.0.1"], 1)
Path("ca.crt").write_bytes(authority.certificate)
Path("tls.crt").write_bytes(server.certificate)
Path("tls.key").write_bytes(server.private_key)
Path("secret").write_bytes(os.urandom(32))
"""
FLOOR = """
import http.client, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(sys.argv[2])
connection = http.client.HTTPSConnection("localhost", int(sys.argv[1]), context=context)
connection.request("POST", "/v1/control/list-runs", b"", {"Content-Type": "application/protobuf"})
print(connection.getresponse().status)
"""


@contextmanager
def superlink(folder: Path, database: Path | None = None) -> Iterator[int]:
    """A SuperLink with TLS that keeps its runs in memory, or in a database; gives its port."""
    if not (folder / "ca.crt").exists():
        subprocess.run([sys.executable, "-c", CERTIFICATES], cwd=folder, check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    tls = ["--ssl-certfile", "tls.crt", "--ssl-keyfile", "tls.key", "--ssl-ca-certfile", "ca.crt"]
    waiting = ["--isolation", "process", "--superexec-auth-secret-file", "secret"]
    kept = ["--database", str(database)] if database else []
    command = [str(BIN / "flower-superlink"), "--port", str(port), *tls, *waiting, *kept]
    surroundings = {**os.environ, **QUIET, "FLWR_HOME": str(folder / "superlink")}
    with (folder / "superlink.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=surroundings, stdout=log, stderr=log)
    try:
        _await(port, process)
        yield port
    finally:
        process.kill()
        process.wait()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"the SuperLink does not start: {error}") from error
            time.sleep(0.1)


def commands(folder: Path, port: int) -> dict[str, Command]:
    """Return what is measured, by name; `flwr run` gets a home with one connection in it."""
    roots, address = str(folder / "ca.crt"), f"localhost:{port}"
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "bench"\n'
        f'[superlink.bench]\naddress = "{address}"\nroot-certificates = "{roots}"\n'
    )
    flags = [str(APP), "--address", address, "--root-certificates", roots, "--detach"]
    python = sys.executable
    return {
        "floor": Command([python, "-c", FLOOR, str(port), roots], check=_expect_200, limit=LIMIT),
        "submit.py": Command([python, str(SUBMIT), *flags], check=_expect_id, answer=RUN_ID, limit=LIMIT),
        "flowerbed submit": Command(
            [str(BIN / "flowerbed"), "submit", *flags],
            cwd=folder,
            check=_expect_id,
            answer=RUN_ID,
            limit=LIMIT,
        ),
        "flwr run": Command(
            [str(BIN / "flwr"), "run", str(APP), "bench"],
            env={**QUIET, "FLWR_HOME": str(home)},
            check=_expect_started,
            answer=STARTED,
            limit=LIMIT,
        ),
    }


def _expect_200(output: str) -> None:
    if output.strip() != "200":
        raise BenchError(f"the floor's call was answered with {output!r}")


def _expect_id(output: str) -> None:
    if not output.strip().isdecimal():
        raise BenchError(f"no run id: {output!r}")


def _expect_started(output: str) -> None:
    if not STARTED.search(output):
        raise BenchError(f"flwr run started nothing: {output!r}")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=11, metavar="N", help="turns (default: 11)")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with superlink(folder) as port:
            found = interleave(commands(folder, port), runs)
    report(found)


HEADINGS = (
    "program",
    "id after s",
    "s",
    "CPU s",
    "peak MB",
    "id to flwr run",
    "id to flwr run's id",
    "s to flwr run",
    "id to floor",
)


def report(found: dict[str, Summary]) -> None:
    """Print the table and write the figures."""
    flwr, floor = found["flwr run"], found["floor"]
    rows = [
        (
            name,
            f"{summary.answered:.3f}",
            f"{summary.seconds:.3f}",
            f"{summary.cpu_seconds:.3f}",
            f"{summary.peak_mb:.0f}",
            f"{summary.answered / flwr.seconds:.2f}",
            f"{summary.answered / flwr.answered:.2f}",
            f"{summary.seconds / flwr.seconds:.2f}",
            f"{summary.answered / floor.seconds:.1f}",
        )
        for name, summary in found.items()
    ]
    print(f"From the command to the run's id ({environment()})\n")
    print(table(HEADINGS, rows))
    write_results(
        "submit",
        {
            "programs": {name: asdict(summary) for name, summary in found.items()},
            "ratio to flwr run": {name: summary.answered / flwr.seconds for name, summary in found.items()},
        },
    )


if __name__ == "__main__":
    main()
