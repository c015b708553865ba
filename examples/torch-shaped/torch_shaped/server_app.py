"""What runs beside the SuperLink: Flower's FedAvg over a state_dict, judged on fresh points."""

from __future__ import annotations

from flwr.app import Array, ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from torch_shaped.model import Network, points

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Train for the configured rounds; fail the run below the accuracy floor."""
    run = context.run_config
    network, fresh = Network(int(run["seed"])), points(int(run["seed"]), 2000)

    def judge(_round: int, arrays: ArrayRecord) -> MetricRecord:
        network.load_state_dict({name: array.numpy() for name, array in arrays.items()})
        return MetricRecord({"accuracy": network.accuracy(fresh)})

    nodes, rounds = int(run["min-nodes"]), int(run["num-server-rounds"])
    result = FedAvg(fraction_evaluate=0.0, min_train_nodes=nodes, min_available_nodes=nodes).start(
        grid,
        ArrayRecord({name: Array(value) for name, value in network.state_dict().items()}),
        num_rounds=rounds,
        timeout=float(run["round-timeout"]),
        evaluate_fn=judge,
    )
    accuracy = float(result.evaluate_metrics_serverapp[rounds]["accuracy"])
    print(f"accuracy {accuracy:.3f}", flush=True)
    if accuracy < float(run["accuracy-floor"]):
        raise RuntimeError(f"accuracy {accuracy:.3f} is below the floor of {run['accuracy-floor']}")
