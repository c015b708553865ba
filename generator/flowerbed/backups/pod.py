"""The pod that has the SuperLink's volume while the SuperLink is stopped, as an object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowerbed.errors import UsageError
from flowerbed.flower.programs import superlink_state

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
