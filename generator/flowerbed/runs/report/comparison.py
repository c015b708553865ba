"""Several runs compared, as plain data: what differs in their run config, packages and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from flowerbed.flower.figures import Number
from flowerbed.runs.metrics.model import Scalar
from flowerbed.runs.report.figures import Source, columns, rank
from flowerbed.runs.report.model import Report, rounds_done

_ID_SHOWN = 8


class Figure(msgspec.Struct, frozen=True):
    """A metric of one source in several runs: by run, in their order, figures by round."""

    source: Source
    name: str
    runs: tuple[dict[int, Number], ...]


class Rounds(msgspec.Struct, frozen=True):
    """How many rounds of a run have ended, and how many were planned, None if that is unknown."""

    done: int
    planned: int | None


class Comparison(msgspec.Struct, frozen=True):
    """Reports in the order given; `differences` are the keys of the run config that are not equal in all.

    A key that a run's config does not have, or that nobody recorded, is None there. `packages` likewise has
    the versions of installed packages that differ; runs whose packages are not known count for none, and
    have None. `rounds` are those of each run.
    """

    runs: tuple[Report, ...]
    differences: dict[str, tuple[Scalar | None, ...]]
    figures: tuple[Figure, ...]
    packages: dict[str, tuple[str | None, ...]] = {}
    rounds: tuple[Rounds, ...] = ()


def compare(reports: Iterable[Report]) -> Comparison:
    """Return a comparison of runs; equal input gives an equal one."""
    found = tuple(reports)
    keys = sorted({key for report in found for key in report.config})
    values = {key: tuple(report.config.get(key) for report in found) for key in keys}
    return Comparison(
        runs=found,
        differences={key: each for key, each in values.items() if any(one != each[0] for one in each)},
        figures=tuple(_figures(found)),
        packages=_packages(found),
        rounds=tuple(Rounds(rounds_done(one), one.metrics.planned) for one in found),
    )


def labels(reports: Sequence[Report]) -> list[str]:
    """Return a short name for each run: the beginning of its id, as long as it takes to tell them apart."""
    ids = [report.run.run_id for report in reports]
    longest = max(map(len, ids))
    size = next(
        (at for at in range(_ID_SHOWN, longest) if len({one[:at] for one in ids}) == len(set(ids))), longest
    )
    return [one[:size] for one in ids]


def _packages(reports: Sequence[Report]) -> dict[str, tuple[str | None, ...]]:
    listed = [report.environment.packages if report.environment else {} for report in reports]
    known = [one for one in listed if one]
    differing = sorted(
        name for name in {name for one in known for name in one} if len({one.get(name) for one in known}) > 1
    )
    return {name: tuple(one.get(name) for one in listed) for name in differing}


def _figures(reports: tuple[Report, ...]) -> list[Figure]:
    found: dict[tuple[Source, str], list[dict[int, Number]]] = {}
    for at, report in enumerate(reports):
        for column in columns(report.metrics):
            found.setdefault((column.source, column.name), [{} for _ in reports])[at] = column.values
    ordered = sorted(found, key=lambda key: rank(key[1]))
    return [Figure(source, name, tuple(found[source, name])) for source, name in ordered]
