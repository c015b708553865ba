"""What a build makes: the image's name and content hash, from inputs, lock and base.

By the hash the committed files alone tell whether an image was built from what is declared now.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flowerbed.errors import UsageError
from flowerbed.images.containerfile import containerfile
from flowerbed.images.images_lock import ImageEntry, read_images_lock
from flowerbed.images.inputs import Inputs, inputs_of, sha256
from flowerbed.images.locking import Lock, kept_lock
from flowerbed.images.reference import parse_reference
from flowerbed.plan import Component, Image, Plan
from flowerbed.project import Project

_TAG_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Target:
    """One image to be: `text` is its Containerfile, `content` hashes all inputs, `name` ends in the tag."""

    inputs: Inputs
    lock: Lock
    base: str
    text: str
    content: str
    name: str


def target_of(plan: Plan, inputs: Inputs, locked: Lock, base: str) -> Target:
    """Return what these inputs make on a base, which is by digest where that is known."""
    text = containerfile(inputs, locked, base)
    content = sha256(f"{inputs.image.platform}\n{text}")
    declared = inputs.image.repository
    repository = parse_reference(declared).name if declared else f"localhost/{plan.name}"
    name = f"{repository}:{inputs.component}-{content[:_TAG_DIGITS]}"
    return Target(inputs, locked, base, text, content, name)


def known_base(image: Image, entry: ImageEntry | None) -> str:
    """Return the base by the digest of the last build, "" if that was another base or there was none."""
    declared, _, pinned = entry.base.partition(" ") if entry else ("", "", "")
    return pinned if declared == image.base else ""


def stale_images(plan: Plan, declaration: Path) -> list[str]:
    """Return a sentence for every declared image that was not pushed, or not from what is declared now.

    Nothing is asked of a network or a builder. Raises UsageError if the record is damaged.
    """
    if not plan.images:
        return []
    entries = read_images_lock(declaration, plan.name).images
    said = {name: _staleness(plan, name, declaration, entries.get(name)) for name in plan.images}
    return [f"image of the {name}: {text}" for name, text in said.items() if text]


def _staleness(plan: Plan, component: Component, declaration: Path, entry: ImageEntry | None) -> str:
    remedy = f"`flowerbed build {component} --push` makes it"
    if entry is None or not entry.image:
        return f"declared, but not pushed yet: Flower's own runs in its place; {remedy}"
    try:
        inputs = inputs_of(plan, component, Project(declaration).directory)
    except UsageError as error:
        return f"what it is made from cannot be read: {' '.join(str(error).split())}"
    locked, base = kept_lock(inputs, declaration), known_base(inputs.image, entry)
    if locked and base and target_of(plan, inputs, locked, base).content == entry.content:
        return ""
    return f"the declaration has changed since it was built; {remedy} anew"
