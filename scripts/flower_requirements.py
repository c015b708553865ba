"""What an app's `dependencies` ask for, beside what is there: the federation's Flower, an image's libraries.

Nothing is installed at run time: what neither Flower nor an image brings is missing there. So an app for
another line of Flower is refused, and libraries beyond Flower's own are named in a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

# The line of Flower that these programs speak, and that charts and `flowerbed up` run.
LINE = "1.41"
FEDERATION = f">={LINE},<1.42"
_PATCHES = 100


def wrong_requirements(dependencies: Any) -> Iterator[str]:  # noqa: ANN401  (whatever stands in TOML)
    """Yield what makes an app unfit for this line of Flower. `dependencies` is `project.dependencies`."""
    if not isinstance(dependencies, list | None) or not all(
        isinstance(item, str) for item in dependencies or []
    ):
        yield 'project.dependencies must be a list of strings, such as ["flwr>=1.41,<1.42"]'
        return
    wanted, junk = _readable(dependencies or [])
    for text in junk:  # Flower refuses to pack it, without a place
        yield f"project.dependencies has {text[:100]!r}: write it as PEP 508 has it, such as numpy>=2,<3"
    for item in wanted:
        if _name(item) == "flwr" and not _meets(item.specifier):
            yield (
                f"project.dependencies has {str(item)!r}, but the federation runs Flower {FEDERATION}: "
                f"let the app take {LINE}, or use a federation of its line"
            )


def warnings(dependencies: Any, image: Iterable[str] | None = None) -> Iterator[str]:  # noqa: ANN401
    """Yield what is worth knowing. `image` names what images bring (default: a plain Flower image's)."""
    wanted = _readable(dependencies or [])[0]
    missing = {_name(item): str(item) for item in wanted if _applies(item)}
    for name in sorted(set(missing) & _provided(set(missing), image)):
        del missing[name]
    if missing:
        lacking = "a plain Flower image does not have" if image is None else "the declared images do not have"
        yield (
            f"the app needs {', '.join(sorted(missing.values()))}, which {lacking}: where its ServerApp and "
            "ClientApps run, the image must bring it; nothing is installed for a run"
        )


def _readable(dependencies: list[str]) -> tuple[list[Requirement], list[str]]:
    from packaging.requirements import InvalidRequirement, Requirement

    wanted, junk = [], []
    for text in dependencies:
        try:
            wanted.append(Requirement(text))
        except (InvalidRequirement, RecursionError):
            junk.append(text)
    return wanted, junk


def _name(wanted: Requirement) -> str:
    return canonical(wanted.name)


def canonical(name: str) -> str:
    """Return a project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _applies(wanted: Requirement) -> bool:
    return wanted.marker is None or wanted.marker.evaluate()


def _meets(specifier: SpecifierSet) -> bool:
    """Return whether some release of the federation's line is in an app's range."""
    from packaging.version import InvalidVersion, Version

    versions = [Version(f"{LINE}.{patch}") for patch in range(_PATCHES)]
    for part in specifier:
        try:
            named = Version(part.version)
        except InvalidVersion:  # `==1.41.*`
            continue
        if named.release[:2] == versions[0].release[:2]:
            versions.append(named)
    return any(specifier.contains(version, prereleases=True) for version in versions)


def _provided(asked: set[str], image: Iterable[str] | None) -> set[str]:
    if image is not None:
        return {"flwr", *map(canonical, image)}
    near = {"flwr", *_needs("flwr")}
    return near if asked <= near else _closure("flwr")


def _needs(project: str) -> set[str]:
    """Return what a project that is installed here needs without extras, by name."""
    try:
        texts = metadata.requires(project) or []
    except metadata.PackageNotFoundError:
        return set()
    return {_name(item) for item in _readable(texts)[0] if _applies(item)}


def _closure(project: str) -> set[str]:
    """Return a project and everything that comes with it."""
    found, waiting = set[str](), [project]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _needs(name)
    return found
