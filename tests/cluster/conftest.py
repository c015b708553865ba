"""Clusters for the tests: `cluster` is one for a session, `clusters` are two joined by a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.cache import HarnessError, say
from harness.choice import CONTEXT, choose, missing
from harness.cluster import Cluster

STARTED: dict[str, Cluster] = {}
# The files that take minutes, the longest first: begun last, one alone would hold up the end.
LONGEST = (
    "faults",
    "kept_state",
    "images",
    "admission_modes",
    "rotation",
    "federation",
    "executors",
    "two_clusters",
    "apply",
    "node_keys",
)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Test on two clusters side by side where they are built here, for the tests mostly wait.

    Three load two cores so much that rounds run out of patience.
    """
    return 1 if os.environ.get(CONTEXT) or missing() else 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest (with `--no-loadscope-reorder`); within a file nothing moves."""
    order = {f"test_{name}.py": index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(LONGEST)))


def _started(kind: str, request: pytest.FixtureRequest) -> Cluster:
    """Return the cluster `kind` of a fixture; no cluster is a skip with its reason, under CI a failure."""
    if kind not in STARTED:
        try:
            STARTED[kind] = choose(f"{kind}-{os.getpid()}", nodes=2 if kind == "one" else 1)
        except HarnessError as error:
            if os.environ.get("CI"):
                pytest.fail(f"no Kubernetes: {error}", pytrace=False)
            pytest.skip(f"no Kubernetes: {error}")
        request.addfinalizer(lambda: STARTED.pop(kind).end())
    return STARTED[kind]


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Return a cluster with two nodes; whoever breaks it repairs it."""
    return _started("one", request)


@pytest.fixture(scope="module")
def clusters(cluster: Cluster, request: pytest.FixtureRequest) -> tuple[Cluster, Cluster]:
    """Return two clusters whose NodePorts reach each other; the second one is for a module."""
    if not cluster.built:
        pytest.skip("two joined clusters are only built here: FLOWERBED_TEST_CONTEXT and kind give one")
    return cluster, _started("two", request)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Keep what the clusters knew when a test failed, and print the end of it."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if not report.failed or call.excinfo is None:
        return
    for cluster in STARTED.values():
        folder = (
            Path(os.environ.get("FLOWERBED_DUMPS", "/tmp/flowerbed-dumps"))
            / item.name[:80].replace("/", "-")
            / cluster.name
        )
        try:
            cluster.dump(folder)
            events = (folder / "events.txt").read_text().splitlines()[-20:]
            report.sections.append((f"last events; more in {folder}", "\n".join(events)))
        except (HarnessError, OSError) as error:
            say(f"cannot dump {cluster.name}: {error}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what the tests measured (`record_property`)."""
    reports = [found for kind in ("passed", "failed") for found in terminalreporter.getreports(kind)]
    figures = [(found.nodeid, *figure) for found in reports for figure in found.user_properties]
    if figures:
        terminalreporter.section("measured")
    for test, name, value in figures:
        terminalreporter.write_line(f"{test.rpartition('::')[2]}: {name}: {value}")
