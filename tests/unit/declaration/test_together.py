"""All problems of a file are reported in one go, each once, in the order of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.declaration import Declaration, check, load, model, resolve
from flowerbed.errors import DeclarationError, Problem

MANY = """\
version: 1
name: hospitals
flower: 1.41
insecure: no
tenants:
  - name: nоrth
    nodes: 0
    config: {partition-id: 3, when: 2026-11-24}
  - name: gateway
    nodes: two
    isolaton: process
    env: {PORT: 8080}
  - name: south
    nodes: 2
    nodes: 3
    keys: brought
    public-keys: [hello]
  - nodes: 1
    profile: gpuu
profiles:
  gpu: {resources: {limits: {nvidia.com/gpu: one}}}
users:
  - {name: analyst, role: reader}
"""
FOUND = [
    (3, 9, "flower"),
    (4, 11, "insecure"),
    (6, 11, "tenants[0].name"),
    (7, 12, "tenants[0].nodes"),
    (8, 14, "tenants[0].config.partition-id"),
    (8, 37, "tenants[0].config.when"),
    (9, 11, "tenants[1].name"),
    (10, 12, "tenants[1].nodes"),
    (11, 5, "tenants[1].isolaton"),
    (12, 17, "tenants[1].env.PORT"),
    (15, 5, "tenants[2].nodes"),
    (17, 5, "tenants[2].public-keys"),
    (17, 19, "tenants[2].public-keys[0]"),
    (18, 5, "tenants[3].name"),
    (19, 14, "tenants[3].profile"),
    (21, 46, 'profiles.gpu.resources.limits."nvidia.com/gpu"'),
    (23, 27, "users[0].role"),
]


def refused(text: str, folder: Path) -> DeclarationError:
    file = folder / "federation.yaml"
    file.write_text(text)
    with pytest.raises(DeclarationError) as caught:
        load(file)
    return caught.value


def places(problems: tuple[Problem, ...]) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.key_path) for problem in problems]


def test_every_kind_of_problem_is_reported_together(tmp_path: Path) -> None:
    """Problems of YAML, of types and of what fits together come in one list, sorted by place."""
    error = refused(MANY, tmp_path)
    assert places(error.problems) == FOUND
    assert str(error).endswith(f"{len(FOUND)} problems in {tmp_path / 'federation.yaml'}")
    assert f"{tmp_path / 'federation.yaml'}:19:14: tenants[3].profile: there is no profile" in str(error)
    assert "    did you mean gpu?" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        # Each has one cause; what follows from it is not reported as well.
        "version: 1\nname: [a]\ntenants: [{name: north, nodes: 1}]\n",
        "version: 1\nname: a\ntenants: [{nmae: north, nodes: 1}, {name: b, nodes: 1}]\n",
        "version: 1\nname: a\ntenants: [{name: n, nodes: 2, keys: brougth, public-keys: [x, y]}]\n".replace(
            "x, y", ""
        ),
        "version: 1\nname: a\ntenants: [{name: n, nodes: many, keys: brought, public-keys: [@]}]\n".replace(
            "@", ""
        ),
        "version: 1\nname: a\nsuperlink: {exposur: {fleet: {type: ingress, host: b.org}}}\n"
        "tenants: [{name: n, nodes: 1, context: other}]\n",
        "version: 1\nname: a\ninsecure: nope\nusers: [{name: u}]\ntenants: [{name: n, nodes: 1}]\n",
        "version: 1\nname: a\nadmision: open\n",
        "version: 1\nname: a\ntenants: {}\n",
        "version: 1\nname: a\ntenants: [{<<: {name: n}, nodes: 1}]\n",
    ],
)
def test_one_mistake_is_one_problem(text: str, tmp_path: Path) -> None:
    """A wrong value does not bring problems of its own making with it."""
    assert len(refused(text, tmp_path).problems) == 1


def test_thousands_of_problems_stay_readable(tmp_path: Path) -> None:
    """A file with 10,000 problems prints fifty of them and says how many there are."""
    wrong = "".join(f"  - {{name: T{index}, nodes: 1}}\n" for index in range(4_000))
    error = refused(f"version: 1\nname: a\ntenants:\n{wrong}", tmp_path)
    lines = str(error).splitlines()
    assert len(lines) == 101
    assert lines[-1].endswith("federation.yaml, the first 50 are shown")
    assert lines[-1].startswith("4000 problems")
    assert len(error.problems) == 4_000


def test_a_declaration_made_in_python_is_checked_too() -> None:
    """`check` finds in objects what `load` finds in files, with key paths and without lines."""
    north = model.Tenant(name="north", nodes=1)
    good = Declaration(version=1, name="hospitals", tenants=(north,))
    check(good)
    assert resolve(good).nodes[0].name == "hospitals-north-0"
    with pytest.raises(DeclarationError) as caught:
        check(Declaration(version=1, name="hospitals", tenants=(north, north)))
    assert places(caught.value.problems) == [(0, 0, "tenants[1].name")]
    wild = model.Tenant(name="north", nodes=1, config={"a": float("nan"), "b": 2**64})
    with pytest.raises(DeclarationError) as caught:
        check(Declaration(version=1, name="hospitals", tenants=(wild,)))
    assert [problem.message for problem in caught.value.problems] == [
        "the number is not finite",
        "the number does not fit into 64 bits",
    ]
