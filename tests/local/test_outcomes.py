"""Each way that a run can end, for real: exit code, outcome, record; outcomes.md says what was seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from docs.outcomes import outcomes
from support.generated import assert_generated
from support.outcome_expected import EXPECTED
from support.outcome_rows import tried
from support.outcome_trials import Seen


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    with tried(tmp_path_factory.mktemp("outcomes")) as found:
        yield found


@pytest.mark.parametrize("name", EXPECTED)
def test_an_outcome(seen: dict[str, Seen], name: str) -> None:
    """Exit code, status and record are those that this end has."""
    one = seen[name]
    assert (one.exit_code, one.status, one.word) == EXPECTED[name], one


def test_the_table_of_outcomes_is_true(seen: dict[str, Seen]) -> None:
    """What is written is what was seen, the reasons word for word."""
    assert set(seen) == set(EXPECTED)
    assert_generated("docs/reference/outcomes.md", "outcomes", outcomes(seen))
