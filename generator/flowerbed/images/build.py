"""From declared images to pushed ones: lock, wheels, Containerfile, build, push, record.

The record is written last, image by image: whatever ends a build before leaves lock and record as they were.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from flowerbed.errors import FlowerbedError, UsageError
from flowerbed.files import make_private_folder, write_atomic
from flowerbed.images.builders import COMPONENT_LABEL, Download, ImageBuilder, Recipe, Secret, find_builder
from flowerbed.images.containerfile import WHEELS
from flowerbed.images.content_hash import Target, known_base, target_of
from flowerbed.images.images_lock import (
    ImageEntry,
    ImagesLock,
    lock_file,
    read_images_lock,
    write_images_lock,
)
from flowerbed.images.inputs import inputs_of
from flowerbed.images.locking import lock, write_lock
from flowerbed.images.processes import Tell, discard, find_program, run
from flowerbed.images.wheels import WHEEL_LIST, download_arguments, download_failure, wheel_list, wheels
from flowerbed.plan import Component, Image, Plan
from flowerbed.project import Project

State = Literal["unchanged", "built", "pushed", "planned"]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """`push` to the declared repository; `update`: base and versions anew; `sign` with cosign, which gets
    the options `cosign`. `builder` is a program of this machine; `elsewhere` builds in its place.
    """

    push: bool = False
    update: bool = False
    sign: bool = False
    cosign: tuple[str, ...] = ()
    builder: str = ""
    elsewhere: ImageBuilder | None = None

    def find_builder(self) -> ImageBuilder:
        """Return what builds. Raises UsageError."""
        return self.elsewhere or find_builder(self.builder)


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


def build_images(
    plan: Plan,
    declaration: Path,
    components: tuple[Component, ...],
    options: BuildOptions | None = None,
    tell: Tell = discard,
) -> list[Built]:
    """Build the images of `components`, and push them where the options say so; equal inputs are built once.

    Raises UsageError for what is declared wrong, FlowerbedError for what an index, a builder or a registry
    refuses. Images that were done before an error stay recorded; nothing else stays.
    """
    options = options or BuildOptions()
    folder = Project(declaration).directory
    for component in components:
        image, where = inputs_of(plan, component, folder).image, f"images.{component}"
        if options.push and not image.repository:
            raise UsageError("there is no `repository` to push to", where=where, remedy="add it to `images`")
        if image.wheelhouse and options.elsewhere and not options.elsewhere.needs_wheels:
            remedy = "build here, or serve its wheels as an `index`"
            raise UsageError(
                f"{options.elsewhere.program} cannot see this machine's wheelhouse",
                where=where,
                remedy=remedy,
            )
    if options.sign:
        signer()
    with _alone(Project(declaration).state(plan.name) / "build") as logs:
        return [_Build(plan, declaration, logs, options, tell).run(component) for component in components]


def preview_images(
    plan: Plan, declaration: Path, components: tuple[Component, ...], tell: Tell = discard
) -> list[Built]:
    """Return what `build_images` would make, with its lock, and write nothing. Raises as it does."""
    made = []
    for component in components:
        inputs = inputs_of(plan, component, Project(declaration).directory)
        locked = lock(inputs, declaration, tell=tell)
        entry = read_images_lock(declaration, plan.name).images.get(component)
        target = target_of(plan, inputs, locked, known_base(inputs.image, entry) or inputs.image.base)
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
        record = read_images_lock(self._declaration, self._plan.name)
        entry = None if self._options.update else record.images.get(component)
        inputs = inputs_of(self._plan, component, Project(self._declaration).directory)
        locked = lock(inputs, self._declaration, update=self._options.update, tell=self._tell)
        base = known_base(inputs.image, entry)
        if base and entry and not locked.fresh:
            target = target_of(self._plan, inputs, locked, base)
            if (entry.content == target.content and entry.image) or self._is_kept(target):
                if self._options.sign:  # an image that was pushed without may be signed later
                    sign(entry.image, self._options.cosign, self._tell)
                return _built(target, "unchanged", entry.image or target.name)
        builder = self._options.find_builder()
        base = base or builder.pinned(inputs.image.base, inputs.image.platform, self._tell)
        target = target_of(self._plan, inputs, locked, base)
        if not builder.has(target.name):
            self._make(target, builder)
        return self._finish(target, builder, record)

    def _is_kept(self, target: Target) -> bool:
        return not self._options.push and self._options.find_builder().has(target.name)

    def _make(self, target: Target, builder: ImageBuilder) -> None:
        component, inputs = target.inputs.component, target.inputs
        log = self._logs / f"{component}.log"
        log.unlink(missing_ok=True)
        secrets = tuple(_secrets(inputs.image, Project(self._declaration).directory))
        found = wheels(inputs, target.lock, self._tell) if builder.needs_wheels else None
        # Beside the wheels: links between folders take one file system.
        place = found.parent if found else self._logs
        with tempfile.TemporaryDirectory(prefix="flowerbed-build-", dir=place) as folder:
            context = Path(folder)
            (context / "Containerfile").write_text(target.text, encoding="utf-8")
            if found:
                shutil.copytree(found, context / WHEELS, copy_function=os.link)
            else:
                (context / WHEELS).mkdir()
                (context / WHEELS / WHEEL_LIST).write_text(wheel_list(inputs, target.lock), encoding="utf-8")
            self._tell(f"{component}: building {target.name} with {builder.program}")
            recipe = Recipe(
                context=context,
                image=target.name,
                platform=inputs.image.platform,
                labels={COMPONENT_LABEL: component, "dev.flowerbed.content": f"sha256:{target.content}"},
                secrets=secrets,
                log=log,
                base=target.base,
                download=Download(
                    tuple(download_arguments(inputs)), lambda said: download_failure(inputs, said)
                ),
            )
            builder.build(recipe, self._tell)

    def _finish(self, target: Target, builder: ImageBuilder, record: ImagesLock) -> Built:
        component = target.inputs.component
        image = ""
        if self._options.push:
            self._tell(f"{component}: pushing {target.name}")
            digest = builder.push(target.name, self._logs / f"{component}.log")
            image = f"{target.name}@{digest}"
            if self._options.sign:
                sign(image, self._options.cosign, self._tell)
        if write_lock(target.lock, self._declaration, component):
            bill_of_materials(self._declaration, component, self._tell)
        entry = ImageEntry(
            content=target.content,
            lock=target.lock.digest,
            flower=target.inputs.flower,
            base=f"{target.inputs.image.base} {target.base}",
            image=image,
        )
        write_images_lock(
            self._declaration, msgspec.structs.replace(record, images=record.images | {component: entry})
        )
        return _built(target, "pushed" if image else "built", image or target.name)


def _built(target: Target, state: State, image: str) -> Built:
    return Built(target.inputs.component, state, image, target.content, target.text, target.lock.text)


def _secrets(image: Image, folder: Path) -> Iterator[Secret]:
    for secret in image.build_secrets:
        if secret.env and secret.env not in os.environ:
            raise UsageError(
                f"the build secret {secret.id} is missing", remedy=f"set the variable {secret.env}"
            )
        file = folder / secret.file
        if secret.file and not file.is_file():
            raise UsageError(
                f"the build secret {secret.id} is missing", where=str(file), remedy="write it there"
            )
        yield Secret(secret.id, secret.env, file)


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
