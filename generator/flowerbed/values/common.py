"""What the values of both charts say alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowerbed.plan import Pod, SecretUse


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
