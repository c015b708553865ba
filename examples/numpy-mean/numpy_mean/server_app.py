"""What runs beside the SuperLink: one round, whose average is the answer."""

from __future__ import annotations

import json

import numpy as np
from flwr.app import Array, ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Ask every node once and print the mean of all rows."""
    run = context.run_config
    nodes = int(run["min-nodes"])
    result = FedAvg(fraction_evaluate=0.0, min_train_nodes=nodes, min_available_nodes=nodes).start(
        grid, ArrayRecord({"mean": Array(np.zeros(1))}), num_rounds=1, timeout=float(run["round-timeout"])
    )
    if "mean" not in result.arrays or 1 not in result.train_metrics_clientapp:
        raise RuntimeError("no node answered")
    print("mean", json.dumps([round(float(value), 3) for value in result.arrays["mean"].numpy()]), flush=True)
