"""A SuperNode's fork server: the SuperExec is forked by it, and asks it for app processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from flowerbed.flower.start import warm_server
from support.paths import ROOT

# What stands in the place of Flower's programs.
PROGRAMS = """\
import os, signal, subprocess, sys, time
from pathlib import Path

from flowerbed.flower.start import hooks, warm_server

starter = None


def name(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\\0")[1]


def supernode():
    process = subprocess.Popen(["flower-superexec", "--some", "word"])
    print("supernode", process.pid, flush=True)
    signal.pause()


def start():
    process = starter(["flwr-clientapp", "--first", hooks.TOKEN, "SECRET"], {})
    print("app", process.pid, process.wait(), flush=True)


def superexec():
    print("superexec", os.getpid(), os.getppid(), *sys.argv[1:], *sys.orig_argv[1:], flush=True)
    print("server", name(os.getppid()), warm_server.PRELOAD in os.environ, "good" in sys.modules, flush=True)
    ready()
    start()
    STEPS
    sys.exit(0)


def ready():
    while not starter._server.ready():
        time.sleep(0.01)


def main():
    here = sys.argv[1:], os.getppid(), "good" in sys.modules, warm_server.PRELOAD in os.environ
    print("main", *here[0], *here[1:], flush=True)
    os._exit(5)
"""
SUPERNODE = """\
import sys
from flowerbed.flower.start import apps, hooks, warm

apps.add = lambda program: None
hooks.APPS = {"flwr-clientapp": "stands_in"}
names = {"flwr-clientapp": "main", "flower-superexec": "superexec", "flower-supernode": "supernode"}
hooks.ENTRIES = {program: ("stands_in", name) for program, name in names.items()}
hooks.SUPERNODE = "stands_in"


def limit(starter):
    import stands_in
    warm.RESTART_INTERVAL = 0.0
    stands_in.starter = starter


warm.supernode(limit)
import stands_in
sys.exit(stands_in.supernode())
"""


def supernode(folder: Path, steps: str = "pass", *arguments: str) -> tuple[subprocess.Popen[str], list[str]]:
    """Start a process in a SuperNode's place; return it and what it and all that it forks have printed."""
    (folder / "stands_in.py").write_text(PROGRAMS.replace("STEPS", steps.replace("\n", "\n    ")))
    (folder / "good.py").write_text("")
    (folder / "program.py").write_text(SUPERNODE)
    (folder / "flower-superexec").write_text(f"#!{sys.executable}\nimport stands_in\nprint('cold')\n")
    (folder / "flower-superexec").chmod(0o755)
    path = os.pathsep.join([str(folder), str(ROOT / "generator")])
    environment = {**os.environ, "PYTHONPATH": path, warm_server.PRELOAD: "good"}
    environment["PATH"] = f"{folder}:{environment['PATH']}"
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, str(folder / "program.py"), "--more", "x" * 200, *arguments],
            env=environment,
            stdout=said,
            stderr=said,
            text=True,
            cwd=folder,
        )
    return process, []


def said(folder: Path, words: str) -> str:
    """Return what was printed once `words` are in it."""
    text = ""
    for _ in range(400):
        if re.search(words, text := (folder / "said").read_text()):
            return text
        time.sleep(0.05)
    raise AssertionError(text)


def until_gone(pid: int) -> None:
    """Fail unless a process ends soon."""
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists() or ") Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.05)
    raise AssertionError(pid)


def test_superexec_and_apps_are_forked_by_one_process(tmp_path: Path) -> None:
    """The SuperExec before libraries are imported, apps after it; no secret of an app is listed."""
    process, _ = supernode(tmp_path)
    try:
        text = said(tmp_path, r"app \d+ 5")
        [(superexec, server)] = re.findall(
            r"superexec (\d+) (\d+) --some word .*flower-superexec --some word", text
        )
        assert f"supernode {superexec}" in text
        assert f"server {warm_server.NAME} True False" in text
        assert f"main --first --token SECRET {server} True False" in text
        assert "cold" not in text
        until_gone(int(superexec))
        until_gone(int(server))
    finally:
        process.kill()
        process.wait()


def test_a_superexec_outlives_its_fork_server(tmp_path: Path) -> None:
    """It starts another one with its own command."""
    steps = """\
server = os.getppid()
os.kill(server, 9)
while os.path.exists(f"/proc/{server}") and ") Z " not in open(f"/proc/{server}/stat").read():
    time.sleep(0.01)
try:
    start()
except OSError as error:
    print("lost", type(error).__name__, flush=True)
time.sleep(1)
print("after", flush=True)"""
    process, _ = supernode(tmp_path, steps)
    try:
        text = said(tmp_path, "after")
        assert "the fork server has ended, and is started again" in text
        assert "cold" in text, "the new fork server is the script of a SuperExec"
    finally:
        process.kill()
        process.wait()


def test_a_supernode_with_threads_starts_its_superexec_as_flower_does(tmp_path: Path) -> None:
    """The log says why, and what that costs."""
    head = "import threading\nwait = threading.Event().wait\n"
    head += "threading.Thread(target=wait, name='busy', daemon=True).start()\n"
    (tmp_path / "sitecustomize.py").write_text(head)
    process, _ = supernode(tmp_path)
    try:
        text = said(tmp_path, "cold")
        assert "flowerbed: the SuperExec is started in Flower's own way, which takes more memory: " in text
        assert "cannot be forked (busy)" in text
    finally:
        process.kill()
        process.wait()


def test_a_supernode_without_superexec_forks_nothing(tmp_path: Path) -> None:
    """With `--isolation process`: it would have nobody to ask it."""
    process, _ = supernode(tmp_path, "pass", "--isolation", "process")
    try:
        text = said(tmp_path, "cold")
        assert "takes more memory" not in text
    finally:
        process.kill()
        process.wait()
