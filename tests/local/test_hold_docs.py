"""The table in access.md of who can hold what, and for how long, is what a real gateway bears."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from docs.holds import holds, waiting_run
from flowerbed import runs
from flowerbed.flower.connection import Connection
from flowerbed.local import Federation
from support.gateway_calls import call
from support.generated import assert_generated

pytestmark = pytest.mark.needs("haproxy")


def test_the_table_of_holds_is_true(hospitals: Federation, hello: Path) -> None:
    """Every row is tried; meanwhile the federation's own probe is answered."""
    run_id, failed = waiting_run(hospitals, hello), []
    over = threading.Event()

    def probe() -> None:
        address = f"127.0.0.1:{hospitals.record.ports['readiness']}"
        while not over.wait(1):
            if call(address, "/ready", None, method="GET").status != 200:
                failed.append(time.monotonic())

    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(probe)
        try:
            found = holds(hospitals, run_id)
        finally:
            over.set()
            runs.stop(Connection.load(hospitals.connection("sam")), run_id)
        probing.result()
    assert not failed
    assert_generated("docs/reference/access.md", "holds", found)
