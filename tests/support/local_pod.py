"""Run a rendered pod on this machine: its volumes as folders, its containers as processes.

Kubernetes' part is done here as the manifests say it, and no more: volumes and mounts (subPathExpr too),
environment and $(NAME) in arguments. Paths of mounts are moved below the pod's own folder, since processes
here share one file system. Every program is the real one.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.chart_release import Object, Pod, Release

Files = Mapping[str, bytes]


class LocalPod:
    """One pod. `outside` holds the Secrets and ConfigMaps that no chart makes.

    Many pods share this machine: `swaps` replaces texts, such as ports and names that only a cluster's DNS
    knows, `more` adds arguments to containers, and `places` are paths of images that lie elsewhere here.
    """

    def __init__(self, release: Release, pod: Pod, root: Path, outside: Mapping[str, Files]) -> None:
        self.release, self.pod, self.root, self.outside = release, pod, root, outside
        self.name = pod.owner.rpartition("/")[2]
        self.swaps: dict[str, str] = {}
        self.more: dict[str, list[str]] = {}
        self.places: dict[str, str] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        root.mkdir(parents=True, exist_ok=True)
        for volume in pod.spec.get("volumes", []):
            self._lay_out(volume)

    def __enter__(self) -> LocalPod:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.processes):
            self.kill(name, signal.SIGTERM)

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a container; its output goes to `log(name)`."""
        container = self.pod.container(name)
        command = self.command(container)
        with self.log_file(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment(container), cwd=self._folder(container), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        return self.processes[name]

    def run(self, name: str, timeout: float = 120) -> int:
        """Run a container to its end and return its exit code."""
        return self.start(name).wait(timeout)

    def run_init_containers(self) -> None:
        """Run them one after another; each must end well."""
        for container in self.pod.spec.get("initContainers", []):
            assert self.run(container["name"]) == 0, self.log(container["name"])

    def probe(self, name: str, kind: str) -> subprocess.CompletedProcess[str]:
        """Run an exec probe of a container once."""
        container = self.pod.container(name)
        command = [self._moved(container, part) for part in container[kind]["exec"]["command"]]
        return subprocess.run(
            command, env=self.environment(container), capture_output=True, text=True, check=False, timeout=30
        )

    def kill(self, name: str, number: signal.Signals) -> int:
        """End a container's processes and return its exit code."""
        process = self.processes.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            code = process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait(20)
        # What the container started goes with it, as in a container.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return code

    def log_file(self, name: str) -> Path:
        """Return the file with a container's output."""
        return self.root / f"{name}.log"

    def log(self, name: str) -> str:
        """Return a container's output so far."""
        return self.log_file(name).read_text(errors="replace")

    def inside(self, name: str, path: str) -> Path:
        """Return where a container's path lies on this machine."""
        return Path(self._moved(self.pod.container(name), path))

    def command(self, container: Object) -> list[str]:
        """Return what is executed, with Kubernetes' $(NAME) expanded and mounts moved."""
        parts = [
            *container.get("command", []),
            *container.get("args", []),
            *self.more.get(container["name"], []),
        ]
        env = self._own_environment(container)
        return [self._moved(container, expand(part, env)) for part in parts]

    def environment(self, container: Object) -> dict[str, str]:
        """Return a container's environment: its own, and the PATH of the Python that runs here."""
        path = f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin"
        own = {key: self._moved(container, value) for key, value in self._own_environment(container).items()}
        return {"PATH": path, **own}

    def _own_environment(self, container: Object) -> dict[str, str]:
        fields = {"metadata.name": self.name, "status.podIP": "127.0.0.1"}
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            found |= {key: value.decode() for key, value in self.outside[source["secretRef"]["name"]].items()}
        for entry in container.get("env", []):
            if secret := entry.get("valueFrom", {}).get("secretKeyRef"):
                found[entry["name"]] = self.outside[secret["name"]][secret["key"]].decode()
            elif "valueFrom" in entry:
                found[entry["name"]] = fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
            else:
                found[entry["name"]] = expand(entry["value"], found)
        return found

    def _folder(self, container: Object) -> Path:
        folder = Path(self._moved(container, container.get("workingDir", "/tmp")))
        return folder if folder.is_relative_to(self.root) else self.root

    def _moved(self, container: Object, text: str) -> str:
        """Return text with the container's paths moved below this pod's folder, and the swaps made."""
        for old, new in self.swaps.items():
            text = text.replace(old, new)
        mounts = sorted(
            (mount["mountPath"] for mount in container.get("volumeMounts", [])), key=len, reverse=True
        )
        places = "|".join(re.escape(mount) for mount in mounts)
        home = self._mounted(container)
        text = re.sub(rf"(^|=)({places})(?=/|$)", lambda found: f"{found[1]}{home}{found[2]}", text)
        for old, new in {**self.places, "/dev/termination-log": f"{self.root}/termination-log"}.items():
            text = text.replace(old, new)
        return text

    def _mounted(self, container: Object) -> Path:
        """Return the root of a container's file system, with its mounts in it."""
        home: Path = self.root / container["name"]
        for mount in container.get("volumeMounts", []):
            place = home / mount["mountPath"].lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            source = self._volume(mount["name"])
            part = mount.get("subPath") or expand(
                mount.get("subPathExpr", ""), self._own_environment(container)
            )
            if not place.is_symlink():
                place.symlink_to(source / part if part else source)
        return home

    def _volume(self, name: str) -> Path:
        return self.root / "volumes" / name

    def _lay_out(self, volume: Object) -> None:
        folder = self._volume(volume["name"])
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self._content(volume).items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            # As the kubelet does it: the files are links into a folder of their own.
            real = folder / "..data" / name
            real.parent.mkdir(parents=True, exist_ok=True)
            real.write_bytes(content)
            file.unlink(missing_ok=True)
            file.symlink_to(real)

    def _content(self, volume: Object) -> dict[str, bytes]:
        if "configMap" in volume:
            source, key = volume["configMap"], "name"
            content = self._config_map(source[key])
        elif "secret" in volume:
            source, key = volume["secret"], "secretName"
            content = dict(self.outside[source[key]])
        else:
            assert volume.keys() & {"emptyDir", "persistentVolumeClaim"}, f"no such volume here: {volume}"
            return {}
        items = source.get("items")
        return {item["path"]: content[item["key"]] for item in items} if items else content

    def _config_map(self, name: str) -> dict[str, bytes]:
        if name in self.outside:
            return dict(self.outside[name])
        data: dict[str, Any] = self.release.one("ConfigMap", name).get("data") or {}
        return {key: value.encode() for key, value in data.items()}


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Expand $(NAME) as Kubernetes does: `$$` is a dollar, an unknown name stays."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else environment.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)", value, text)


def wait_for(what: str, done: Any, timeout: float = 60, pause: float = 0.3) -> Any:  # noqa: ANN401
    """Return the first true value of `done()`; AssertionError after `timeout` seconds."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if result := done():
            return result
        time.sleep(pause)
    raise AssertionError(f"not within {timeout} s: {what}")
