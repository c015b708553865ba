"""What goes with an image: its bill of materials (CycloneDX) beside the lock, and its signature (cosign)."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from flowerbed.errors import FlowerbedError
from flowerbed.files import write_atomic
from flowerbed.images.images_lock import lock_file
from flowerbed.images.processes import Tell, find_program, run


def _bill_file(declaration: Path, component: str) -> Path:
    """Return where a component's bill of materials lies."""
    return lock_file(declaration, component).with_suffix(".cdx.json")


def bill_of_materials(declaration: Path, component: str, tell: Tell) -> None:
    """Write a component's lock as CycloneDX JSON, the same bytes for the same lock.

    Without the `build` extra there is none, which `tell` hears. Raises FlowerbedError if it cannot be made.
    """
    target, source = _bill_file(declaration, component), lock_file(declaration, component)
    if importlib.util.find_spec("cyclonedx_py") is None:
        target.unlink(missing_ok=True)  # one of an older lock would tell an untruth
        tell(f"{component}: no bill of materials; for one: pip install 'flowerbed[build]'")
        return
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible", "--of", "JSON"]
    temporary = target.with_name(f".{target.name}.new")
    try:
        outcome = run([*command, "--output-file", str(temporary), str(source)])
        if outcome.code or not temporary.is_file():
            last = outcome.lines[-1] if outcome.lines else ""
            raise FlowerbedError(f"the bill of materials cannot be made: {last}", where=str(source))
        write_atomic(target, temporary.read_bytes())
    finally:
        temporary.unlink(missing_ok=True)


def signer() -> str:
    """Return the path of cosign. Raises UsageError if it is not installed."""
    return find_program("cosign", "signing", "install cosign, or leave --sign out")


def sign(image: str, options: Sequence[str], tell: Tell) -> None:
    """Sign a pushed image by its digest; without `options` that name a key cosign asks for an identity.

    Raises FlowerbedError.
    """
    tell(f"signing {image}")
    outcome = run([signer(), "sign", "--yes", *options, image])
    if outcome.code:
        last = outcome.lines[-1] if outcome.lines else "cosign said nothing"
        raise FlowerbedError(f"the signature failed: {last}", where=image, remedy="see `cosign sign --help`")
