"""The daemons of one cluster: started in their node's network namespace and cgroup, with a log each."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from . import cgroups
from .cache import HarnessError
from .network import namespace


@dataclass(slots=True)
class Daemons:
    """Daemons by name, such as `kube-apiserver` and `kubelet-2`."""

    cluster: str
    logs: Path
    commands: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, node: int = 1, *command: str | Path) -> None:
        """Start a daemon; without a command, the one that it had before."""
        if command:
            self.commands[name] = (node, [str(part) for part in command])
        if name not in self.commands:
            raise HarnessError(f"no daemon {name}; there are {', '.join(sorted(self.commands))}")
        node, words = self.commands[name]
        # A process moves itself before it becomes the daemon, so that no child can escape the group.
        files = " ".join(str(path) for path in cgroups.join(self.cluster, "daemons"))
        script = f'for group in {files}; do echo 0 > "$group"; done; exec "$@"'
        space = f"--net=/run/netns/{namespace(self.cluster, node)}"
        with (self.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                ["sh", "-ec", script, name, "nsenter", space, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a daemon."""
        if name not in self.running:
            raise HarnessError(f"{name} does not run")
        self.running[name].send_signal(number)

    def stop(self, name: str) -> None:
        """Kill a daemon, as a crash would."""
        process = self.running.pop(name, None)
        if process:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(10)

    def check(self) -> None:
        """Raise HarnessError for a daemon that ended by itself, with the end of its log."""
        for name, process in self.running.items():
            if process.poll() is not None:
                lines = (self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-15:]
                raise HarnessError(f"{name} ended ({process.returncode}):\n" + "\n".join(lines))

    def wait_gone(self) -> None:
        """Collect daemons that were killed by their cgroup."""
        for process in self.running.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
