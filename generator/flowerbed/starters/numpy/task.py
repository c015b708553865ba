"""The model and the data of the app. Replace both with your own; the other modules can stay as they are."""

import io
from dataclasses import dataclass

import numpy as np
from flwr.app import Array, ArrayRecord, Context

MODEL_FILE = "model.npz"
# The made-up data follows these weights, and training finds their direction.
HIDDEN = np.array([1.5, -2.0, 0.5, 1.0])


@dataclass
class Data:
    """Rows of features, shape (n, 4), and the label of each row, 0 or 1."""

    inputs: np.ndarray
    labels: np.ndarray


@dataclass
class Model:
    """Logistic regression."""

    weights: np.ndarray
    bias: np.ndarray

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """Return the probability of label 1 for each row."""
        return 1 / (1 + np.exp(-(inputs @ self.weights + self.bias)))


def load_data(context: Context) -> Data:
    """Return this node's data: the file that its node config names as `data`, or made-up rows."""
    if path := context.node_config.get("data"):
        with np.load(str(path), allow_pickle=False) as file:
            return Data(file["inputs"], file["labels"])
    return made_up(seed=context.node_id, rows=400)


def load_test_data(seed: int) -> Data:
    """Return the rows on which the server evaluates the model after each round."""
    return made_up(seed, rows=1000)


def made_up(seed: int, rows: int) -> Data:
    """Return rows that a line separates, with some noise."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(rows, len(HIDDEN)))
    return Data(inputs, (inputs @ HIDDEN + random.normal(scale=0.5, size=rows) > 0).astype(float))


def new_model(seed: int) -> Model:
    """Return an untrained model; the seed decides its first weights."""
    return Model(np.random.default_rng(seed).normal(scale=0.1, size=len(HIDDEN)), np.zeros(1))


def get_arrays(model: Model) -> ArrayRecord:
    """Return the weights as Flower sends them."""
    return ArrayRecord({"weights": Array(model.weights), "bias": Array(model.bias)})


def set_arrays(model: Model, arrays: ArrayRecord) -> None:
    """Replace the weights by those that Flower received."""
    model.weights, model.bias = arrays["weights"].numpy(), arrays["bias"].numpy()


def fit(model: Model, data: Data, epochs: int, learning_rate: float) -> None:
    """Train by gradient descent; one step over all rows is an epoch."""
    for _ in range(epochs):
        errors = model.probabilities(data.inputs) - data.labels
        model.weights = model.weights - learning_rate * data.inputs.T @ errors / len(errors)
        model.bias = model.bias - learning_rate * errors.mean()


def evaluate(model: Model, data: Data) -> dict[str, float]:
    """Return the metrics of the model on the data."""
    probabilities = np.clip(model.probabilities(data.inputs), 1e-9, 1 - 1e-9)
    right = np.where(data.labels == 1, probabilities, 1 - probabilities)
    return {"loss": float(-np.log(right).mean()), "accuracy": float((right > 0.5).mean())}


def to_bytes(model: Model) -> bytes:
    """Return the content of MODEL_FILE, which numpy.load reads."""
    buffer = io.BytesIO()
    np.savez(buffer, weights=model.weights, bias=model.bias)
    return buffer.getvalue()
