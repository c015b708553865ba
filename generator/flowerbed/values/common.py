"""What the values of both charts say alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from flowerbed.images.reference import DOCKER_HUB
from flowerbed.plan import BuiltImage, Component, Plan, Pod, SecretUse


def pod_values(pod: Pod) -> dict[str, Any]:
    """Return environment and scheduling of a party's pods."""
    return {
        "env": dict(pod.env),
        "nodeSelector": dict(pod.node_selector),
        "tolerations": [dict(toleration) for toleration in pod.tolerations],
    }


def resources(pod: Pod) -> dict[str, dict[str, str]]:
    """Return requests and limits, without those that are empty: the chart's defaults stand for them."""
    said = {"requests": dict(pod.resources.requests), "limits": dict(pod.resources.limits)}
    return {name: quantities for name, quantities in said.items() if quantities}


def secret_uses(secrets: Iterable[SecretUse]) -> list[dict[str, Any]]:
    """Return existing Secrets by name, as environment, as files, or both; their content is not here."""
    return [
        {"name": use.name}
        | ({"env": True} if use.env else {})
        | ({"mountPath": use.mount} if use.mount else {})
        for use in secrets
    ]


def fingerprints(public_keys: Mapping[str, str], authority: str) -> dict[str, str]:
    """Return short hashes of what the chart cannot see, so that pods restart exactly when it changes."""
    parts = {"node-keys": "".join(public_keys.values()), "ca": authority}
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in parts.items() if text}


def image_values(plan: Plan, component: Component, above: Component | None = None) -> dict[str, Any]:
    """Return the `image` of a component that was built and pushed, by digest; else nothing, for the default.

    The charts take a registry that is not said from the image `above`: where that one was built and this one
    was not, the default's own registry is said.
    """
    if found := _built(plan, component):
        return {"image": {"registry": found.registry, "repository": found.repository, "digest": found.digest}}
    return {"image": {"registry": DOCKER_HUB}} if above and _built(plan, above) else {}


def pull_secret_values(plan: Plan, *components: Component) -> dict[str, Any]:
    """Return `imagePullSecrets` for those of a chart's components that were built, if they need any."""
    images = [plan.images[name] for name in components if _built(plan, name)]
    wanted = sorted({image.pull_secret for image in images if image.pull_secret})
    return {"imagePullSecrets": [{"name": name} for name in wanted]} if wanted else {}


def gateway_image_values(plan: Plan) -> dict[str, Any]:
    """Return where the gateway's image comes from when the SuperLink's has a registry of its own."""
    return {"image": {"registry": DOCKER_HUB}} if _built(plan, "superlink") else {}


def _built(plan: Plan, component: Component) -> BuiltImage | None:
    image = plan.images.get(component)
    return image.built if image else None
