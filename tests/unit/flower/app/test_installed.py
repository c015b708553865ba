"""What is installed, read without importlib.metadata: the same answers."""

from __future__ import annotations

from importlib import metadata

import pytest

from flowerbed.flower.app.installed import canonical, headers_of, version_of

PROJECTS = ["flwr", "numpy", "protobuf", "typing_extensions", "Typing.Extensions", "no-such-project"]


def expected(project: str) -> str:
    try:
        return metadata.version(project)
    except metadata.PackageNotFoundError:
        return ""


@pytest.mark.parametrize("project", PROJECTS)
def test_versions_are_those_of_importlib(project: str) -> None:
    """The version of a project is the one that importlib.metadata gives."""
    assert version_of(project) == expected(project)


@pytest.mark.parametrize("project", ["flwr", "protobuf", "cryptography"])
def test_headers_name_the_requirements(project: str) -> None:
    """The headers have the requirements that importlib.metadata gives, and no description."""
    lines = headers_of(project).splitlines()
    named = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist")]
    assert named == (metadata.requires(project) or [])


def test_names_are_compared_as_pep_503_does() -> None:
    """Runs of dots, hyphens and underscores are one hyphen, and letters are small."""
    assert canonical("Zope._-Interface") == "zope-interface"
