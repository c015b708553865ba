"""The tiny app with rounds by one of Flower's strategies, and parts that go wrong as they are told."""

from __future__ import annotations

from support.apps import CLIENT, PYPROJECT, SERVER

# `faults` are pairs NODE=FAULT, which come true in `phase`; `server` is a fault of the ServerApp; `nodes` are
# ids of those to be asked, all if empty. With `asking` the ServerApp sends messages itself. `limit` counts
# from when `answers` nodes have replied, however long their processes take to start.
CONFIG = """\
rounds = 0
evaluation = 0.0
min-nodes = 2
nodes = ""
faults = ""
phase = "train"
server = ""
metrics = true
asking = false
limit = 3600.0
answers = 0
loss = "0.5"
ticks = 4"""

SERVER_HEAD = """\
import os
import sys
import time

import numpy as np
from flwr.serverapp.strategy import FedAvg
from flwr.app import ArrayRecord, Message, RecordDict


def again():
    again()


class Chosen:
    def __init__(self, grid, nodes, answers):
        self.grid, self.nodes, self.answers = grid, nodes, answers

    def __getattr__(self, name):
        return getattr(self.grid, name)

    def get_node_ids(self):
        return self.nodes or self.grid.get_node_ids()

    def send_and_receive(self, messages, *, timeout):
        if not self.answers:
            return self.grid.send_and_receive(messages, timeout=timeout)
        waiting, replies, end = set(self.grid.push_messages(messages)), [], None
        while waiting and (end is None or time.monotonic() < end):
            time.sleep(0.5)
            for reply in self.grid.pull_messages(waiting):
                waiting.remove(reply.metadata.reply_to_message_id)
                replies.append(reply)
            if end is None and len(replies) >= self.answers:
                end = time.monotonic() + timeout
        return replies


class Figureless(FedAvg):
    def aggregate_train(self, server_round, replies):
        return super().aggregate_train(server_round, replies)[0], None


def fail(config):
    fault = config["server"]
    if fault == "os._exit":
        os._exit(3)
    if fault == "sys.exit":
        sys.exit(0)
    if fault.startswith("SIG"):
        os.kill(os.getpid(), {"SIGKILL": 9, "SIGTERM": 15}[fault])
        time.sleep(30)
    if fault == "recursion":
        again()
    if fault == "key":
        config["learning-rate"]
    if fault == "nothing":
        raise AssertionError
    if fault == "long":
        raise ValueError("x" * 200_000)
    if fault == "lines":
        raise ValueError("Größe 数据 🌻\\nsecond line")
"""

ROUNDS = """\
    fail(config)
    grid = Chosen(grid, [int(node) for node in config["nodes"].split()], config["answers"])
    if config["rounds"]:
        nodes = int(config["min-nodes"])
        strategy = (FedAvg if config["metrics"] else Figureless)(
            fraction_evaluate=config["evaluation"],
            min_train_nodes=nodes,
            min_evaluate_nodes=nodes,
            min_available_nodes=nodes,
        )
        arrays = ArrayRecord([np.zeros(1)])
        strategy.start(
            grid=grid, initial_arrays=arrays, num_rounds=config["rounds"], timeout=config["limit"]
        )
    if config["asking"]:
        nodes = grid.get_node_ids()
        asked = [Message(RecordDict(), dst_node_id=node, message_type="query") for node in nodes]
        print(len(list(grid.send_and_receive(asked, timeout=config["limit"]))), "replies")
"""

CLIENT_HEAD = """\
import ctypes
import os
import sys
import time

from flwr.app import *
"""

FAULTS = """\


class OwnError(Exception):
    pass


def fail(context, phase):
    config = context.run_config
    faults = dict(pair.split("=") for pair in config["faults"].split())
    fault = faults.get(context.node_config["name"], "") if phase == config["phase"] else ""
    if fault == "raises":
        raise ValueError("no data here")
    if fault == "own":
        raise OwnError("no data here")
    if fault == "memory":
        raise MemoryError
    if fault == "import":
        import torch_geometric_extra
    if fault == "long":
        raise ValueError("x" * 200_000)
    if fault == "os._exit":
        os._exit(3)
    if fault == "sys.exit":
        sys.exit(0)
    if fault == "SIGKILL":
        os.kill(os.getpid(), 9)
    if fault == "SIGSEGV":
        ctypes.string_at(0)
    if fault == "slow":
        time.sleep(3600)
    return fault
"""

ANSWERS = """\


@app.query()
def query(message, context):
    fail(context, context.run_config["phase"])
    return Message(RecordDict(), reply_to=message)


@app.train()
def train(message, context):
    fault = fail(context, "train")
    if fault == "nothing":
        return None
    figures = {"train_loss": float(context.run_config["loss"])}
    if fault != "weightless":
        figures["num-examples"] = 1
    content = {"arrays": message.content["arrays"], "metrics": MetricRecord(figures)}
    return Message(RecordDict(content), reply_to=message)


@app.evaluate()
def evaluate(message, context):
    fail(context, "evaluate")
    metrics = MetricRecord({"num-examples": 1, "eval_loss": float(context.run_config["loss"])})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
"""

OLDER_SERVER = """\
import numpy as np
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg


def server_fn(context):
    nodes = int(context.run_config["min-nodes"])
    strategy = FedAvg(
        fraction_evaluate=0.0,
        min_fit_clients=nodes,
        min_available_clients=nodes,
        initial_parameters=ndarrays_to_parameters([np.zeros(1)]),
    )
    return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=1))


app = ServerApp(server_fn=server_fn)
"""

OLDER_CLIENT = """\


class Client(NumPyClient):
    def __init__(self, context):
        self.context = context

    def fit(self, parameters, config):
        fail(self.context, "train")
        return parameters, 1, {}


app = ClientApp(client_fn=lambda context: Client(context).to_client())
"""

FILES = {
    "pyproject.toml": PYPROJECT.replace("ticks = 4", CONFIG),
    "tiny/server.py": SERVER.replace("import time\n", SERVER_HEAD, 1) + ROUNDS,
    "tiny/client.py": CLIENT_HEAD + CLIENT + FAULTS + ANSWERS,
}
# An app whose ServerApp, or whose ClientApp, needs a module that is not installed; one with the older API.
APPS = {
    "tiny": FILES,
    "server-import": {**FILES, "tiny/server.py": "import torch_server_extra\n" + FILES["tiny/server.py"]},
    "client-import": {**FILES, "tiny/client.py": "import torch_client_extra\n" + FILES["tiny/client.py"]},
    "older": {
        **FILES,
        "tiny/server.py": OLDER_SERVER,
        "tiny/client.py": "from flwr.client import NumPyClient\nfrom flwr.clientapp import ClientApp\n"
        + CLIENT_HEAD
        + FAULTS
        + OLDER_CLIENT,
    },
}
