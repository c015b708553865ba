"""Values of a party's own: files beside the declaration and what it says itself, merged as Helm does."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.declaration import load_plan
from flowerbed.errors import DeclarationError

DECLARATION = """\
version: 1
name: hospitals
superlink: {values-files: [hub.yaml]}
tenants:
  - name: north
    nodes: 1
    values-files: [site.yaml, special/gpu.yaml]
    values: {podLabels: {team: imaging}, logLevel: null}
"""
SITE = "podLabels: {team: records, ward: '7'}\nhostAliases: [{ip: 192.0.2.1, hostnames: [proxy]}]\n"
GPU = "hostAliases: []\nlogLevel: DEBUG\n"


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    (tmp_path / "special").mkdir()
    for name, text in {"federation.yaml": DECLARATION, "hub.yaml": "{}", "site.yaml": SITE}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "special/gpu.yaml").write_text(GPU)
    return tmp_path / "federation.yaml"


def test_later_values_win(declared: Path) -> None:
    """Mappings are merged key by key, lists and null replace, and the declaration wins over files."""
    plan = load_plan(declared)
    assert plan.superlink.values == {}
    assert plan.tenants[0].values == {
        "podLabels": {"team": "imaging", "ward": "7"},
        "hostAliases": [],
        "logLevel": None,
    }


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("podLabels: {a: b}\nreplicas: 7\n", (2, 1, "replicas"), "Flowerbed writes this value"),
        ("podLabels:\n  a: [b]\n", (2, 3, "podLabels.a"), "the chart supernode takes text here"),
        ("env: [\n", (2, 1, ""), "not valid YAML"),
        ("- env\n", (1, 1, ""), "the file is not a mapping"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(
    declared: Path, text: str, place: tuple[int, int, str], said: str
) -> None:
    """What is wrong in a file of values is told with that file's name, line and key path."""
    file = declared.parent / "special/gpu.yaml"
    file.write_text(text)
    with pytest.raises(DeclarationError) as caught:
        load_plan(declared)
    [problem] = caught.value.problems
    assert str(file) in str(caught.value)
    assert (problem.line, problem.column, problem.key_path) == place
    assert said in problem.message


def test_a_file_that_is_not_there(declared: Path) -> None:
    """It is told by name."""
    (declared.parent / "site.yaml").unlink()
    with pytest.raises(DeclarationError, match=r"site\.yaml.*there is no such file"):
        load_plan(declared)
