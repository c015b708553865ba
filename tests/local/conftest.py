"""One real federation for all tests that do not end it: two tenants, three roles, TLS, gateway, listed.

Tests that end parts of a federation have one of their own, `federation`, with an app, `app`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowerbed.declaration import load_plan
from flowerbed.local import Federation, up
from support import apps, loopback_federation
from support.further_gateway import start  # noqa: F401  (a fixture)
from support.gateway_pod import gateway  # noqa: F401  (a fixture)
from support.hello_app import write_app
from support.image_builds import workshop  # noqa: F401  (a fixture)
from support.local_federation import HOSPITALS, declare
from support.source_servers import scratch, served  # noqa: F401  (fixtures)
from support.told_rounds import told_app, told_federation, told_runs  # noqa: F401  (fixtures)


@pytest.fixture(scope="module", autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run each module's tests in a directory of its own: verbs list the records that lie in `runs/` there."""
    with contextlib.chdir(tmp_path_factory.mktemp("here")):
        yield


@pytest.fixture(scope="session")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Bring the shared federation up; no test may end it, or leave it other than it was."""
    file = declare(tmp_path_factory.mktemp("hospitals"), HOSPITALS)
    with up(load_plan(file), file) as federation:
        yield federation


@pytest.fixture(scope="session")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an app in which every node says its `site`, and the server waits for `seconds` first."""
    return write_app(tmp_path_factory.mktemp("apps") / "hello")


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[loopback_federation.Federation]:
    """Start a federation for the tests of one module: SuperLink, gateway, a node and its processes."""
    with loopback_federation.running(tmp_path_factory.mktemp("federation")) as federation:
        yield federation


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an app whose server counts ticks."""
    return apps.write_app(tmp_path_factory.mktemp("app"))
