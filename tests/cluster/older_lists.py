"""What brings older lists back to a SuperLink, and whether a revoked user gets in by them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from applied import Applied
from followed_runs import ready, wait_until
from harness.built import BuiltCluster
from parties import CHARTS

from flowerbed.errors import FlowerbedError, UnreachableError
from flowerbed.runs import list_nodes, load_connection


@dataclass(frozen=True)
class Earlier:
    """A federation's state, release and values as they were before something was revoked."""

    backup: Path
    revision: str
    values: Path

    @classmethod
    def keep(cls, applied: Applied, folder: Path) -> Earlier:
        """Take them now."""
        backup, values = folder / "earlier.backup.tar.gz", folder / "earlier.yaml"
        applied.run("backup", "--cluster", "--output", str(backup))
        values.write_bytes((applied.federation.bundles / "coordinator/values.yaml").read_bytes())
        return cls(backup, applied.status()["parties"][0]["revision"], values)


class Hub:
    """A coordinator's release and its SuperLink's pod, in the namespace of its federation's name."""

    def __init__(self, applied: Applied, cluster: BuiltCluster, name: str) -> None:
        self.applied, self.cluster = applied, cluster
        self.space, self.release, self.pod = name, f"{name}-superlink", f"{name}-superlink-0"

    @property
    def kept(self) -> Path:
        """Return the directory with the kept revocations, on this machine."""
        return self.cluster.volume(self.space, f"{self.release}-state") / "revoked"

    def answer(self, user: str) -> str:
        """Return "in", or what the gateway says to a user."""
        try:
            list_nodes(load_connection(self.applied.federation.connection(user)))
        except FlowerbedError as error:
            return error.what
        return "in"

    def refuses(self, user: str) -> bool:
        """Return whether the gateway says that a user's certificate was revoked."""
        return "was revoked" in self.answer(user)

    def state_of(self, node: str) -> str:
        """Return a node's state to the SuperLink, asked as somebody who may."""
        nodes = list_nodes(load_connection(self.applied.federation.connection()))
        return next((one.status for one in nodes if one.name == node), "")

    def roll_back(self, revision: str, user: str) -> None:
        """Roll back to a revision that let `user` in, and wait until the gateway has taken its lists up."""
        before = self._reloads()
        self.cluster.helm("rollback", self.release, revision, "-n", self.space)
        now = "flowerbed/refreshed=now"  # what a kubelet sees at once
        self.cluster.kubectl("annotate", "pod", self.pod, "-n", self.space, now, "--overwrite")
        wait_until("the older users", lambda: f"{user} " in self._file("/admission/users"), 120)
        wait_until("a reload", lambda: self._reloads() > before, 30)
        time.sleep(2)  # until the new process answers

    def _reloads(self) -> int:
        return self.cluster.log(self.space, self.pod, "gateway").count('"gateway":"reloading')

    def _file(self, path: str) -> str:
        words = ("exec", self.pod, "-n", self.space, "-c", "gateway", "--", "cat", path)
        return self.cluster.kubectl(*words, check=False)

    def install(self, values: Path) -> None:
        """Install the release from older values, on the kept claim."""
        self.cluster.helm("install", self.release, CHARTS / "superlink", "-n", self.space, "--values", values)

    def replaced(self) -> None:
        """Replace the pod, and wait until it is ready and the exposed port leads to it."""
        self.cluster.kubectl("delete", "pod", self.pod, "-n", self.space)
        wait_until("the SuperLink", partial(ready, self.cluster, self.space, self.pod), 120)
        wait_until("an answer", self._answers, 60)

    def _answers(self) -> bool:
        try:
            list_nodes(load_connection(self.applied.federation.connection()))
        except UnreachableError:
            return False
        return True


def symptoms(applied: Applied, level: str = "problem") -> set[str]:
    """Return the symptoms that `status` names."""
    return {one["symptom"] for one in applied.status(code=None)["findings"] if one["level"] == level}
