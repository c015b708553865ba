"""The model and the data of the app. Replace both with your own; the other modules can stay as they are."""

import io
from dataclasses import dataclass

import numpy as np
import torch
from flwr.app import ArrayRecord, Context
from torch import nn

MODEL_FILE = "model.pt"
FEATURES = 2


@dataclass
class Data:
    """Rows of features, float32 of shape (n, 2), and the label of each row, int64, 0 or 1."""

    inputs: torch.Tensor
    labels: torch.Tensor


def load_data(context: Context) -> Data:
    """Return this node's data: the file that its node config names as `data`, or made-up points."""
    if path := context.node_config.get("data"):
        with np.load(str(path), allow_pickle=False) as file:
            inputs, labels = file["inputs"].astype(np.float32), file["labels"].astype(np.int64)
            return Data(torch.from_numpy(inputs), torch.from_numpy(labels))
    return made_up(seed=context.node_id, rows=400)


def load_test_data(seed: int) -> Data:
    """Return the points on which the server evaluates the model after each round."""
    return made_up(seed, rows=1000)


def made_up(seed: int, rows: int) -> Data:
    """Return points on a plane: label 1 outside of a circle, 0 inside."""
    points = np.random.default_rng(seed).normal(size=(rows, FEATURES)).astype(np.float32)
    labels = (np.square(points).sum(axis=1) > 1.4).astype(np.int64)
    return Data(torch.from_numpy(points), torch.from_numpy(labels))


def new_model(seed: int) -> nn.Module:
    """Return an untrained network; the seed decides its first weights."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(FEATURES, 16), nn.Tanh(), nn.Linear(16, 2))


def get_arrays(model: nn.Module) -> ArrayRecord:
    """Return the weights as Flower sends them."""
    return ArrayRecord(model.state_dict())


def set_arrays(model: nn.Module, arrays: ArrayRecord) -> None:
    """Replace the weights by those that Flower received."""
    model.load_state_dict(arrays.to_torch_state_dict())


def fit(model: nn.Module, data: Data, epochs: int, learning_rate: float) -> None:
    """Train with Adam; one step over all points is an epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    for _ in range(epochs):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data.inputs), data.labels).backward()
        optimizer.step()


def evaluate(model: nn.Module, data: Data) -> dict[str, float]:
    """Return the metrics of the model on the data."""
    with torch.no_grad():
        logits = model(data.inputs)
        loss = nn.functional.cross_entropy(logits, data.labels)
        accuracy = (logits.argmax(dim=1) == data.labels).float().mean()
    return {"loss": float(loss), "accuracy": float(accuracy)}


def to_bytes(model: nn.Module) -> bytes:
    """Return the content of MODEL_FILE, which torch.load reads."""
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.getvalue()
