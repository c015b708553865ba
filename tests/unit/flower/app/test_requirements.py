"""An app's dependencies beside the federation's Flower and an image's libraries."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from flowerbed.declaration.model import FLOWER_LINES
from flowerbed.errors import UsageError
from flowerbed.flower.app.app import load
from flowerbed.flower.app.installed import canonical
from flowerbed.flower.app.requirements import (
    FEDERATION,
    LINE,
    _needs,
    declared_images,
    for_federation,
    warnings,
    wrong_requirements,
)
from flowerbed.flower.source.inline import FLOWER
from support.apps import pyproject, write_app


def app_with(folder: Path, dependencies: str) -> Path:
    return write_app(folder, pyproject('dependencies = ["flwr>=1.41"]', f"dependencies = {dependencies}"))


@pytest.mark.parametrize(
    "wanted", ["flwr<1.41", "flwr>=1.42", "flwr==1.40.*", "FLWR[simulation]~=1.29.0", "flwr!=1.41.*"]
)
def test_an_app_for_another_flower_is_refused_with_both_ranges(tmp_path: Path, wanted: str) -> None:
    """The message names the app's range and the federation's; the exit code is 2."""
    with pytest.raises(UsageError) as refused:
        load(app_with(tmp_path, f'["{wanted}"]'))
    assert refused.value.exit_code == 2
    assert f"the federation runs Flower {FEDERATION}" in refused.value.what
    assert wanted.partition("[")[0] in refused.value.what


@pytest.mark.parametrize(
    "wanted",
    [
        "flwr",
        "flwr>=1.20",
        "flwr~=1.41",
        "flwr==1.41.0",
        "flwr==1.41.*",
        "flwr[simulation]>=1.41,<1.42",
        "flwr>1.41.0",
    ],
)
def test_an_app_that_takes_this_line_is_accepted(tmp_path: Path, wanted: str) -> None:
    """Any range in which there is a release of the line will do."""
    assert load(app_with(tmp_path, f'["{wanted}"]')).warnings == ()


def test_no_dependencies_are_no_problem_and_junk_is_one(tmp_path: Path) -> None:
    """An app need not say what it needs; what is no list of strings is told."""
    assert list(wrong_requirements(None)) == list(wrong_requirements([])) == []
    for junk in ('"flwr"', "[1]", "{a = 1}"):
        with pytest.raises(UsageError, match=r"project\.dependencies must be a list of strings"):
            load(app_with(tmp_path, junk))


def test_libraries_beyond_flowers_own_are_named(tmp_path: Path) -> None:
    """What a plain image lacks is a warning with each requirement; what Flower brings is none."""
    found = load(app_with(tmp_path, '["flwr>=1.41", "numpy>=2", "torch==2.9", "Scikit_Learn"]')).warnings
    assert len(found) == 1
    assert found[0].startswith(
        "the app needs Scikit_Learn, torch==2.9, which a plain Flower image does not have"
    )
    # Comes with one of Flower's own, as certifi with httpx.
    assert list(warnings(["certifi", "PyYAML"])) == []


def test_an_image_that_brings_them_needs_no_warning(tmp_path: Path) -> None:
    """What an image has counts; then only the rest is told."""
    app = app_with(tmp_path, '["flwr", "scikit-learn", "torch"]')
    assert load(app, declared_images({"torch": ["2"], "scikit-learn": [""]})).warnings == ()
    assert "torch" not in load(app, declared_images({"torch": [""]})).warnings[0]


def test_what_no_installer_reads_is_told(tmp_path: Path) -> None:
    """Flower would not pack it either, and would not say where it stands. What it does take, passes."""
    with pytest.raises(
        UsageError, match=r"pyproject\.toml: project\.dependencies has 'torch ~~ 1': write it as PEP 508"
    ):
        load(app_with(tmp_path, '["torch ~~ 1", "flwr>=1.41"]'))
    assert load(app_with(tmp_path, '["flwr @ {root:parent:parent:uri}"]')).warnings == ()


def test_a_requirement_of_another_platform_does_not_count() -> None:
    """Markers are heeded."""
    assert list(warnings(["torch; sys_platform == 'plan9'"])) == []
    assert list(warnings(["torch; sys_platform != 'plan9'"])) != []


def test_the_line_is_that_of_declaration_and_installation() -> None:
    """One fact in several places: the scripts' line, the declaration's, the flwr that is installed."""
    assert importlib.metadata.version("flwr").rpartition(".")[0] == LINE
    assert SpecifierSet(FEDERATION).contains(importlib.metadata.version("flwr"))
    assert FLOWER_LINES == (LINE,)
    assert f"flwr{FEDERATION}" == FLOWER


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_dependencies_are_answered(dependencies: list[str]) -> None:
    """Whatever stands there is read or told, never a traceback."""
    list(wrong_requirements(dependencies))
    list(warnings(dependencies, declared_images({})))


@given(st.text("aA-_.9", max_size=20))
def test_names_are_compared_as_pep_503_says(name: str) -> None:
    """The library that everybody uses for it agrees."""
    from packaging.utils import canonicalize_name

    assert canonical(name) == canonicalize_name(name)


def test_two_flowers_are_refused_as_flower_does(tmp_path: Path) -> None:
    """Flower packs no app with two; here both are named, with all else that is wrong."""
    with pytest.raises(
        UsageError, match=r"has 'flwr>=1.41' and 'flwr\[simulation\]>=1.41': write one of them"
    ):
        load(app_with(tmp_path, '["flwr>=1.41", "flwr[simulation]>=1.41"]'))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["numpy", "flwr[simulation]==1.17.0", "torch"], ["numpy", f"flwr[simulation]{FEDERATION}", "torch"]),
        (["flwr>=1.41", "numpy", "Flwr[rest]>=1"], [f"flwr[rest]{FEDERATION}", "numpy"]),
        (["flwr>=1.20"], ["flwr>=1.20"]),
        (["numpy"], ["numpy"]),
        (["flwr==1.17", "~ junk"], ["flwr==1.17", "~ junk"]),
    ],
)
def test_dependencies_are_put_right_for_the_federation(before: list[str], after: list[str]) -> None:
    """One requirement of Flower's line, with all extras; what is right already stays as it is."""
    assert for_federation(before) == after


def test_what_flower_brings_is_what_its_metadata_says() -> None:
    """The lines of the metadata, read as they stand, give what the standard library and packaging give."""

    def needs(project: str) -> set[str]:
        found = (Requirement(text) for text in importlib.metadata.requires(project) or [])
        plain = (one for one in found if one.marker is None or one.marker.evaluate({"extra": ""}))
        return {canonical(one.name) for one in plain}

    for project in ("flwr", "cryptography", "httpx", "typer", "pytest", "hypothesis"):
        assert _needs(project) == needs(project), project
    assert _needs("no-such-project") == set()
