"""What runs beside the SuperLink: gradient descent, message by message, without a strategy."""

from __future__ import annotations

import json
import time

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Walk down the gradient; a node that fails is left out of its round, and the run fails without any."""
    run = context.run_config
    nodes = awaited(grid, int(run["min-nodes"]), float(run["round-timeout"]))
    weights = np.zeros(3)
    for number in range(1, int(run["rounds"]) + 1):
        answers = ask(grid, nodes, weights, float(run["round-timeout"]))
        for answer in answers:
            figures = answer.content["metrics"]
            said = {"round": number, "node": str(answer.metadata.src_node_id), "loss": figures["loss"]}
            print("metrics", json.dumps({**said, "examples": figures["num-examples"]}), flush=True)
        sizes = [answer.content["metrics"]["num-examples"] for answer in answers]
        gradients = [answer.content["arrays"]["gradient"].numpy() for answer in answers]
        step = np.average(gradients, axis=0, weights=sizes)
        weights = weights - float(run["learning-rate"]) * step
    print("weights", json.dumps([round(float(weight), 3) for weight in weights]), flush=True)
    if np.abs(step).max() > float(run["tolerance"]):
        raise RuntimeError(f"not there yet: the last gradient is {step}; set more rounds")


def awaited(grid: Grid, number: int, timeout: float) -> list[int]:
    """Return the nodes once enough are online."""
    end = time.monotonic() + timeout
    while len(nodes := list(grid.get_node_ids())) < number:
        if time.monotonic() > end:
            raise RuntimeError(f"{len(nodes)} of {number} nodes came within {timeout:.0f} s")
        time.sleep(1)
    return nodes


def ask(grid: Grid, nodes: list[int], weights: np.ndarray, timeout: float) -> list[Message]:
    """Return the answers that came with content."""
    content = RecordDict({"arrays": ArrayRecord({"weights": Array(weights)})})
    asked = [Message(content, dst_node_id=node, message_type="query") for node in nodes]
    answers = list(grid.send_and_receive(asked, timeout=timeout))
    for answer in answers:
        if answer.has_error():
            print(f"node {answer.metadata.src_node_id} failed: {answer.error.reason}", flush=True)
    good = [answer for answer in answers if answer.has_content()]
    if not good:
        raise RuntimeError("no node answered")
    return good
