"""The Containerfile: the same text for the same inputs, and no secret in it."""

from __future__ import annotations

from collections.abc import Mapping

from flowerbed import names
from flowerbed.images.inputs import Inputs
from flowerbed.images.locking import Lock

WHEELS = "wheels"
"""Folder of the build's context with the wheels and their requirements.txt."""
_TARGET = "/flowerbed-wheels"
# SOURCE_DATE_EPOCH: compiled modules then carry a hash in place of a time, and so are the same each time.
# The lock's hash stands in the command because builders do not look into what is mounted.
_INSTALL = f"""\
RUN --mount=type=bind,source={WHEELS},target={_TARGET} \\
    FLOWERBED_LOCK={{lock}} SOURCE_DATE_EPOCH=0 PYTHONHASHSEED=0 \\
    python -m pip install --quiet --no-index --find-links {_TARGET} --no-deps --require-hashes \\
    --no-cache-dir --disable-pip-version-check --root-user-action ignore \\
    --requirement {_TARGET}/requirements.txt"""


def containerfile(inputs: Inputs, made: Lock, base: str) -> str:
    """Return the text; `base` is the base image, by digest where it is known.

    The dependencies' layer depends on the base, what stands before it, and the lock: not on any app's code.
    """
    image = inputs.image
    labels = {
        "org.opencontainers.image.base.name": image.base,
        "dev.flowerbed.component": inputs.component,
        "dev.flowerbed.flower": inputs.flower,
        "dev.flowerbed.lock": f"sha256:{made.digest}",
    }
    blocks = [
        "# Written by `flowerbed build` from the declaration.",
        f"FROM {base}",
        _label({"dev.flowerbed.component": inputs.component}),
        "USER 0",
        *(f"ARG {name}={_quoted(value)}" for name, value in image.build_args.items()),
        *image.before,
        "USER 0",
        _INSTALL.format(lock=made.digest),
        *image.after,
        _label(labels),
        f"USER {names.IMAGE_USER}",
    ]
    return "".join(f"{block.rstrip()}\n" for block in blocks)


def _label(labels: Mapping[str, str]) -> str:
    return "LABEL " + " ".join(f"{key}={_quoted(value)}" for key, value in labels.items())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
