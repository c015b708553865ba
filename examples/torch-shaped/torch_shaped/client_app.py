"""What runs on a node: load the weights, train on the node's own points, send the weights back."""

from __future__ import annotations

from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from torch_shaped.model import Network, points

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train for some epochs from the weights that came."""
    run = context.run_config
    network = Network(int(run["seed"]))
    # With PyTorch: network.load_state_dict(message.content["arrays"].to_torch_state_dict())
    network.load_state_dict({name: array.numpy() for name, array in message.content["arrays"].items()})
    own = points(context.node_id)
    network.fit(own, int(run["local-epochs"]), float(run["learning-rate"]))
    # With PyTorch: ArrayRecord(network.state_dict())
    arrays = ArrayRecord({name: Array(value) for name, value in network.state_dict().items()})
    figures = MetricRecord({"num-examples": len(own[1]), "accuracy": network.accuracy(own)})
    return Message(content=RecordDict({"arrays": arrays, "metrics": figures}), reply_to=message)
