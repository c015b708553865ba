"""What runs on a node: the gradient of the squared error on its own points."""

from __future__ import annotations

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

# What the made-up points hide; a real node would know its points alone.
HIDDEN = np.array([2.0, -1.0, 0.5])
app = ClientApp()


@app.query()
def gradient(message: Message, context: Context) -> Message:
    """Send back the gradient at the weights that came, and the loss there."""
    points, values = own_points(context)
    weights = message.content["arrays"]["weights"].numpy()
    off = points @ weights - values
    reply = RecordDict(
        {
            "arrays": ArrayRecord({"gradient": Array(points.T @ off / len(points))}),
            "metrics": MetricRecord({"num-examples": len(points), "loss": float(np.mean(off**2))}),
        }
    )
    return Message(content=reply, reply_to=message)


def own_points(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Return this node's points and values: other ones on every node, the same in every round."""
    random = np.random.default_rng(context.node_id)
    points = random.normal(size=(400, len(HIDDEN)))
    return points, points @ HIDDEN + random.normal(scale=0.1, size=len(points))
