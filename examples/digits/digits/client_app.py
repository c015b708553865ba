"""What runs on a node: train the model on the node's own images and send back weights and figures."""

from __future__ import annotations

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from digits import data, model

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train for some epochs from the weights that came; the images never leave the node."""
    run, node = context.run_config, context.node_config
    server_round = int(message.content["config"]["server-round"])
    if server_round == 1:
        print(f"node config: {dict(sorted(node.items()))}", flush=True)
    images = own_images(context)
    weights = model.train(
        {name: array.numpy() for name, array in message.content["arrays"].items()},
        data.with_shifts(images) if node.get("augment", False) else images,
        model.Recipe(
            run["local-epochs"], run["batch-size"], run["learning-rate"], run["seed"] + server_round
        ),
    )
    loss, accuracy = model.evaluate(weights, images)
    reply = RecordDict(
        {
            "arrays": ArrayRecord({name: Array(array) for name, array in weights.items()}),
            # Flower averages weights and figures by num-examples.
            "metrics": MetricRecord({"num-examples": len(images), "loss": loss, "accuracy": accuracy}),
            # Flower leaves what is not a metric alone: room for the node to say who it is.
            "node": ConfigRecord(dict(node)),
        }
    )
    return Message(content=reply, reply_to=message)


def own_images(context: Context) -> data.Images:
    """Return the images of this node: its tenant's share, divided among the tenant's nodes."""
    node, run = context.node_config, context.run_config
    share = data.Share(
        # A federation that does not speak of shares has the whole set at every tenant.
        node.get("share-start", 0.0),
        node.get("share-end", 1.0),
        node["partition-id"],
        node["num-partitions"],
    )
    return data.load_share(share, run["seed"], run["skew"])
