"""Wrong declarations (wrong_declarations.txt): what each gets, where, and the neighbour that passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.declaration import load
from flowerbed.errors import DeclarationError, Problem
from support.wrong_declarations import CASES, CHOICE, TABLE, WORDS, Case

each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def problems_of(text: str, folder: Path) -> tuple[Problem, ...]:
    """Return what a text is refused for."""
    file = folder / "federation.yaml"
    file.write_text(text)
    with pytest.raises(DeclarationError) as caught:
        load(file)
    return caught.value.problems


@each_case
def test_each_wrong_thing_is_named_where_it_stands(case: Case, tmp_path: Path) -> None:
    """A wrong declaration gets exactly one problem, with its line, column, key path, message and remedy."""
    problems = problems_of(case.wrong, tmp_path)
    assert [(problem.line, problem.column, problem.key_path) for problem in problems] == [
        (*case.place, case.path)
    ]
    assert case.says in problems[0].message
    assert problems[0].remedy


@each_case
def test_the_neighbour_passes(case: Case, tmp_path: Path) -> None:
    """The same declaration with that one thing put right is accepted."""
    file = tmp_path / "federation.yaml"
    file.write_text(case.right)
    load(file)


@each_case
def test_messages_are_short_lines(case: Case, tmp_path: Path) -> None:
    """Message and remedy are printable and stay on one line, whatever the file holds."""
    for problem in problems_of(case.wrong, tmp_path):
        assert problem.message.isprintable()
        assert problem.remedy.isprintable()
        assert len(problem.message) < 250


@pytest.mark.parametrize(
    "name", ["private key", "CA with its key", "ed25519", "other curve", "number in env"]
)
def test_keys_and_environment_are_never_repeated(name: str, tmp_path: Path) -> None:
    """What may be secret is not in the message, however wrong it is."""
    case = next(case for case in CASES if case.name == name)
    shown = " ".join(f"{problem.message} {problem.remedy}" for problem in problems_of(case.wrong, tmp_path))
    secret = CHOICE.search(TABLE.read_text().partition(f"== {name}\n")[2])
    assert secret is not None
    for word, meant in WORDS.items():
        value = secret.group(1).replace(word, meant)
        assert value[:30].strip('"') not in shown
    assert "8080" not in shown
