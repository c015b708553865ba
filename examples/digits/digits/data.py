"""The images, and who holds which of them.

scikit-learn ships 1,797 scans of handwritten digits (8x8 pixels, 0 to 16, from the UCI repository) as one
compressed table. It is read straight from the package's folder: importing scikit-learn would cost each
app process more CPU time than its training does.

In a federation of your own, `load_share` is the one function to write anew: it would read the node's own
images from a folder of its own, and no node would know of the others' data.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HELD_OUT = 360  # images that no node trains on: one in five


@dataclass(frozen=True)
class Images:
    """Pixels as float64 (n, 64) between 0 and 1, and the digits they show as int64 (n,)."""

    pixels: NDArray[np.float64]
    digits: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.digits)

    def take(self, index: NDArray[np.int64]) -> Images:
        """Return the images at these places."""
        return Images(self.pixels[index], self.digits[index])


@dataclass(frozen=True)
class Share:
    """The part of all training images that one node holds.

    `start` and `end` bound its tenant's part, as fractions of the whole; within it, partition `index` of
    `count` gets a part in proportion to `index + 1`, so that no two nodes of a tenant hold equally many.
    """

    start: float
    end: float
    index: int
    count: int

    def bounds(self, total: int) -> tuple[int, int]:
        """Return the first image and the one after the last, of `total` images in a row."""
        if not (0.0 <= self.start < self.end <= 1.0 and 0 <= self.index < self.count):
            raise ValueError(f"not a share of the images: {self}")
        parts = self.count * (self.count + 1) / 2
        width = self.end - self.start
        first = self.start + width * (self.index * (self.index + 1) / 2) / parts
        last = self.start + width * ((self.index + 1) * (self.index + 2) / 2) / parts
        return round(first * total), round(last * total)


def load_all() -> Images:
    """Return all 1,797 images, in the order of the file."""
    package = find_spec("sklearn")
    if package is None or package.submodule_search_locations is None:
        raise RuntimeError("scikit-learn is not installed here: pip install scikit-learn")
    folder = Path(package.submodule_search_locations[0])
    table = np.loadtxt(folder / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    return Images(table[:, :64] / 16.0, table[:, 64].astype(np.int64))


def split(images: Images, seed: int, skew: float) -> tuple[Images, Images]:
    """Return the training images, in the row that shares are cut from, and the held-out ones.

    With `skew` 0 the row is shuffled; the nearer to 1, the more it is sorted by digit, so that neighbouring
    shares hold different digits, as real sites do.
    """
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(images))
    held_out, training = images.take(shuffled[:HELD_OUT]), images.take(shuffled[HELD_OUT:])
    place = skew * training.digits / 10 + (1 - skew) * random.random(len(training))
    return training.take(np.argsort(place, kind="stable")), held_out


def load_share(share: Share, seed: int, skew: float) -> Images:
    """Return the images that one node trains on."""
    training, _ = split(load_all(), seed, skew)
    return training.take(np.arange(*share.bounds(len(training))))


def with_shifts(images: Images) -> Images:
    """Return the images and, behind them, each one moved by a pixel to the left and to the right."""
    squares = images.pixels.reshape(-1, 8, 8)
    moved = [np.roll(squares, by, axis=2).reshape(-1, 64) for by in (0, -1, 1)]
    return Images(np.concatenate(moved), np.tile(images.digits, len(moved)))


def load_held_out(seed: int) -> Images:
    """Return the images that the server judges the model by; no node trains on them."""
    _, held_out = split(load_all(), seed, skew=0.0)
    return held_out
