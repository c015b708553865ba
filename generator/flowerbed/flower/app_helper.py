"""What an app can tell Flowerbed. Copy this file into the app: it needs nothing but Python.

    from .flowerbed_helper import log_config, log_metrics, save_artifact

The functions print lines that `flowerbed report` reads, and write into the working directory, which
`flowerbed artifacts` fetches. Under Flower alone they print and write the same, and nobody reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,99}/){0,7}[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


def log_config(config: Mapping[str, Any]) -> None:
    """Say with which run config the app runs: `log_config(context.run_config)`."""
    print("config", _json(dict(config)), flush=True)


def log_metrics(
    server_round: int,
    figures: Mapping[str, Any],
    *,
    node: int | str | None = None,
    examples: int | None = None,
) -> None:
    """Say what was reached in a round (from 0), by a node or, without one, by the server.

    `figures` maps names to numbers; texts, true and false are labels of the node. `node` is Flower's node id,
    `reply.metadata.src_node_id`, and `examples` the number of examples that it trained on. Raises ValueError
    for a round below 0.
    """
    if server_round < 0:
        raise ValueError(f"there is no round {server_round}")
    told: dict[str, Any] = {"round": server_round}
    if node is not None:
        told["node"] = str(node)
    if examples is not None:
        told["examples"] = int(examples)
    print("metrics", _json({**figures, **told}), flush=True)


def save_artifact(name: str, data: bytes | str) -> Path:
    """Write a file of the run and return its path; text is written as UTF-8.

    `name` may have directories: letters, digits, `.`, `_` and `-`. Raises ValueError for another name and
    OSError where the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a plain file name: use letters, digits, '.', '_' and '-'")
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def _json(told: dict[str, Any]) -> str:
    # Numbers of numpy and torch have `item`.
    return json.dumps({key: getattr(value, "item", lambda v=value: v)() for key, value in told.items()})
