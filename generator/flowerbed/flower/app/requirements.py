"""What an app's `dependencies` ask for, beside what is there: the federation's Flower, an image's libraries.

Nothing is installed at run time: what neither Flower nor an image brings is missing there. So an app for
another line of Flower is refused, and libraries beyond Flower's own are named in a warning.
"""

from __future__ import annotations

import functools
import importlib.util
import platform
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .installed import canonical, headers_of

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

# The line of Flower that these programs speak, and that charts and `flowerbed up` run.
LINE = "1.41"
FEDERATION = f">={LINE},<1.42"
_PATCHES = 100
# Of the metadata of a package: a requirement's name, and its marker.
_REQUIRES = re.compile(r"(?m)^Requires-Dist: ([A-Za-z0-9._-]+)[^;\n]*(?:; *([^\n]+))?$")


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
    flowers = [item for item in wanted if _name(item) == "flwr"]
    if len(flowers) > 1:  # Flower refuses to pack it
        named = " and ".join(repr(str(item)) for item in flowers)
        yield f"project.dependencies has {named}: write one of them"
    for item in flowers:
        if not _meets(item.specifier):
            yield (
                f"project.dependencies has {str(item)!r}, but the federation runs Flower {FEDERATION}: "
                f"let the app take {LINE}, or use a federation of its line"
            )


def _maybe(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Libraries:
    """What is there where an app runs: `versions` of a project by its PEP 503 name, and `where` in words.

    No version: it is not there. "": it is, in a version that is not known. `python` is the Python there, ""
    if that is not known; `has_module` says whether a module may be imported there. `remedy` says what brings
    what is missing.
    """

    versions: Callable[[str], Collection[str]]
    where: str
    python: str = ""
    has_module: Callable[[str], bool] = _maybe
    remedy: str = "nothing is installed for a run"


def plain_image() -> Libraries:
    """Return what Flower's own images bring: Flower and what it needs, as installed here."""
    near = {"flwr", *_needs("flwr")}
    # What its needs need in turn is looked up only for a library that is not among them.
    return Libraries(
        lambda name: [""] if name in near or name in _closure("flwr") else [],
        "a plain Flower image has",
        has_module=_is_plain,
    )


def _is_plain(module: str) -> bool:
    if module in {*sys.stdlib_module_names, "flwr", "numpy"}:
        return True
    from importlib import metadata  # see installed.py

    projects = metadata.packages_distributions().get(module, [])
    return bool({canonical(project) for project in projects} & _closure("flwr"))


def declared_images(versions: Mapping[str, Collection[str]]) -> Libraries:
    """Return what declared images bring, as their locks have it: versions by PEP 503 name."""
    return Libraries(lambda name: versions.get(name, ()), "the declared images have")


def this_python() -> Libraries:
    """Return what is installed for the Python that runs this."""

    from importlib import metadata  # see installed.py

    def versions(name: str) -> list[str]:
        try:
            return [metadata.version(name)]
        except metadata.PackageNotFoundError:
            return []

    return Libraries(versions, "this Python has", platform.python_version(), _is_here)


def _is_here(module: str) -> bool:
    try:
        return module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return True


def absent_modules(
    outside: Mapping[str, str],
    dependencies: Any,  # noqa: ANN401
    libraries: Libraries | None = None,
) -> Iterator[str]:
    """Yield which modules of others, imported at the given places, are not there where an app runs.

    What is declared and missing is told as a dependency, and may bring others with it.
    """
    there, declared = libraries or plain_image(), names(dependencies)
    if not there.python and not all(there.versions(name) for name in declared):
        return
    for module, where in outside.items():
        if canonical(module) not in declared and not there.has_module(module):
            lacking, verb = _lacking(there)
            yield f"{where} imports {module}, which {lacking} {verb} not have"


def warnings(
    dependencies: Any,  # noqa: ANN401  (whatever stands in TOML)
    libraries: Libraries | None = None,
    requires_python: object = None,
) -> Iterator[str]:
    """Yield what is worth knowing of an app's `project.dependencies` and `project.requires-python`.

    `libraries` are those of where it runs (default: a plain Flower image's).
    """
    there = libraries or plain_image()
    wanted = [item for item in _readable(dependencies or [])[0] if _applies(item)]
    found = {str(item): there.versions(_name(item)) for item in wanted}
    # Flower itself is wherever an app runs.
    other_than_flower = {str(item) for item in wanted if _name(item) != "flwr"}
    if missing := sorted(text for text in other_than_flower if not found[text]):
        lacking, verb = _lacking(there)
        yield (
            f"the app needs {', '.join(missing)}, which {lacking} {verb} not have: it must be there where "
            f"ServerApp and ClientApps run; {there.remedy}"
        )
    for item in wanted:
        if other := [version for version in found[str(item)] if version and not _takes(item, version)]:
            yield (
                f"the app asks for {item}, but {there.where} {item.name} {' and '.join(other)}: nothing is "
                "installed for a run"
            )
    if isinstance(requires_python, str) and not _takes_python(requires_python, there.python):
        yield f"the app asks for Python {requires_python}, but {there.where} {there.python}"


def _lacking(there: Libraries) -> tuple[str, str]:
    who, _, verb = there.where.rpartition(" ")
    return who, "do" if verb == "have" else "does"


def _takes(item: Requirement, version: str) -> bool:
    return item.specifier.contains(version, prereleases=True)


def fits_python(project: Mapping[str, Any]) -> bool:
    """Return whether the Python that runs this is one that `project.requires-python` takes."""
    wanted = project.get("requires-python")
    return not isinstance(wanted, str) or _takes_python(wanted, platform.python_version())


def _takes_python(wanted: str, python: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return not python or SpecifierSet(wanted).contains(python, prereleases=True)
    except InvalidSpecifier:
        return True


def for_federation(dependencies: list[str]) -> list[str]:
    """Return dependencies with one `flwr` that takes the federation's line, in the place of the first."""
    wanted, junk = _readable(dependencies)
    flowers = [item for item in wanted if _name(item) == "flwr"]
    if junk or (len(flowers) < 2 and all(_meets(item.specifier) for item in flowers)):
        return dependencies
    extras = ",".join(sorted({extra for item in flowers for extra in item.extras}))
    own = f"flwr[{extras}]{FEDERATION}" if extras else f"flwr{FEDERATION}"
    first = wanted.index(flowers[0])
    kept = [text for text, item in zip(dependencies, wanted, strict=True) if item not in flowers]
    return [*kept[:first], own, *kept[first:]]


def names(dependencies: Any) -> list[str]:  # noqa: ANN401
    """Return the projects that an app asks for, as PEP 503 writes them."""
    return [_name(item) for item in _readable(dependencies or [])[0]]


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


@functools.cache
def _needs(project: str) -> frozenset[str]:
    """Return what a project that is installed here needs without extras, by name.

    The lines are read as they stand: `metadata.requires` parses whole descriptions, which takes
    ten times as long.
    """
    found = _REQUIRES.findall(headers_of(project))
    return frozenset(canonical(name) for name, marker in found if _holds(marker))


def _holds(marker: str) -> bool:
    """Return whether a requirement with this marker ("": without) counts here, without extras."""
    if not marker or "extra" in marker:
        return not marker
    from packaging.markers import Marker

    return Marker(marker).evaluate()


@functools.cache
def _closure(project: str) -> frozenset[str]:
    """Return a project and everything that comes with it."""
    found, waiting = set[str](), [project]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _needs(name)
    return frozenset(found)
