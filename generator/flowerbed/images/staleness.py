"""Whether declared images are built, and from what is declared now: told by the committed files alone."""

from __future__ import annotations

from pathlib import Path

from flowerbed.errors import UsageError
from flowerbed.images.content_hash import known_base, target_of
from flowerbed.images.images_lock import Entry, read_images_lock
from flowerbed.images.inputs import inputs_of
from flowerbed.images.locking import kept_lock
from flowerbed.plan import Component, Plan
from flowerbed.project import Project


def stale_images(plan: Plan, declaration: Path) -> list[str]:
    """Return a sentence for every declared image that was not pushed, or not from what is declared now.

    Nothing is asked of a network or a builder. Raises UsageError if the record is damaged.
    """
    if not plan.images:
        return []
    entries = read_images_lock(declaration, plan.name).images
    said = {name: _said(plan, name, declaration, entries.get(name)) for name in plan.images}
    return [f"image of the {name}: {text}" for name, text in said.items() if text]


def _said(plan: Plan, component: Component, declaration: Path, entry: Entry | None) -> str:
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
