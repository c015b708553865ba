"""Backups of a federation on Kubernetes: copied out of the SuperLink's container, put back by another pod.

Needs the rights `create pods/exec` to copy, and to put back `patch statefulsets/scale` and `create pods`, in
the coordinator's namespace: the role `admin` has them.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from flowerbed.backups.archive import PIECE, BrokenOffError, Manifest, Progress, opened, write
from flowerbed.cluster.objects import parse_objects
from flowerbed.cluster.programs import Command, Done
from flowerbed.cluster.session import Cluster
from flowerbed.errors import FlowerbedError, UnreachableError, UsageError
from flowerbed.flower.programs import superlink_state
from flowerbed.flower.programs.superlink_state import Facts
from flowerbed.kubernetes.diagnosis.facts import gather_facts
from flowerbed.names import STATE_DATABASE, node_name

CONTAINER = "restore"
# What lets a pod run where the SuperLink's does, with no more rights.
_PLACING = (
    "serviceAccountName",
    "securityContext",
    "imagePullSecrets",
    "nodeSelector",
    "tolerations",
    "affinity",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
)
_RELEASE = ("app.kubernetes.io/name", "app.kubernetes.io/instance")
_VOLUMES = ("state", "scratch")
# Seconds after which it ends by itself when nobody is at work in it: whoever made it was killed.
IDLE_TIMEOUT = 60

Tell = Callable[[str], None]
_LONGEST_LINE = 1 << 16
_POLL_INTERVAL = 0.5
# How long, in seconds, pods may take to end and to start: images are there already.
_STOP_TIMEOUT, _START_TIMEOUT = 120.0, 120.0
_PYTHON = "python"  # as the chart's value `python`: on the PATH of Flower's own images


def back_up_cluster(cluster: Cluster, name: str, path: Path, progress: Progress) -> Manifest:
    """Write a backup of the SuperLink that runs, and return what it holds.

    Raises UsageError, UnreachableError, NotAllowedError, FlowerbedError.
    """
    pod = node_name(cluster.party.release, 0)
    copying = (_PYTHON, "-c", program(), "copy", STATE_DATABASE)
    command = cluster.commands.in_namespace("exec", pod, "--container", "superlink", "--", *copying)
    with _streamed(cluster, command) as process:
        assert process.stdout is not None  # noqa: S101  (it was asked for)
        line = process.stdout.readline(_LONGEST_LINE)
        if not line:
            raise _EndedError
        return write(path, name, msgspec.json.decode(line, type=Facts), process.stdout, progress)


def restore_cluster(cluster: Cluster, path: Path, tell: Tell, progress: Progress) -> None:
    """Put a backup in the place of the state of a SuperLink, which is stopped for that.

    However it ends, the SuperLink is started again; what was not put back whole changes nothing.
    Raises UsageError, UnreachableError, NotAllowedError, FlowerbedError.
    """
    _Restoration(cluster, tell).run(path, progress)


class _EndedError(Exception):
    """The program in the pod has ended before its time; its error message is on standard error."""


@contextlib.contextmanager
def _streamed(cluster: Cluster, command: Command) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command whose standard input and output are streams of bytes. Raises what its failure means."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        broken: BrokenOffError | None = None
        try:
            try:
                yield process
            except BrokenOffError as error:
                broken = error
            except (_EndedError, BrokenPipeError):
                pass  # what the program says of it counts
            process.communicate()
        finally:
            process.kill()
            process.wait()
        errors.seek(0)
        done = Done(process.returncode, "", errors.read().decode(errors="replace"), command[0])
    if done.code:
        raise cluster.failure(done)
    if broken:
        raise broken


class _Restoration:
    """The steps of one restoration, each undone at the end."""

    def __init__(self, cluster: Cluster, tell: Tell) -> None:
        self._cluster = cluster
        self._tell = tell
        self._where = cluster.where
        self._name = cluster.party.release
        self._pod = f"{self._name}-restore"

    def run(self, path: Path, progress: Progress) -> None:
        """Do all of it."""
        pod = holding(self._pod, self._stateful_set(), _PYTHON)
        with self._stopped(), self._held(pod), opened(path) as (manifest, content):
            self._tell("putting the state in its place")
            self._put(manifest, content, progress)

    def _stateful_set(self) -> dict[str, Any]:
        done = self._cluster.in_namespace("get", "statefulset", self._name, "--output", "json")
        if done.missing:
            remedy = "`flowerbed apply --party coordinator` installs one, then restore"
            raise UsageError(
                "there is no SuperLink whose state could be replaced", where=self._where, remedy=remedy
            )
        if done.code:
            raise self._cluster.failure(done)
        found: dict[str, Any] = json.loads(done.out)
        return found

    @contextlib.contextmanager
    def _stopped(self) -> Iterator[None]:
        try:
            self._scale(0)
            self._tell("waiting for the SuperLink's pod to end")
            self._until(
                lambda: not self._phase(node_name(self._name, 0)),
                _STOP_TIMEOUT,
                "the SuperLink's pod does not end",
            )
            yield
        finally:
            self._start_again()

    def _start_again(self) -> None:
        try:
            self._scale(1)
        except FlowerbedError as error:
            what = f"the SuperLink is stopped, and could not be started: {error.what}"
            raise FlowerbedError(what, where=self._where, remedy="`flowerbed apply` starts it") from error

    def _scale(self, replicas: int) -> None:
        self._loudly("scale", "statefulset", self._name, f"--replicas={replicas}")

    @contextlib.contextmanager
    def _held(self, pod: dict[str, Any]) -> Iterator[None]:
        """Have the pod run, with the volume, for as long as the block takes."""
        self._remove_pod()  # of one that was killed
        try:
            create = self._cluster.commands.in_namespace("create", "--filename", "-")
            self._cluster.check_output(create, text=json.dumps(pod))
            self._tell("waiting for a pod that takes the SuperLink's volume")
            self._until(self._pod_runs, _START_TIMEOUT, "the pod for the SuperLink's volume does not start")
            yield
        finally:
            with contextlib.suppress(FlowerbedError):  # it ends by itself
                self._remove_pod()

    def _remove_pod(self) -> None:
        words = ("delete", "pod", self._pod, "--ignore-not-found", "--grace-period=1", "--wait")
        self._cluster.check_output(self._cluster.commands.in_namespace(*words), timeout=_STOP_TIMEOUT)

    def _pod_runs(self) -> bool:
        phase = self._phase(self._pod)
        if phase in {"Failed", "Succeeded"}:
            raise FlowerbedError("the pod for the SuperLink's volume has ended", where=self._where)
        return phase == "Running"

    def _phase(self, pod: str) -> str:
        """Return a pod's phase, "" where there is none."""
        words = ("get", "pod", pod, "--ignore-not-found", "--output", "jsonpath={.status.phase}")
        return self._cluster.check_output(self._cluster.commands.in_namespace(*words))

    def _until(self, true: Callable[[], bool], timeout: float, otherwise: str) -> None:
        limit = time.monotonic() + timeout
        while True:
            with contextlib.suppress(UnreachableError):  # an API server that is away for a moment
                if true():
                    return
            if time.monotonic() > limit:
                raise FlowerbedError(f"{otherwise}{self._why()}", where=self._where)
            time.sleep(_POLL_INTERVAL)

    def _why(self) -> str:
        """Return what Kubernetes says of the pod, in words; "" where it says nothing."""
        pods = self._cluster.in_namespace("get", "pods", "--output", "json")
        about = ("get", "events", "--field-selector", f"involvedObject.name={self._pod}", "--output", "json")
        objects = parse_objects(pods.out, self._cluster.in_namespace(*about).out)
        facts = gather_facts(objects, self._cluster)
        return "".join(f": {fact.text}" for fact in facts if fact.where == self._pod)

    def _put(self, manifest: Manifest, content: IO[bytes], progress: Progress) -> None:
        state = manifest.state
        putting = (_PYTHON, "-c", program(), "put", STATE_DATABASE, str(state.size), state.sha256)
        into = ("exec", self._pod, "--stdin", "--container", CONTAINER, "--")
        command = self._cluster.commands.in_namespace(*into, *putting)
        moved = 0
        with _streamed(self._cluster, command) as process:
            assert process.stdin is not None  # noqa: S101  (it was asked for)
            while piece := content.read(PIECE):
                process.stdin.write(piece)
                moved += len(piece)
                progress(moved, state.size)

    def _loudly(self, *words: str) -> None:
        command = self._cluster.commands.in_namespace(*words)
        self._tell(f"$ {shlex.join(command)}")
        self._cluster.check_output(command)


