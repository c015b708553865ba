"""What runs beside the SuperLink: federated averaging, with metrics and a model file for Flowerbed."""

from collections.abc import Iterable

from flwr.app import ArrayRecord, Context, Message, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from .flowerbed_helper import log_config, log_metrics, save_artifact
from .task import MODEL_FILE, evaluate, get_arrays, load_test_data, new_model, set_arrays, to_bytes

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Train for the configured number of rounds, then save the model as a file of the run."""
    run = context.run_config
    log_config(run)
    model = new_model(int(run["seed"]))
    test_data = load_test_data(int(run["seed"]))

    def evaluate_model(_server_round: int, arrays: ArrayRecord) -> MetricRecord:
        """Evaluate the averaged model; Flower logs the result, and `flowerbed report` plots it."""
        set_arrays(model, arrays)
        return MetricRecord(evaluate(model, test_data))

    min_nodes = int(run["min-nodes"])
    strategy = LoggingFedAvg(fraction_evaluate=0.0, min_train_nodes=min_nodes, min_available_nodes=min_nodes)
    result = strategy.start(
        grid,
        get_arrays(model),
        num_rounds=int(run["num-server-rounds"]),
        timeout=float(run["round-timeout"]),
        evaluate_fn=evaluate_model,
    )
    set_arrays(model, result.arrays)
    save_artifact(MODEL_FILE, to_bytes(model))


class LoggingFedAvg(FedAvg):
    """FedAvg that also logs the metrics of each node, for `flowerbed report`."""

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Log who took part in the round, then average."""
        replies = list(replies)
        for reply in replies:
            if reply.has_content():
                metrics = dict(reply.content["metrics"])
                examples = int(metrics.pop("num-examples"))
                log_metrics(server_round, metrics, node=reply.metadata.src_node_id, examples=examples)
        return super().aggregate_train(server_round, replies)
