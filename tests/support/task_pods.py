"""The pods that Flower's own executor makes of a configuration (flwr 1.41), by its private functions."""

from __future__ import annotations

import importlib
from typing import Any

EXECUTOR = "flwr.supercore.superexec.executor"


def executor_keys() -> set[str]:
    """Return the keys of a configuration that Flower reads; it ignores others without a word."""
    factory = importlib.import_module(f"{EXECUTOR}.factory")
    return {*factory._KUBERNETES_CONFIG_FIELD_MAP, "namespace", "image"}


def flowers_pod(configuration: dict[str, Any], kind: str, address: str, authority: str) -> dict[str, Any]:
    """Return the pod of a `server` or `client` app; `authority` is the path of the CA in it."""
    pods = importlib.import_module(f"{EXECUTOR}.kubernetes_executor")
    types = importlib.import_module(f"{EXECUTOR}.types")
    factory = importlib.import_module(f"{EXECUTOR}.factory")
    spec = types.ExecutionSpec(
        task_type=next(task for task in pods.TASK_TYPE_TO_COMMAND if kind in str(task.value)),
        runtime_api_address=address,
        token="token",
        insecure=False,
        root_certificates_path=authority,
        runtime_dependency_install=False,
        parent_pid=None,
        suppress_output=True,
        task_id=7,
    )
    config = factory._kubernetes_executor_config_from_mapping(configuration)
    pod: dict[str, Any] = pods._build_taskexecutor_pod(spec, config, "CERTIFICATE", "0123456789ab")
    return pod