def program() -> str:
    """Return the text of the program that copies a state and puts it in place, for `python -c`."""
    return Path(superlink_state.__file__).read_text(encoding="utf-8")


def holding(name: str, stateful_set: dict[str, Any], python: str) -> dict[str, Any]:
    """Return the pod for a StatefulSet's volume; `python` is the interpreter.

    Raises UsageError where there is no volume that outlives a pod.
    """
    spec = stateful_set["spec"]["template"]["spec"]
    superlink = next(one for one in spec["containers"] if one["name"] == "superlink")
    volumes = [one for one in spec["volumes"] if one["name"] in _VOLUMES]
    if not any("persistentVolumeClaim" in one for one in volumes):
        what = "this SuperLink keeps no state: its volume ends with its pod"
        raise UsageError(what, remedy="set `persistence.enabled` in the chart's values")
    container = {
        "name": CONTAINER,
        "image": superlink["image"],
        "imagePullPolicy": superlink["imagePullPolicy"],
        "command": [python, "-c", program(), "hold", str(IDLE_TIMEOUT)],
        "resources": superlink.get("resources", {}),
        "securityContext": superlink["securityContext"],
        "volumeMounts": [one for one in superlink["volumeMounts"] if one["name"] in _VOLUMES],
    }
    # The release's own, by which its NetworkPolicy for this component selects the pod.
    own = stateful_set["spec"]["template"]["metadata"]["labels"]
    labels = {
        **{label: own[label] for label in _RELEASE},
        "app.kubernetes.io/managed-by": "flowerbed",
        "app.kubernetes.io/component": CONTAINER,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            **{key: spec[key] for key in _PLACING if key in spec},
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": volumes,
        },
    }
