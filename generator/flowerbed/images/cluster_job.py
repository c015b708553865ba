"""The Jobs that build images in a cluster, as objects: what runs, with which rights, and what it is given.

A build takes a user namespace of its own inside the pod, no privileges: its pod passes Pod Security
`baseline`. Where machines confine containers by default (seccomp, AppArmor), it has to be let out of that by
an explicit word, and then takes a namespace with the level `privileged`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowerbed import names
from flowerbed.images.builders import Recipe
from flowerbed.images.containerfile import WHEELS
from flowerbed.images.wheels import WHEEL_LIST

BUILDER_IMAGE = "quay.io/buildah/stable:v1.43.1"
BUILD_LABEL = "dev.flowerbed.build"
BUILD, DOWNLOAD = "build", "wheels"
PUSHING = "flowerbed: pushing"
# Seconds after which a build is given up, and for which a Job stays that nobody could clean up.
BUILD_TIMEOUT, JOB_LIFETIME = 3600, 600
_ROOM = 1_000_000  # bytes of a ConfigMap; its limit is 1 MiB
_STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "/build/storage"\nrunroot = "/build/run"\n'
# What a user namespace with all of its users takes, and what writes files of several users.
_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETFCAP", "SETGID", "SETUID"]
_RESOURCES = {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "4Gi"}}
_LOGIN = """\
set -eu
trust=
if [ -e /registry/ca.crt ]; then trust='--cert-dir /registry'; fi
"""
PULL = f"""\
{_LOGIN}
buildah pull --quiet $trust --platform "$PLATFORM" "$IMAGE"
buildah inspect --type image --format '{{{{.FromImageDigest}}}}' "$IMAGE" >/dev/termination-log
"""
# The list goes with the wheels: the Containerfile's installation reads both there.
BUILD_AND_PUSH = f"""\
{_LOGIN}
cp /context/Containerfile /build/context/Containerfile
cp /context/{WHEEL_LIST} /build/context/{WHEELS}/
buildah build --layers --force-rm --timestamp 0 $trust --platform "$PLATFORM" "$@" \\
  --file /build/context/Containerfile --tag "$IMAGE" /build/context 2>&1
echo '{PUSHING}'
buildah push --quiet $trust --digestfile /dev/termination-log "$IMAGE" 2>&1
"""


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Where and how a cluster builds: `context` of the kubeconfig, "" for the current one.

    `login` names a Secret there of the type `kubernetes.io/dockerconfigjson`, "" for none; an entry `ca.crt`
    in it is trusted as well. `unconfined` takes seccomp and AppArmor away.
    """

    namespace: str
    context: str = ""
    login: str = ""
    image: str = BUILDER_IMAGE
    unconfined: bool = False

    @property
    def where(self) -> str:
        """Return namespace and cluster, for messages."""
        return f"namespace {self.namespace}{f', context {self.context}' if self.context else ''}"


def context_data(recipe: Recipe) -> dict[str, str]:
    """Return what a build's ConfigMap holds: Containerfile and the wheels' list with their hashes."""
    listed = (recipe.context / WHEELS / WHEEL_LIST).read_text(encoding="utf-8")
    written = (recipe.context / "Containerfile").read_text(encoding="utf-8")
    return {"Containerfile": written, WHEEL_LIST: listed}


def too_large(data: Mapping[str, str]) -> bool:
    """Return whether a ConfigMap cannot hold this."""
    return sum(len(text.encode()) for text in data.values()) > _ROOM


def given(name: str, owner: Mapping[str, Any], data: Mapping[str, str], secrets: Mapping[str, bytes]) -> Any:  # noqa: ANN401
    """Return the list of the ConfigMap and the Secret that a Job reads; they go when the Job `owner` goes."""
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": owner["metadata"]["uid"]}
    about = {"name": name, "labels": _labels(name), "ownerReferences": [reference]}
    config = {**data, "storage.conf": _STORAGE}
    encoded = {key: base64.b64encode(value).decode() for key, value in secrets.items()}
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": config},
        {"apiVersion": "v1", "kind": "Secret", "metadata": about, "data": encoded},
    ]
    return {"apiVersion": "v1", "kind": "List", "items": objects}


def pulling(settings: JobSettings, name: str, base: str, platform: str) -> dict[str, Any]:
    """Return the Job that tells a base image's digest."""
    container = _builder(settings, PULL, base, platform, ())
    return _job(settings, name, platform, [], container)


