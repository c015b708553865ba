"""All generated files that are committed: how each is made, and what compares it with its sources.

    generated.py [--check] [PATH...]

writes all of them, or those named. With `--check` it compares instead those that no running part is needed
for, and ends with 1 if one differs; the tests that an entry names compare the others.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import charts
from docs import (
    app_reads,
    commands,
    connections,
    declaration,
    holds,
    notebook,
    outcomes,
    routes,
    targets,
    troubleshooting,
)
from flowerbed.declaration import schema
from flowerbed.runs.records import store
from marked import replaced
from shipped_values import shipped_values
from texts import Texts, differing, write

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "make generated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """Files of one kind, by path from the root (a pattern of fnmatch for several), or a part of a page.

    `make` returns their whole texts; None if only `command` makes them. An entry that needs running parts
    names the tests that compare it; `make generated-check` compares all others.
    """

    path: str
    part: str = ""
    make: Callable[[], Texts] | None
    by: str = f"`{COMMAND}`"
    command: str = COMMAND
    needs: str = ""
    tests: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path} ({self.part})" if self.part else self.path


def file(path: str, text: Callable[[], str]) -> Generated:
    """Return the entry of one file."""
    return Generated(path=path, make=lambda: {ROOT / path: text()})


def of_charts(path: str, make: Callable[[Path], Texts], part: str = "") -> Generated:
    """Return the entry of files that each chart has."""
    return Generated(
        path=path,
        part=part,
        make=lambda: {name: text for chart in charts.CHARTS for name, text in make(chart).items()},
        by="tools/charts.py from values.yaml",
    )


def page(path: str, part: str, inner: Callable[[], str], needs: str = "", test: str = "") -> Generated:
    """Return the entry of a page's part; its markers are in the page."""

    def make() -> Texts:
        return {ROOT / path: replaced((ROOT / path).read_text(encoding="utf-8"), part, inner())}

    return Generated(path=path, part=part, make=make, needs=needs, tests=(test,) if test else ())


def help_texts() -> str:
    """Return what every command prints with `--help`; by a process, for its width is read once."""
    command = [sys.executable, str(ROOT / "tools" / "help_texts.py")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


GENERATED = (
    file("schema/federation.schema.json", schema.schema_text),
    file("schema/run.schema.json", store.schema_text),
    file("tests/snapshots/help.txt", help_texts),
    of_charts("charts/*/values.schema.json", charts.schema),
    of_charts("charts/*/README.md", charts.readme, "values"),
    of_charts("charts/*/templates/*", charts.templates),
    of_charts("charts/*/files/*", charts.programs),
    Generated(path="values/*/values.yaml", make=shipped_values),
    page("CONTRIBUTING.md", "targets", targets.targets),
    page("docs/reference/command-line.md", "verbs", commands.verbs),
    page("docs/reference/declaration.md", "fields", declaration.fields),
    page("docs/reference/declaration.md", "wrong declarations", declaration.wrong_declarations),
    page("docs/reference/troubleshooting.md", "symptoms", troubleshooting.listing),
    page(
        "docs/reference/access.md",
        "connections",
        connections.connections,
        needs="Helm",
        test="tests/charts/test_network_docs.py",
    ),
    page(
        "docs/reference/access.md",
        "routes",
        routes.routes_now,
        needs="a federation on this machine",
        test="tests/local/test_route_docs.py",
    ),
    page(
        "docs/reference/access.md",
        "holds",
        holds.holds_now,
        needs="a federation on this machine, for a minute",
        test="tests/local/test_hold_docs.py",
    ),
    page(
        "docs/reference/local.md",
        "reads",
        app_reads.reads_now,
        needs="a federation on this machine",
        test="tests/local/test_app_reads_docs.py",
    ),
    page(
        "docs/reference/outcomes.md",
        "outcomes",
        outcomes.outcomes_now,
        needs="federations on this machine, for minutes",
        test="tests/local/test_outcomes.py",
    ),
    page(
        "docs/reference/python.md",
        "notebook",
        notebook.notebook_now,
        needs="a federation on this machine, and a Python kernel",
        test="tests/local/test_python_following.py",
    ),
    Generated(
        path="docs/reference/access.md",
        part="reads",
        make=None,
        by="what tests/cluster/test_executors.py found",
        command="make test-cluster PYTEST=tests/cluster/test_executors.py, which prints the table",
        needs="a Kubernetes cluster",
        tests=("tests/cluster/test_executors.py",),
    ),
    Generated(
        path="tests/snapshots/json/*.txt",
        make=None,
        by="`make shapes`",
        command="make shapes",
        needs="a federation on this machine",
        tests=("tests/unit/cli/test_json_shapes.py", "tests/local/test_json_federation.py"),
    ),
)


def main(arguments: list[str]) -> int:
    """Write or check the files; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file would change")
    parser.add_argument("path", nargs="*", help="a file from the repository's root (default: all)")
    options = parser.parse_args(arguments)
    # Some texts come from federations that run meanwhile, which end when their contexts do.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    act = differing if options.check else write
    changed = [path for make in chosen(options.path, check=options.check) for path in act(make())]
    for path in dict.fromkeys(changed):
        print(f"{path.relative_to(ROOT)}: {f'out of date; run `{COMMAND}`' if options.check else 'written'}")
    return int(options.check and bool(changed))


def chosen(paths: list[str], *, check: bool) -> Iterator[Callable[[], Texts]]:
    """Yield what makes the entries of these paths, or of all; on the others that are left out, print why."""
    for entry in GENERATED:
        if paths and not any(fnmatchcase(path, entry.path) for path in paths):
            continue
        if check and entry.tests:
            continue
        if entry.make is None:
            print(f"{entry}: not written; run {entry.command}")
        else:
            yield entry.make


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
