"""The model and the data of the app. Replace both with your own; the other modules can stay as they are."""

import io
from dataclasses import dataclass

import numpy as np
from flwr.app import Array, ArrayRecord, Context
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

MODEL_FILE = "model.npz"
CLASSES = np.arange(10)
FEATURES = 64


@dataclass
class Data:
    """Rows of features, shape (n, 64), and the label of each row, a digit."""

    inputs: np.ndarray
    labels: np.ndarray


def load_data(context: Context) -> Data:
    """Return this node's data: the file that its node config names as `data`, or some of the digits."""
    if path := context.node_config.get("data"):
        with np.load(str(path), allow_pickle=False) as file:
            return Data(file["inputs"], file["labels"])
    digits = split(int(context.run_config["seed"]))[0]
    own = np.random.default_rng(context.node_id).choice(len(digits.labels), size=400, replace=False)
    return Data(digits.inputs[own], digits.labels[own])


def load_test_data(seed: int) -> Data:
    """Return the digits on which the server evaluates the model after each round."""
    return split(seed)[1]


def split(seed: int) -> tuple[Data, Data]:
    """Return the 1,797 handwritten digits that come with scikit-learn: for training, and held out."""
    inputs, labels = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(
        inputs / 16, labels, test_size=400, random_state=seed
    )
    return Data(train, train_labels), Data(test, test_labels)


def new_model(seed: int) -> SGDClassifier:
    """Return an untrained linear classifier; the seed decides the order of training."""
    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.1, random_state=seed)
    # One row of zeros gives the weights their shape.
    model.partial_fit(np.zeros((1, FEATURES)), [0], classes=CLASSES)
    model.coef_[:], model.intercept_[:] = 0, 0
    return model


def get_arrays(model: SGDClassifier) -> ArrayRecord:
    """Return the weights as Flower sends them."""
    return ArrayRecord({"coef": Array(model.coef_), "intercept": Array(model.intercept_)})


def set_arrays(model: SGDClassifier, arrays: ArrayRecord) -> None:
    """Replace the weights by those that Flower received."""
    model.coef_[:], model.intercept_[:] = arrays["coef"].numpy(), arrays["intercept"].numpy()


def fit(model: SGDClassifier, data: Data, epochs: int, learning_rate: float) -> None:
    """Train by stochastic gradient descent."""
    model.set_params(eta0=learning_rate)
    for _ in range(epochs):
        model.partial_fit(data.inputs, data.labels)


def evaluate(model: SGDClassifier, data: Data) -> dict[str, float]:
    """Return the metrics of the model on the data."""
    loss = log_loss(data.labels, model.predict_proba(data.inputs), labels=CLASSES)
    return {"loss": float(loss), "accuracy": float(model.score(data.inputs, data.labels))}


def to_bytes(model: SGDClassifier) -> bytes:
    """Return the content of MODEL_FILE, which numpy.load reads."""
    buffer = io.BytesIO()
    np.savez(buffer, coef=model.coef_, intercept=model.intercept_)
    return buffer.getvalue()
