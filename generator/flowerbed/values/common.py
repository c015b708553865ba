"""What the values of both charts say alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
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


def fingerprints(public_keys: Mapping[str, str], authority: str) -> dict[str, str]:
    """Return short hashes of what the chart cannot see, so that pods restart exactly when it changes."""
    parts = {"node-keys": "".join(public_keys.values()), "ca": authority}
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in parts.items() if text}
