"""A declared federation in one cluster, for the tests of its commands and sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

TEXT = """\
version: 1
name: hospitals
flower: "1.41"
superlink: {namespace: hospitals, context: hub, executor: kubernetes}
tenants:
  - {name: north, namespace: north, context: hub, nodes: 2}
users: [{name: analyst, role: submitter}]
"""


@pytest.fixture
def federation(tmp_path: Path) -> Path:
    file = tmp_path / "federation.yaml"
    file.write_text(TEXT)
    return file
