"""What runs on a node: the mean of its own rows, and how many they are."""

from __future__ import annotations

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def mean(message: Message, context: Context) -> Message:
    """Send back the mean of each column; the rows never leave the node."""
    rows = own_rows(context)
    reply = RecordDict(
        {
            "arrays": ArrayRecord({"mean": Array(rows.mean(axis=0))}),
            # Flower weighs by num-examples: so the mean of means is the mean of all rows.
            "metrics": MetricRecord({"num-examples": len(rows)}),
        }
    )
    return Message(content=reply, reply_to=message)


def own_rows(context: Context) -> np.ndarray:
    """Return the table that the node config names (`data`, a .npy file), or made-up numbers."""
    if path := context.node_config.get("data"):
        return np.load(str(path), allow_pickle=False)
    random = np.random.default_rng(context.node_id)
    return random.normal((1.0, 2.0, 3.0), 1.0, size=(500 + context.node_id % 1000, 3))
