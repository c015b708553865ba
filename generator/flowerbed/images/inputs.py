"""What an image is made from, read and hashed: packages, wherever they are named, and a wheelhouse."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowerbed import names
from flowerbed.errors import UsageError
from flowerbed.plan import Component, Image, Plan

_HASHES = re.compile(r"\s+--hash[= ]\S+")
_COMMENT = re.compile(r"(?:^|\s)#.*")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The packages that are asked for, sorted, with the release of flwr; `digest` covers what locks them.

    `wheelhouse` is the folder that replaces every index, or None.
    """

    component: Component
    image: Image
    flower: str
    requirements: tuple[str, ...]
    wheelhouse: Path | None
    digest: str


def inputs_of(plan: Plan, component: Component, folder: Path) -> Inputs:
    """Return the inputs of a component's image; paths in the plan count from `folder`.

    Raises UsageError for files that are missing or cannot be locked, and for components without an image.
    """
    if component not in plan.images:
        raise UsageError(
            f"no image is declared for {component}", remedy="add it to `images` in the declaration"
        )
    image = plan.images[component]
    flower = names.FLOWER_RELEASES[plan.flower]
    requirements = sorted({f"flwr=={flower}", *_declared(plan, component, folder)})
    wheelhouse = _folder(image.wheelhouse, folder) if image.wheelhouse else None
    covered = {
        "requirements": requirements,
        "python": image.python,
        "indexes": [image.index, *image.extra_index],
        "wheels": _wheels(wheelhouse) if wheelhouse else {},
        **({"platform": image.platform} if wheelhouse else {}),
    }
    return Inputs(component, image, flower, tuple(requirements), wheelhouse, sha256(json.dumps(covered)))


def sha256(text: str) -> str:
    """Return the SHA-256 of a text, in 64 digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def app_requirements(path: Path) -> list[str]:
    """Return `project.dependencies` of an app's folder or of a pyproject.toml. Raises UsageError."""
    file = path / "pyproject.toml" if path.is_dir() else path
    try:
        with file.open("rb") as opened:
            found: Any = tomllib.load(opened).get("project", {}).get("dependencies", [])
    except FileNotFoundError:
        raise UsageError("there is no pyproject.toml", where=str(path), remedy=_DECLARED) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError, OSError) as error:
        raise UsageError(
            f"this is not a valid pyproject.toml: {error}", where=str(file), remedy=_DECLARED
        ) from None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise UsageError("project.dependencies is not a list of strings", where=str(file), remedy=_DECLARED)
    return found


_DECLARED = "correct the path in `images`; it is relative to the declaration's directory"


def _declared(plan: Plan, component: Component, folder: Path) -> Iterable[str]:
    image = plan.images[component]
    for said in image.dependencies:
        yield _normal(said, "the declaration")
    if image.requirements:
        path = folder / image.requirements
        yield from (_normal(line, str(path)) for line in _lines(path))
    if image.app:
        path = folder / image.app
        yield from (_normal(said, str(path)) for said in app_requirements(path))


def _lines(path: Path) -> Iterable[str]:
    try:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot be read: {reason}", where=str(path), remedy=_DECLARED) from None
    for line in text.splitlines():
        bare = _HASHES.sub("", _COMMENT.sub("", line)).strip()
        if bare.startswith("-"):
            remedy = "write packages there only; indexes and wheelhouses belong into `images`"
            raise UsageError(f"the option {bare.split()[0]} is not read", where=str(path), remedy=remedy)
        if bare:
            yield bare


def _normal(said: str, where: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        requirement = Requirement(said)
    except InvalidRequirement:
        remedy = "write one such as scikit-learn>=1.5,<2"
        raise UsageError(f"{said!r} is not a requirement", where=where, remedy=remedy) from None
    requirement.name = canonicalize_name(requirement.name)
    if requirement.url:
        remedy = "put its wheel into a directory and set that as `wheelhouse`"
        raise UsageError(f"{requirement.name}: an address has no version to lock", where=where, remedy=remedy)
    if requirement.name == "flwr":
        requirement.extras.discard("simulation")  # apps ask for it to run alone; no SuperNode simulates
    return str(requirement)


def _folder(said: str, folder: Path) -> Path:
    path = folder / said
    if not path.is_dir():
        raise UsageError("there is no such directory", where=str(path), remedy=_DECLARED)
    return path.resolve()


def _wheels(folder: Path) -> dict[str, int]:
    found = {path.name: path.stat().st_size for path in sorted(folder.glob("*.whl"))}
    if not found:
        raise UsageError(
            "there is no wheel in this directory", where=str(folder), remedy="fill it with `pip download -d`"
        )
    return found
