"""A ServerApp that tells its rounds itself, for an app of `submit_apps`: no strategy, no nodes."""

from __future__ import annotations

SERVER = """\
import json
import time

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    print("config", json.dumps(dict(sorted(context.run_config.items()))))
    for number in range(1, int(context.run_config["ticks"]) + 1):
        print("metrics", json.dumps({"round": number, "accuracy": 1 - 0.5 ** number}), flush=True)
        time.sleep(float(context.run_config["pause"]))
    if context.run_config["ending"] != "well":
        raise RuntimeError(context.run_config["ending"])
"""
