"""From declared images to pushed ones: lock, wheels, Containerfile, build, push, record.

The record is written last, image by image: whatever ends a build before leaves lock and record as they were.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from flowerbed.errors import UsageError
from flowerbed.files import make_private_folder
from flowerbed.images.builders import COMPONENT_LABEL, Builder, Recipe, find_builder
from flowerbed.images.containerfile import WHEELS, containerfile
from flowerbed.images.inputs import Inputs, inputs_of, sha256
from flowerbed.images.locking import Lock, lock, write_lock
from flowerbed.images.materials import bill_of_materials, sign, signer
from flowerbed.images.record import Entry, Record, read_record, write_record
from flowerbed.images.reference import parse
from flowerbed.images.tools import Tell, silent
from flowerbed.images.wheels import wheels
from flowerbed.plan import Component, Image, Plan

_TAG_DIGITS = 16
State = Literal["unchanged", "built", "pushed", "planned"]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """`push` to the declared repository; `update`: base and versions anew; `sign` with cosign."""

    push: bool = False
    update: bool = False
    sign: bool = False
    builder: str = ""


@dataclass(frozen=True, slots=True)
class Built:
    """What came of one component. `image` is `NAME:TAG`, with `@DIGEST` once it is pushed.

    `containerfile` and `lock` are the texts that it is made from.
    """

    component: Component
    state: State
    image: str
    content: str
    containerfile: str = field(repr=False)
    lock: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Target:
    inputs: Inputs
    lock: Lock
    base: str
    text: str
    content: str
    name: str


def build(
    plan: Plan,
    declaration: Path,
    components: tuple[Component, ...],
    options: BuildOptions | None = None,
    tell: Tell = silent,
) -> list[Built]:
    """Build the images of `components`, and push them where the options say so; equal inputs are built once.

    Raises UsageError for what is declared wrong, FlowerbedError for what an index, a builder or a registry
    refuses. Images that were done before an error stay recorded; nothing else stays.
    """
    options = options or BuildOptions()
    folder = declaration.resolve().parent
    for component in components:
        if options.push and not inputs_of(plan, component, folder).image.repository:
            raise UsageError(
                "there is no `repository` to push to",
                where=f"images.{component}",
                remedy="add it to `images`",
            )
    if options.sign:
        signer()
    with _alone(folder / ".flowerbed" / plan.name / "build") as logs:
        return [_Build(plan, declaration, logs, options, tell).run(component) for component in components]


def preview(
    plan: Plan, declaration: Path, components: tuple[Component, ...], tell: Tell = silent
) -> list[Built]:
    """Return what `build` would make, with its lock, and write nothing. Raises as `build`."""
    made = []
    for component in components:
        inputs = inputs_of(plan, component, declaration.resolve().parent)
        locked = lock(inputs, declaration, tell=tell)
        entry = read_record(declaration, plan.name).images.get(component)
        target = _target(plan, inputs, locked, _known_base(inputs.image, entry) or inputs.image.base)
        made.append(_built(target, "planned", target.name))
    return made


class _Build:
    """One component after the other, on one machine."""

    def __init__(self, plan: Plan, declaration: Path, logs: Path, options: BuildOptions, tell: Tell) -> None:
        self._plan = plan
        self._declaration = declaration
        self._logs = logs
        self._options = options
        self._tell = tell

    def run(self, component: Component) -> Built:
        """Bring one component's image up to date."""
        record = read_record(self._declaration, self._plan.name)
        entry = None if self._options.update else record.images.get(component)
        inputs = inputs_of(self._plan, component, self._declaration.resolve().parent)
        locked = lock(inputs, self._declaration, update=self._options.update, tell=self._tell)
        base = _known_base(inputs.image, entry)
        if base and entry and not locked.fresh:
            target = _target(self._plan, inputs, locked, base)
            if (entry.content == target.content and entry.image) or self._is_kept(target):
                return _built(target, "unchanged", entry.image or target.name)
        builder = find_builder(self._options.builder)
        base = base or builder.pinned(inputs.image.base, inputs.image.platform, self._tell)
        target = _target(self._plan, inputs, locked, base)
        if not builder.has(target.name):
            self._make(target, builder)
        return self._finish(target, builder, record)

    def _is_kept(self, target: _Target) -> bool:
        return not self._options.push and find_builder(self._options.builder).has(target.name)

    def _make(self, target: _Target, builder: Builder) -> None:
        component = target.inputs.component
        log = self._logs / f"{component}.log"
        log.unlink(missing_ok=True)
        found = wheels(target.inputs, target.lock, self._tell)
        with tempfile.TemporaryDirectory(prefix="flowerbed-build-", dir=found.parent) as folder:
            context = Path(folder)
            (context / "Containerfile").write_text(target.text, encoding="utf-8")
            shutil.copytree(found, context / WHEELS, copy_function=os.link)
            self._tell(f"{component}: building {target.name} with {builder.program}")
            labels = {COMPONENT_LABEL: component, "dev.flowerbed.content": f"sha256:{target.content}"}
            image = target.inputs.image
            secrets = tuple(_secrets(image, self._declaration.resolve().parent))
            builder.build(Recipe(context, target.name, image.platform, labels, secrets, log), self._tell)

    def _finish(self, target: _Target, builder: Builder, record: Record) -> Built:
        component = target.inputs.component
        image = ""
        if self._options.push:
            self._tell(f"{component}: pushing {target.name}")
            digest = builder.push(target.name, self._logs / f"{component}.log")
            image = f"{target.name}@{digest}"
            if self._options.sign:
                sign(image, self._tell)
        if write_lock(target.lock, self._declaration, component):
            bill_of_materials(self._declaration, component, self._tell)
        entry = Entry(
            content=target.content,
            lock=target.lock.digest,
            flower=target.inputs.flower,
            base=f"{target.inputs.image.base} {target.base}",
            image=image,
        )
        write_record(
            self._declaration, msgspec.structs.replace(record, images=record.images | {component: entry})
        )
        return _built(target, "pushed" if image else "built", image or target.name)


def _built(target: _Target, state: State, image: str) -> Built:
    return Built(target.inputs.component, state, image, target.content, target.text, target.lock.text)


def _target(plan: Plan, inputs: Inputs, locked: Lock, base: str) -> _Target:
    text = containerfile(inputs, locked, base)
    content = sha256(f"{inputs.image.platform}\n{text}")
    repository = parse(inputs.image.repository).name if inputs.image.repository else f"localhost/{plan.name}"
    name = f"{repository}:{inputs.component}-{content[:_TAG_DIGITS]}"
    return _Target(inputs, locked, base, text, content, name)


def _known_base(image: Image, entry: Entry | None) -> str:
    """Return the base by the digest of the last build, "" if that was another base or there was none."""
    declared, _, pinned = entry.base.partition(" ") if entry else ("", "", "")
    return pinned if declared == image.base else ""


def _secrets(image: Image, folder: Path) -> Iterator[str]:
    for secret in image.build_secrets:
        if secret.env and secret.env not in os.environ:
            raise UsageError(
                f"the build secret {secret.id} is missing", remedy=f"set the variable {secret.env}"
            )
        if secret.file and not (folder / secret.file).is_file():
            raise UsageError(
                f"the build secret {secret.id} is missing",
                where=str(folder / secret.file),
                remedy="write it there",
            )
        source = f"env={secret.env}" if secret.env else f"src={folder / secret.file}"
        yield f"id={secret.id},{source}"


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """Give the folder for logs to one build at a time."""
    make_private_folder(folder)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                "another build is under way", where=str(folder), remedy="wait for its end"
            ) from None
        yield folder
