"""`images.lock.yaml` beside the declaration: which image was built from what. Committed, without a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from flowerbed.errors import UsageError
from flowerbed.files import read_file, write_atomic
from flowerbed.images.reference import parse_reference
from flowerbed.plan import BuiltImage, Component, Frozen
from flowerbed.project import Project

HEAD = "# Which image was built from what, by `flowerbed build`. Commit it: the values name these digests.\n"
_MODE = 0o644


class ImageEntry(Frozen, frozen=True, forbid_unknown_fields=True):
    """One component's image: `content` hashes all that it is made from, `lock` the locked dependencies.

    `base` is the base image as declared and, after a space, by digest. `image` names the pushed image by tag
    and digest, "" while it is not pushed.
    """

    content: str
    lock: str
    flower: str
    base: str = ""
    image: str = ""


class ImagesLock(Frozen, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    version: int
    federation: str
    images: dict[Component, ImageEntry] = msgspec.field(default_factory=dict)


def images_lock_file(declaration: Path) -> Path:
    """Return where the record of a declaration lies."""
    return Project(declaration).image_record


def lock_file(declaration: Path, component: str) -> Path:
    """Return where the locked dependencies of a component lie: pip's form, every line with hashes."""
    return Project(declaration).image_lock(component)


def read_images_lock(declaration: Path, federation: str) -> ImagesLock:
    """Return the record beside a declaration, an empty one where there is none.

    Raises UsageError if the file is damaged or another federation's.
    """
    path = images_lock_file(declaration)
    found = read_file(path, _MODE)
    if found is None:
        return ImagesLock(version=1, federation=federation)
    remedy = "take it from version control, or remove it and run `flowerbed build --push`"
    try:
        record = msgspec.yaml.decode(found.data, type=ImagesLock)
        for entry in record.images.values():
            if entry.image and not parse_reference(entry.image).digest:
                raise ValueError(f"{entry.image} has no digest")
    except ValueError as error:  # msgspec's errors are ValueErrors; PyYAML's arrive as such
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"the record of images is damaged: {reason}", where=str(path), remedy=remedy
        ) from None
    if record.federation != federation:
        raise UsageError(
            f"these images belong to the federation {record.federation}, not to {federation}",
            where=str(path),
            remedy="keep each federation's declaration in a directory of its own",
        )
    return record


def write_images_lock(declaration: Path, record: ImagesLock) -> bool:
    """Write the record, whole or not at all, and return whether it changed. Raises FlowerbedError."""
    images = {name: record.images[name] for name in sorted(record.images)}
    data: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(record, images=images))
    return write_atomic(images_lock_file(declaration), HEAD.encode() + msgspec.yaml.encode(data))


def built_images(declaration: Path, federation: str) -> dict[str, BuiltImage]:
    """Return the pushed image of every component that has one. Raises UsageError as `read_images_lock`."""
    entries = read_images_lock(declaration, federation).images
    named = {name: parse_reference(entry.image) for name, entry in entries.items() if entry.image}
    return {
        name: BuiltImage(registry=image.registry, repository=image.repository, digest=image.digest)
        for name, image in named.items()
    }
