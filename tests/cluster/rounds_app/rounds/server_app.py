"""Asks all nodes again and again, and logs one line of JSON for each round."""

import json
import os
import time
from logging import INFO

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the rounds; a node that does not answer costs its round one failure, no more."""
    config = context.run_config
    for number in range(1, config["rounds"] + 1):
        while len(ids := list(grid.get_node_ids())) < config["nodes"]:
            time.sleep(0.2)
        started = time.monotonic()
        log(INFO, "BEGIN %s", json.dumps({"round": number, "nodes": sorted(map(str, ids))}))
        # Random, so that nobody on the way makes it smaller.
        order = RecordDict(
            {"order": ConfigRecord({"work": config["work"], "bulk": os.urandom(config["bulk"])})}
        )
        messages = [Message(content=order, dst_node_id=node, message_type="query") for node in ids]
        replies = list(grid.send_and_receive(messages, timeout=config["patience"]))
        answered = [str(reply.metadata.src_node_id) for reply in replies if not reply.has_error()]
        # What the SuperLink answers in a node's place carries its own id, so codes are all that can be told.
        failed = sorted(int(one.error.code) for one in replies if one.has_error())
        seconds = round(time.monotonic() - started, 1)
        told = {"round": number, "asked": len(ids), "answered": sorted(answered), "seconds": seconds}
        told["failed"] = failed
        log(INFO, "ROUND %s", json.dumps(told))
