"""The example app: its split of the images, its model, and what is sent of its folder."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from flowerbed.declaration import load_plan
from flowerbed.flower.app.app import load
from support.paths import ROOT

EXAMPLE = ROOT / "examples" / "digits"
CONFIG = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["config"]
SEED, SKEW = CONFIG["seed"], CONFIG["skew"]


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(EXAMPLE)
    return importlib.import_module("digits.data")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(EXAMPLE)
    return importlib.import_module("digits.model")


def declared_shares(data: ModuleType) -> list[Any]:
    """Return the share of every node of the example's declaration, as its app would read it."""
    plan = load_plan(EXAMPLE / "federation.yaml")
    configs = [tenant.node_config(node) for tenant in plan.tenants for node in tenant.nodes]
    keys = ("share-start", "share-end", "partition-id", "num-partitions")
    return [data.Share(*(config[key] for key in keys)) for config in configs]


def images_of(*sets: Any) -> Counter[tuple[bytes, int]]:  # noqa: ANN401  (the app's type)
    """Return how often each image occurs, by its pixels and its digit."""
    return Counter(
        (pixels.tobytes(), int(digit))
        for images in sets
        for pixels, digit in zip(images.pixels, images.digits, strict=True)
    )


def test_every_image_is_held_once(data: ModuleType) -> None:
    """The declared nodes and the server's held-out set share all 1,797 images; none lies in two places."""
    nodes = [data.load_share(share, SEED, SKEW) for share in declared_shares(data)]
    held_out = data.load_held_out(SEED)
    everything = data.load_all()
    assert len(everything) == 1797
    assert len(held_out) == data.HELD_OUT
    assert images_of(*nodes, held_out) == images_of(everything)


def test_nodes_hold_unequal_shares(data: ModuleType) -> None:
    """No two nodes hold equally many images, and sites see different digits."""
    nodes = [data.load_share(share, SEED, SKEW) for share in declared_shares(data)]
    assert len({len(images) for images in nodes}) == len(nodes) == 4
    means = [images.digits.mean() for images in nodes]
    assert max(means) - min(means) > 3
    even = [data.load_share(share, SEED, 0.0).digits.mean() for share in declared_shares(data)]
    assert max(even) - min(even) < 1


@pytest.mark.parametrize(
    "share", [(0.5, 0.5, 0, 1), (0.6, 0.5, 0, 1), (-0.1, 0.5, 0, 1), (0.0, 1.1, 0, 1), (0.0, 1.0, 2, 2)]
)
def test_a_share_that_is_none_is_refused(data: ModuleType, share: tuple[float, float, int, int]) -> None:
    """Empty, reversed and out-of-range shares raise an error that shows the share."""
    with pytest.raises(ValueError, match=re.escape(f"start={share[0]}")):
        data.Share(*share).bounds(100)
    assert data.Share(0.0, 1.0, 1, 2).bounds(90) == (30, 90)


def test_the_seed_decides_the_split(data: ModuleType) -> None:
    """The same seed gives the same images, another seed gives others."""
    share = declared_shares(data)[0]
    first, again, other = (data.load_share(share, seed, SKEW) for seed in (1, 1, 2))
    assert np.array_equal(first.pixels, again.pixels)
    assert images_of(first) != images_of(other)


def test_shifts_add_moved_copies(data: ModuleType) -> None:
    """Augmented images are the originals, then each moved to the left and to the right."""
    images = data.load_share(declared_shares(data)[3], SEED, SKEW)
    more = data.with_shifts(images)
    assert len(more) == 3 * len(images)
    assert np.array_equal(more.pixels[: len(images)], images.pixels)
    left = more.pixels[len(images)].reshape(8, 8)
    assert np.array_equal(left[:, :7], images.pixels[0].reshape(8, 8)[:, 1:])


def test_the_data_set_is_read_without_importing_scikit_learn() -> None:
    """A ClientApp process does not pay for scikit-learn's imports."""
    code = "import sys; from digits.data import load_all; load_all(); sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=EXAMPLE, timeout=60, check=False).returncode == 0


def test_the_table_is_the_data_set_of_scikit_learn(data: ModuleType) -> None:
    """What is read past scikit-learn is what scikit-learn itself loads."""
    from sklearn.datasets import load_digits

    theirs, ours = load_digits(), data.load_all()
    assert np.array_equal(ours.pixels * 16, theirs.data)
    assert np.array_equal(ours.digits, theirs.target)


