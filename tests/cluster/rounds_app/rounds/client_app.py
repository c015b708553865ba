"""Works for as long as the round says."""

import time
from logging import INFO

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.logger import log

app = ClientApp()


@app.query()
def query(message: Message, context: Context) -> Message:
    """Wait, then answer with who this is."""
    log(INFO, "at work")
    time.sleep(float(message.content["order"]["work"]))
    answer = ConfigRecord({"partition": int(context.node_config["partition-id"])})
    return Message(content=RecordDict({"answer": answer}), reply_to=message)
