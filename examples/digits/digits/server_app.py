"""What runs beside the SuperLink: average the nodes' weights, judge the model, say how it went."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from digits import data, model

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Train for the configured rounds; fail the run when the model ends below the accuracy floor."""
    run = context.run_config
    print("config", json.dumps(dict(sorted(run.items()))))
    held_out = data.load_held_out(run["seed"])

    def judge(_round: int, arrays: ArrayRecord) -> MetricRecord:
        loss, accuracy = model.evaluate({name: array.numpy() for name, array in arrays.items()}, held_out)
        return MetricRecord({"accuracy": accuracy, "loss": loss})

    weights = model.create(run["hidden-units"], run["seed"])
    result = TellingFedAvg(
        fraction_evaluate=0.0, min_train_nodes=run["min-nodes"], min_available_nodes=run["min-nodes"]
    ).start(
        grid,
        ArrayRecord({name: Array(array) for name, array in weights.items()}),
        num_rounds=run["num-server-rounds"],
        timeout=run["round-timeout"],
        evaluate_fn=judge,
    )
    # In the working directory of the run: `flowerbed artifacts` fetches what is there.
    np.savez_compressed("model.npz", **{name: array.numpy() for name, array in result.arrays.items()})
    accuracy = result.evaluate_metrics_serverapp[run["num-server-rounds"]]["accuracy"]
    if accuracy < run["accuracy-floor"]:
        raise RuntimeError(f"accuracy {accuracy:.4f} is below the floor of {run['accuracy-floor']}")


class TellingFedAvg(FedAvg):
    """FedAvg that also says what each node did, in `metrics {...}` lines that `flowerbed report` reads."""

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Say who took part, then average; in a fixed order, since sums of floats depend on it."""
        replies = sorted(replies, key=_place)
        for reply in replies:
            if reply.has_content():
                print("metrics", json.dumps(_figures(server_round, reply), ensure_ascii=False))
        return super().aggregate_train(server_round, replies)


def _place(reply: Message) -> tuple[float, int]:
    if not reply.has_content():
        return (2.0, reply.metadata.src_node_id)
    node = reply.content["node"]
    return (node.get("share-start", 0.0), node["partition-id"])


def _figures(server_round: int, reply: Message) -> dict[str, bool | int | float | str]:
    figures = dict(reply.content["metrics"])
    return {
        "round": server_round,
        "node": str(reply.metadata.src_node_id),
        "examples": figures.pop("num-examples"),
        **figures,
        "site": reply.content["node"].get("site", ""),
    }
