"""A small network with PyTorch's interface: parameters by dotted names, `state_dict`, `load_state_dict`."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

Points = tuple[np.ndarray, np.ndarray]  # float32 (n, 2) and labels 0 or 1 (n,)


class Network:
    """2 inputs, 16 hidden units, 1 output; trained by plain gradient descent."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._parameters = OrderedDict(
            {
                "hidden.weight": random.normal(scale=0.7, size=(16, 2)).astype(np.float32),
                "hidden.bias": np.zeros(16, np.float32),
                "out.weight": random.normal(scale=0.3, size=(1, 16)).astype(np.float32),
                "out.bias": np.zeros(1, np.float32),
            }
        )

    def state_dict(self) -> OrderedDict[str, np.ndarray]:
        """Return the parameters by name, as `torch.nn.Module.state_dict` does."""
        return self._parameters

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Take parameters over. Raises KeyError for other names, ValueError for other shapes."""
        for name, mine in self._parameters.items():
            if state[name].shape != mine.shape:
                raise ValueError(f"{name} has the shape {state[name].shape}, not {mine.shape}")
            self._parameters[name] = state[name].astype(np.float32)

    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the hidden activations and the probability of label 1."""
        state = self._parameters
        hidden = np.tanh(inputs @ state["hidden.weight"].T + state["hidden.bias"])
        return hidden, 1 / (1 + np.exp(-(hidden @ state["out.weight"].T + state["out.bias"])[:, 0]))

    def fit(self, points: Points, epochs: int, rate: float) -> None:
        """Train on all points at once."""
        inputs, labels = points
        state = self._parameters
        for _ in range(epochs):
            hidden, chance = self(inputs)
            off = ((chance - labels) / len(labels))[:, None]
            back = off @ state["out.weight"] * (1 - hidden**2)
            state["out.weight"] -= rate * (off.T @ hidden).astype(np.float32)
            state["out.bias"] -= rate * off.sum(axis=0).astype(np.float32)
            state["hidden.weight"] -= rate * (back.T @ inputs).astype(np.float32)
            state["hidden.bias"] -= rate * back.sum(axis=0).astype(np.float32)

    def accuracy(self, points: Points) -> float:
        """Return the share of points that get their own label."""
        return float(np.mean((self(points[0])[1] > 0.5) == points[1]))


def points(seed: int, count: int = 300) -> Points:
    """Return made-up points: label 1 outside of a circle, 0 inside."""
    inputs = np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)
    return inputs, (np.square(inputs).sum(axis=1) > 1.4).astype(np.float32)
