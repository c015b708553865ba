"""Real git repositories, made without this machine's settings, and an ssh server on loopback for them."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from support.needed import require
from support.ports import free_port

RUN_SSHD = Path("/run/sshd")  # where sshd, started by root, separates its privileges


def git(folder: Path, *arguments: str) -> str:
    """Run git without this machine's settings, and return what it says."""
    env = {
        "PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
        "GIT_ALLOW_PROTOCOL": "file",
    }  # fmt: skip
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def commit(work: Path, files: Mapping[str, str]) -> str:
    """Commit files, in a new repository if there is none, and return the commit."""
    if not (work / ".git").exists():
        work.mkdir(parents=True, exist_ok=True)
        git(work, "init", "--quiet", "--initial-branch=main")
    write(work, files)
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--allow-empty", "--message", "x")
    return git(work, "rev-parse", "HEAD")


@dataclass(frozen=True)
class SshServer:
    """An sshd that lets one key in; `address` is user@host:port."""

    address: str
    key: Path
    other_key: Path
    known_hosts: Path


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Run sshd on loopback meanwhile, with keys of its own."""
    require("ssh", "sshd")
    program = str(shutil.which("sshd"))  # it wants its whole path
    for name in ("host", "user", "other"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / name], check=True
        )
    port = free_port()
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n"
        f"PermitRootLogin prohibit-password\nPidFile none\n"
    )
    host_key = (folder / "host.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    if os.getuid() == 0:
        RUN_SSHD.mkdir(mode=0o755, exist_ok=True)  # and it stays: another test's server may be using it
    log = (folder / "log").open("wb")
    server = subprocess.Popen([program, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    try:
        await_port(port, server)
        yield SshServer(
            f"{getpass.getuser()}@127.0.0.1:{port}", folder / "user", folder / "other", folder / "known_hosts"
        )
    finally:
        server.terminate()
        server.wait()
        log.close()


def await_port(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens at port {port}")
