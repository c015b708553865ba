"""Runs and nodes as the SuperLink knows them, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from flowerbed.flower.app.run_config import Scalar

RunStatus = Literal["pending", "starting", "running", "finished"]
RunEnd = Literal["", "completed", "failed", "stopped"]
NodeStatus = Literal["online", "offline", "registered", "unregistered"]


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run; times are ISO 8601 in UTC, "" while they have not come (flwr 1.41: run_pb2.Run).

    `overrides` is what was set of the run config, whoever submitted the run; `bytes_sent` to nodes and
    `bytes_received` from them; `computing` the seconds that ClientApps took, all nodes together.
    """

    run_id: str
    status: RunStatus
    sub_status: RunEnd
    details: str
    pending_at: str
    starting_at: str
    running_at: str
    finished_at: str
    fab_id: str
    fab_version: str
    fab_hash: str
    overrides: dict[str, Scalar] = {}
    bytes_sent: int = 0
    bytes_received: int = 0
    computing: float = 0.0

    @property
    def outcome(self) -> str:
        """Return the one word that says most: how the run ended, else where it is."""
        return self.sub_status or self.status


class NodeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A SuperNode; `public_key` is the PEM text that it was registered with, "" for an anonymous one.

    `last_activated_at` is ISO 8601 in UTC, `online_until` in seconds since 1970; "" and 0 before it came.
    """

    node_id: str
    name: str
    status: NodeStatus
    public_key: str
    last_activated_at: str = ""
    online_until: float = 0.0


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs: `outcomes` any of these words (empty: all), `app` a name with or without its publisher,
    `since` the earliest time of submission.
    """

    outcomes: frozenset[str] = frozenset()
    app: str = ""
    since: datetime | None = None

    def takes(self, run: RunRecord) -> bool:
        """Return whether a run is one of those."""
        return (
            (not self.outcomes or run.outcome in self.outcomes)
            and (not self.app or self.app in {run.fab_id, run.fab_id.rpartition("/")[2]})
            and not self.is_before(run)
        )

    def is_before(self, run: RunRecord) -> bool:
        """Return whether a run was submitted before `since`."""
        return self.since is not None and datetime.fromisoformat(run.pending_at) < self.since
