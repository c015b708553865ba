"""What a build makes: the image's name and content hash, from inputs, lock and base."""

from __future__ import annotations

from dataclasses import dataclass

from flowerbed.images.containerfile import containerfile
from flowerbed.images.images_lock import Entry
from flowerbed.images.inputs import Inputs, sha256
from flowerbed.images.locking import Lock
from flowerbed.images.reference import parse_reference
from flowerbed.plan import Image, Plan

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


def known_base(image: Image, entry: Entry | None) -> str:
    """Return the base by the digest of the last build, "" if that was another base or there was none."""
    declared, _, pinned = entry.base.partition(" ") if entry else ("", "", "")
    return pinned if declared == image.base else ""
