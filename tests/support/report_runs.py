"""Reports for tests: records as a SuperLink gives them, logs that real runs wrote."""

from __future__ import annotations

from pathlib import Path

import msgspec

from flowerbed.declaration import load_plan
from flowerbed.runs import NodeRecord, RunRecord
from flowerbed.runs.report.model import Report, build
from support.paths import ROOT

LOGS = Path(__file__).with_name("run_logs")
EXAMPLE = ROOT / "examples" / "digits" / "federation.yaml"
NODES = ("8765256351293063047", "6030442504150567104", "5789076600345497800", "1508807308813019488")

COMPLETED = RunRecord(
    run_id="9473538936500246222",
    status="finished",
    sub_status="completed",
    details="",
    pending_at="2026-01-31T08:00:00.250000+00:00",
    starting_at="2026-01-31T08:00:01+00:00",
    running_at="2026-01-31T08:00:02.500000+00:00",
    finished_at="2026-01-31T08:01:10.500000+00:00",
    fab_id="flowerbed/digits",
    fab_version="1.0.0",
    fab_hash="27aa50a3" + "0" * 56,
    overrides={"learning-rate": 0.3},
    bytes_sent=1_234_567,
    bytes_received=4_200,
    computing=0.12,
)


def log(name: str) -> str:
    return (LOGS / f"run-{name}.log").read_text()


def record(**changes: str) -> RunRecord:
    return msgspec.structs.replace(COMPLETED, **changes)


def completed() -> Report:
    """Return the report of the example's run, with its nodes' names and tenants."""
    plan = load_plan(EXAMPLE)
    nodes = [
        NodeRecord(node_id=node_id, name=node.name, status="online", public_key="")
        for node_id, node in zip(NODES, plan.nodes, strict=True)
    ]
    return build(COMPLETED, log("digits-completed"), nodes, plan)


def failed() -> Report:
    reason = "ServerApp failed with exception: accuracy 0.9361 is below the floor of 0.999"
    return build(record(sub_status="failed", details=reason), log("digits-failed"))


def other(name: str) -> Report:
    return build(record(), log(name))
