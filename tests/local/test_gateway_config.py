"""The one configuration of the gateway, as HAProxy itself sees it."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path

import pytest

from flowerbed.identities import CertificateAuthority
from support.paths import ROOT

pytestmark = pytest.mark.needs("haproxy")

CONFIG = ROOT / "charts" / "superlink" / "files" / "haproxy.cfg"
PORTS = ("FLEET", "CONTROL", "RUNTIME", "READINESS", "METRICS", "SUPERLINK")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the files that the gateway reads, in a folder with a blank in its name."""
    folder = tmp_path_factory.mktemp("gate way")
    authority = CertificateAuthority.create("hospitals")
    server = authority.issue_server(["localhost"], ["127.0.0.1"], 2)
    (folder / "tls.crt").write_bytes(server.certificate)
    (folder / "tls.key").write_bytes(server.private_key)
    (folder / "ca.crt").write_bytes(authority.certificate)
    (folder / "users").write_text("analyst submitter\n")
    (folder / "admitted-keys").write_text("# SHA-256\n")
    return folder


def check(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_HOST": "127.0.0.1",
        **{f"GATEWAY_{name}_PORT": str(20000 + number) for number, name in enumerate(PORTS)},
        "GATEWAY_CERTIFICATE": "tls.crt",
        "GATEWAY_CLIENT_CA": "ca.crt",
        "GATEWAY_LOOPBACK_CA": "ca.crt",
        "GATEWAY_USERS": "users",
        "GATEWAY_ADMITTED": "admitted-keys",
        **changes,
    }
    command = ["haproxy", "-c", "-f", str(CONFIG)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("insecure", "admission", "host", "limits"),
    list(itertools.product(["true", "false"], ["listed", "open"], ["*", "[::]", "127.0.0.1"], ["", "7"])),
)
def test_every_combination_passes_haproxys_own_check(
    folder: Path, insecure: str, admission: str, host: str, limits: str
) -> None:
    """Each combination is valid, without a warning."""
    names = [
        "MAX_BODY",
        "MAX_STREAMS",
        "MAX_FLEET",
        "MAX_CONTROL",
        "MAX_RUNTIME",
        "USER_STREAMS",
        "USER_CALLS",
    ]
    names += ["USER_CONNECTIONS", "SOURCE_FLEET", "SOURCE_CONTROL", "SOURCE_RUNTIME", "SOURCE_PROBES"]
    changes = {f"GATEWAY_{name}": limits for name in names} if limits else {}
    done = check(folder, GATEWAY_INSECURE=insecure, GATEWAY_ADMISSION=admission, GATEWAY_HOST=host, **changes)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_an_insecure_gateway_reads_no_file(tmp_path: Path) -> None:
    """Without TLS nothing has to be there; with it, the same empty folder is refused."""
    assert check(tmp_path, GATEWAY_INSECURE="true").returncode == 0
    assert check(tmp_path, GATEWAY_INSECURE="false").returncode != 0


@pytest.mark.parametrize("missing", ["tls.key", "ca.crt", "users", "admitted-keys"])
def test_a_missing_file_is_refused(folder: Path, missing: str) -> None:
    """A gateway that lacks its key, its CA or a list does not start open: it does not start."""
    file = folder / missing
    kept = file.read_bytes()
    file.unlink()
    try:
        assert check(folder).returncode != 0
    finally:
        file.write_bytes(kept)
    assert check(folder).returncode == 0


def test_what_is_not_said_is_closed(folder: Path) -> None:
    """Without GATEWAY_INSECURE and GATEWAY_ADMISSION the gateway is secure and listed: it wants its files."""
    done = check(folder, GATEWAY_CERTIFICATE="nothing.crt")
    assert done.returncode != 0
    assert "nothing.crt" in done.stderr
