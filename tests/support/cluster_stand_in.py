"""A helm and a kubectl that act on a file of JSON: what `flowerbed uninstall` sees of a cluster.

As a program it is both; its second argument decides. `StandIn` makes it, and reads what it was asked.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

INSTANCE = "app.kubernetes.io/instance"


class StandIn:
    """The cluster: releases, labels of namespaces, and objects by namespace, as `kind/name` with labels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("helm", "kubectl"):
            program = folder / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {__file__} {folder} {name} "$@"\n')
            program.chmod(0o755)
        self.write({"releases": [], "namespaces": {}, "objects": {}, "lasting": 0, "broken": {}})

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that name the programs."""
        return {"HELM": str(self.folder / "helm"), "KUBECTL": str(self.folder / "kubectl")}

    def read(self) -> dict[str, Any]:
        """Return all that is there."""
        found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return found

    def write(self, state: dict[str, Any]) -> None:
        """Make this all that is there."""
        save(self.folder / "state.json", state)

    def change(self, **values: object) -> None:
        """Replace parts of what is there."""
        self.write(self.read() | values)

    def add(self, namespace: str, *names: str, **labels: str) -> None:
        """Add objects with labels, `instance` and `component` for short."""
        state = self.read()
        full = {f"app.kubernetes.io/{key}": value for key, value in labels.items()}
        state["objects"].setdefault(namespace, {}).update(dict.fromkeys(names, full))
        self.write(state)

    def calls(self, *words: str) -> list[str]:
        """Return the commands so far that begin with these words, contexts left out."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if line.startswith(words)] if words else lines


def main(folder: Path, program: str, *words: str) -> int:
    """Act as helm or kubectl."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = folder / "state.json"
        state = json.loads(file.read_text())
        rest = list(words)
        if rest[0] in {"--context", "--kube-context"}:
            del rest[:2]
        with (folder / "calls").open("a") as calls:
            calls.write(f"{program} {' '.join(rest)}\n")
        options = {word: value for word, value in itertools.pairwise(rest) if word.startswith("--")}
        space = options.get("--namespace", "")
        if message := state["broken"].get(space) or state["broken"].get(f"{program} {rest[0]}"):
            sys.stderr.write(message + "\n")
            return 1
        act = helm if program == "helm" else kubectl
        code = act(state, rest, options, space)
        save(file, state)
        return code


def save(file: Path, state: dict[str, Any]) -> None:
    """Write the state whole or not at all: a program that is interrupted ends in the middle of anything."""
    file.with_suffix(".new").write_text(json.dumps(state))
    file.with_suffix(".new").replace(file)


def say(text: str) -> None:
    """Print a result."""
    sys.stdout.write(f"{text}\n")


def helm(state: dict[str, Any], words: list[str], options: dict[str, str], space: str) -> int:
    """Act as Helm: list and uninstall."""
    if words[0] == "list":
        name = options["--filter"].strip("^$")
        keys = ("namespace", "revision", "status", "chart", "app_version", "updated")
        there = [{"name": name, **dict.fromkeys(keys, ""), "status": "deployed"}]
        say(json.dumps(there if name in state["releases"] else []))
    elif words[0] == "uninstall" and words[1] in state["releases"]:
        state["releases"].remove(words[1])
        # Their containers still end when Helm returns; ConfigMaps and claims that are kept stay.
        for objects in state["objects"].values():
            for name, labels in list(objects.items()):
                if labels.get(INSTANCE) == words[1] and name.startswith(("configmap/", "statefulset")):
                    del objects[name]
    return 0


def kubectl(state: dict[str, Any], words: list[str], options: dict[str, str], space: str) -> int:
    """Act as kubectl: get, delete, api-resources."""
    objects = state["objects"].setdefault(space, {}) if space else {}
    if words[0] == "api-resources":
        say("configmaps\nsecrets\npods\npersistentvolumeclaims\nserviceaccounts\nevents")
    elif words[:2] == ["get", "namespace"]:
        return get_namespace(state, words[2])
    elif words[:2] == ["delete", "namespace"]:
        state["namespaces"].pop(words[2], None)
        state["objects"].pop(words[2], None)
    elif words[0] == "delete":
        for name in words[1:]:
            objects.pop(name, None)
    elif words[0] == "get":
        get(state, objects, words, options)
    return 0


def get_namespace(state: dict[str, Any], name: str) -> int:
    """Print a namespace, or that it is missing."""
    if name not in state["namespaces"]:
        sys.stderr.write(f'Error from server (NotFound): namespaces "{name}" not found\n')
        return 1
    say(json.dumps({"metadata": {"name": name, "labels": state["namespaces"][name]}}))
    return 0


def get(state: dict[str, Any], objects: dict[str, Any], words: list[str], options: dict[str, str]) -> None:
    """Print objects by kind, name and labels; pods of a removed release go away after some calls."""
    kinds = {kind.removesuffix("s") for kind in words[1].split(",")}
    named = [word for word in words[2:] if not word.startswith("--") and word not in options.values()]
    wanted = dict(part.split("=") for part in options.get("--selector", "").split(",") if part)
    for name, labels in list(objects.items()):
        gone = name.startswith("pod/") and labels.get(INSTANCE) not in state["releases"]
        if gone and labels.get(INSTANCE) and not labels.get("app.kubernetes.io/component"):
            state["lasting"] -= 1
            if state["lasting"] < 0:
                del objects[name]
    found = {
        name: labels
        for name, labels in objects.items()
        if name.partition("/")[0] in kinds
        and (not named or name.partition("/")[2] in named)
        and wanted.items() <= labels.items()
    }
    if options.get("--output") == "json":
        items = [
            {"kind": "PersistentVolumeClaim", "metadata": {"name": name.partition("/")[2], "labels": labels}}
            for name, labels in found.items()
        ]
        say(json.dumps({"items": items}))
    else:
        order = [f"{kind}/{name}" for kind in kinds for name in named]
        say("\n".join(sorted(found, key=order.index) if named else found))


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
