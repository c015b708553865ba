"""Answers with what this node's app can see."""

import json
import os
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.query()
def query(message: Message, context: Context) -> Message:
    """Return the node config, some of the environment, and which files are there."""
    config = {key: [type(value).__name__, value] for key, value in context.node_config.items()}
    seen = {"config": config, "hostile": os.environ.get("HOSTILE"), "here": str(Path.cwd())}
    return Message(content=RecordDict({"answer": ConfigRecord({"json": json.dumps(seen)})}), reply_to=message)