def test_gradients_are_the_slope_of_the_loss(data: ModuleType, model: ModuleType) -> None:
    """One step of training changes each weight by the numerically measured slope of the loss."""
    images = data.load_all().take(np.arange(20))
    weights = model.create(6, seed=3)
    stepped = model.train(weights, images, model.Recipe(1, len(images), 1.0, seed=0))
    random = np.random.default_rng(0)
    for name, array in weights.items():
        place = tuple(random.integers(size) for size in array.shape)
        bent = [{**weights, name: array.copy()} for _ in range(2)]
        bent[0][name][place] += 1e-5
        bent[1][name][place] -= 1e-5
        slope = (model.evaluate(bent[0], images)[0] - model.evaluate(bent[1], images)[0]) / 2e-5
        assert stepped[name][place] - array[place] == pytest.approx(-slope, abs=1e-7), name


def averaged(data: ModuleType, model: ModuleType, nodes: list[Any]) -> float:
    """Return the accuracy after the default rounds of federated averaging over nodes, as the app does it."""
    weights = model.create(CONFIG["hidden-units"], SEED)
    counts = [len(images) for images, _ in nodes]
    for server_round in range(1, CONFIG["num-server-rounds"] + 1):
        settings = (CONFIG[key] for key in ("local-epochs", "batch-size", "learning-rate"))
        recipe = model.Recipe(*settings, SEED + server_round)
        trained = [
            model.train(weights, data.with_shifts(images) if augment else images, recipe)
            for images, augment in nodes
        ]
        weights = {
            name: sum(one[name] * count for one, count in zip(trained, counts, strict=True)) / sum(counts)
            for name in weights
        }
    accuracy: float = model.evaluate(weights, data.load_held_out(SEED))[1]
    return accuracy


def test_together_the_nodes_learn_what_none_learns_alone(data: ModuleType, model: ModuleType) -> None:
    """With the default run config the average passes the floor by a margin; no node alone comes near it."""
    plan = load_plan(EXAMPLE / "federation.yaml")
    images = [data.load_share(share, SEED, SKEW) for share in declared_shares(data)]
    nodes = list(zip(images, [node.config["augment"] for node in plan.nodes], strict=True))
    floor = CONFIG["accuracy-floor"]
    assert averaged(data, model, nodes) > floor + 0.03
    assert max(averaged(data, model, [node]) for node in nodes) < floor - 0.03


def test_training_leaves_its_input_alone_and_repeats(data: ModuleType, model: ModuleType) -> None:
    """The weights that came in stay as they are; the same recipe gives the same weights again."""
    images = data.load_all().take(np.arange(100))
    weights = model.create(8, seed=1)
    before = {name: array.copy() for name, array in weights.items()}
    recipe = model.Recipe(2, 10, 0.1, seed=5)
    first, again = model.train(weights, images, recipe), model.train(weights, images, recipe)
    assert all(np.array_equal(weights[name], before[name]) for name in weights)
    assert all(np.array_equal(first[name], again[name]) for name in weights)
    assert not np.array_equal(first["hidden.weight"], weights["hidden.weight"])


def test_the_app_reads_only_what_its_config_has() -> None:
    """Every run config key in the code has a default, and every default is read."""
    sources = "".join(path.read_text() for path in sorted((EXAMPLE / "digits").glob("*.py")))
    assert set(re.findall(r"""run\[['"]([a-z-]+)['"]\]""", sources)) == set(CONFIG)


def test_only_the_app_is_sent(tmp_path: Path) -> None:
    """Keys, state, reports and the demo beside the app never come into the FAB."""
    folder = tmp_path / "digits"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".flowerbed", "bundles", "__pycache__"))
    clean = load(folder)
    for name in (
        ".flowerbed/digits/users/analyst/connection.toml",
        "bundles/digits/plan.json",
        "report.html",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("secret = true\n")
    (folder / ".flowerbed" / "module.py").write_text("SECRET = 1\n")
    assert set(clean.files) == {
        "pyproject.toml",
        *(f"digits/{name}.py" for name in ("__init__", "client_app", "data", "model", "server_app")),
    }
    assert load(folder).hash == clean.hash
