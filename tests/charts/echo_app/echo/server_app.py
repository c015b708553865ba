"""Asks every node for its config and environment, and logs the answers as one line of JSON."""

import base64
import hashlib
import json
import time
from logging import INFO

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Wait for the nodes, ask them, and do what `deed` says."""
    deed, wanted = context.run_config["deed"], context.run_config["nodes"]
    if deed == "fail":
        raise RuntimeError("told to fail")
    if deed == "sleep":
        time.sleep(300)
    while len(ids := list(grid.get_node_ids())) < wanted:
        time.sleep(0.5)
    question = RecordDict({"question": ConfigRecord({"all": True})})
    messages = [Message(content=question, dst_node_id=node, message_type="query") for node in ids]
    replies = list(grid.send_and_receive(messages, timeout=120))
    answers = [json.loads(reply.content["answer"]["json"]) for reply in replies if not reply.has_error()]
    rate = context.run_config["rate"]
    given = str(rate).encode()
    told = {"name": "rate.txt", "sha256": hashlib.sha256(given).hexdigest(), "part": 1, "parts": 1}
    log(INFO, "artifact %s", json.dumps(told | {"data": base64.b64encode(given).decode()}))
    log(INFO, "ANSWERS %s", json.dumps({"nodes": answers, "rate": rate, "kind": type(rate).__name__}))
