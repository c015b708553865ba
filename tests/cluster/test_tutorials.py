"""The tutorials that need a cluster, run as a user would type them: from the first command to the last."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.cluster import Cluster

from support.tutorials import INSTALLED, ON_A_CLUSTER, namespaces, walk_through

FIFTEEN_MINUTES = 900.0  # seconds: what each says that it takes


@pytest.mark.skipif(not INSTALLED, reason="the tutorials use .venv")
@pytest.mark.parametrize("page", ON_A_CLUSTER, ids=lambda page: page.stem)
def test_a_tutorial(cluster: Cluster, tmp_path: Path, page: Path) -> None:
    """Each command works, each line of output that the page shows is printed; no namespace is left."""
    declared = namespaces(page)
    assert len(declared) > 1
    with cluster.removed(*declared):
        walk_through(
            page, tmp_path, cluster.environment, "flowerbed uninstall --purge --yes", FIFTEEN_MINUTES
        )
        left = cluster.kubectl("get", "namespaces", "--output", "name").split()
        assert not declared & {name.removeprefix("namespace/") for name in left}
