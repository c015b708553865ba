"""The model: one hidden layer, softmax, plain stochastic gradient descent, in numpy.

Its weights are a dict of arrays with fixed names, which is what Flower sends and averages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digits.data import Images

PIXELS, CLASSES = 64, 10
Floats = NDArray[np.float64]
Weights = dict[str, Floats]


@dataclass(frozen=True)
class Recipe:
    """How to train: passes over the images, images per step, length of a step, seed of their order."""

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int


def create(hidden_units: int, seed: int) -> Weights:
    """Return fresh weights; the same seed gives the same ones."""
    random = np.random.default_rng(seed)
    return {
        "hidden.weight": random.normal(0.0, (2 / PIXELS) ** 0.5, (PIXELS, hidden_units)),
        "hidden.bias": np.zeros(hidden_units),
        "output.weight": random.normal(0.0, (1 / hidden_units) ** 0.5, (hidden_units, CLASSES)),
        "output.bias": np.zeros(CLASSES),
    }


def train(weights: Weights, images: Images, recipe: Recipe) -> Weights:
    """Return new weights after the recipe's passes over `images`."""
    weights = {name: array.copy() for name, array in weights.items()}
    random = np.random.default_rng(recipe.seed)
    for _ in range(recipe.epochs):
        order = random.permutation(len(images))
        for start in range(0, len(images), recipe.batch_size):
            batch = images.take(order[start : start + recipe.batch_size])
            for name, gradient in _gradients(weights, batch).items():
                weights[name] -= recipe.learning_rate * gradient
    return weights


def evaluate(weights: Weights, images: Images) -> tuple[float, float]:
    """Return the mean cross-entropy (nats) and the accuracy (0 to 1) on `images`."""
    _, probabilities = _forward(weights, images.pixels)
    of_truth = probabilities[np.arange(len(images)), images.digits]
    loss = float(-np.log(np.maximum(of_truth, 1e-12)).mean())
    return loss, float((probabilities.argmax(axis=1) == images.digits).mean())


def _forward(weights: Weights, pixels: Floats) -> tuple[Floats, Floats]:
    hidden = np.maximum(pixels @ weights["hidden.weight"] + weights["hidden.bias"], 0.0)
    scores = hidden @ weights["output.weight"] + weights["output.bias"]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return hidden, powers / powers.sum(axis=1, keepdims=True)


def _gradients(weights: Weights, batch: Images) -> Weights:
    hidden, probabilities = _forward(weights, batch.pixels)
    of_scores = probabilities
    of_scores[np.arange(len(batch)), batch.digits] -= 1.0
    of_scores /= len(batch)
    of_hidden = (of_scores @ weights["output.weight"].T) * (hidden > 0.0)
    return {
        "hidden.weight": batch.pixels.T @ of_hidden,
        "hidden.bias": of_hidden.sum(axis=0),
        "output.weight": hidden.T @ of_scores,
        "output.bias": of_scores.sum(axis=0),
    }