def building(settings: JobSettings, name: str, recipe: Recipe) -> dict[str, Any]:
    """Return the Job that downloads wheels, builds an image and pushes it."""
    flags = [part for key, value in recipe.labels.items() for part in ("--label", f"{key}={value}")]
    flags += [
        part for secret in recipe.secrets for part in ("--secret", f"id={secret.id},src=/secrets/{secret.id}")
    ]
    download = {
        "name": DOWNLOAD,
        "image": recipe.base,
        "command": ["python", "-m", "pip", *recipe.download.arguments, "--no-cache-dir"],
        "args": ["--requirement", f"/context/{WHEEL_LIST}", "--dest", f"/build/context/{WHEELS}"],
        "env": [{"name": "HOME", "value": "/build/tmp"}, {"name": "TMPDIR", "value": "/build/tmp"}],
        "securityContext": {
            "runAsUser": names.IMAGE_USER,
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": _RESOURCES,
        "volumeMounts": _mounts(),
    }
    container = _builder(settings, BUILD_AND_PUSH, recipe.image, recipe.platform, flags)
    return _job(settings, name, recipe.platform, [download], container)


def secrets_of(recipe: Recipe, environment: Mapping[str, str]) -> dict[str, bytes]:
    """Return the content of a recipe's build secrets by id."""
    return {
        one.id: environment[one.env].encode() if one.env else Path(one.file).read_bytes()
        for one in recipe.secrets
    }


def _builder(
    settings: JobSettings, script: str, image: str, platform: str, flags: list[str] | tuple[str, ...]
) -> dict[str, Any]:
    security: dict[str, Any] = {
        "runAsUser": 0,
        "runAsGroup": 0,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": _CAPABILITIES},
    }
    if settings.unconfined:
        security |= {"seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "Unconfined"}}
    variables = {
        "IMAGE": image,
        "PLATFORM": platform,
        "BUILDAH_ISOLATION": "chroot",
        "CONTAINERS_STORAGE_CONF": "/context/storage.conf",
        "HOME": "/build/tmp",
        "TMPDIR": "/build/tmp",
        **({"REGISTRY_AUTH_FILE": "/registry/.dockerconfigjson"} if settings.login else {}),
    }
    login = [{"name": "registry", "mountPath": "/registry", "readOnly": True}] if settings.login else []
    return {
        "name": BUILD,
        "image": settings.image,
        "command": ["sh", "-c", script, BUILD, *flags],
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "securityContext": security,
        "resources": _RESOURCES,
        "volumeMounts": [*_mounts(), {"name": "secrets", "mountPath": "/secrets", "readOnly": True}, *login],
    }


def _mounts() -> list[dict[str, Any]]:
    return [
        {"name": "context", "mountPath": "/context", "readOnly": True},
        {"name": "work", "mountPath": "/build"},
        {"name": "work", "mountPath": "/build/context", "subPath": "context"},
        {"name": "work", "mountPath": "/build/tmp", "subPath": "tmp"},
    ]


def _job(
    settings: JobSettings, name: str, platform: str, before: list[dict[str, Any]], container: dict[str, Any]
) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = [
        {"name": "context", "configMap": {"name": name}},
        {"name": "secrets", "secret": {"secretName": name, "defaultMode": 0o400}},
        {"name": "work", "emptyDir": {}},
    ]
    login = [{"name": settings.login}] if settings.login else []
    if settings.login:
        volumes.append({"name": "registry", "secret": {"secretName": settings.login, "defaultMode": 0o400}})
    pod = {
        "restartPolicy": "Never",
        # A build that is given up has nothing to save, and its shell does not hear SIGTERM.
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": {"kubernetes.io/os": "linux", "kubernetes.io/arch": platform.partition("/")[2]},
        "imagePullSecrets": login,
        "initContainers": before,
        "containers": [container],
        "volumes": volumes,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": _labels(name)},
        # Suspended until what it reads is there.
        "spec": {
            "suspend": True,
            "backoffLimit": 0,
            "activeDeadlineSeconds": BUILD_TIMEOUT,
            "ttlSecondsAfterFinished": JOB_LIFETIME,
            "template": {"metadata": {"labels": _labels(name)}, "spec": pod},
        },
    }


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/managed-by": "flowerbed", BUILD_LABEL: name}
