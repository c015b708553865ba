"""The outcome of a Job in a ConfigMap."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.git_repositories import write
from support.https_server import serving
from support.paths import CHARTS

pytestmark = pytest.mark.pods


def test_outcome_in_a_config_map(tmp_path: Path) -> None:
    """The outcome is merged into its ConfigMap; where it cannot be, the exit code stays the run's."""
    root = tmp_path / "served"
    root.mkdir()
    with serving(root) as server:
        account = write(tmp_path / "account", {"token": "sesame\n", "namespace": "analysts\n"})
        (account / "ca.crt").write_bytes((server.root / "ca.crt").read_bytes())
        server.allowed = {"Bearer sesame"}
        host, _, port = server.address.partition(":")
        code = (
            "import sys; from pathlib import Path; from flowerbed.flower.programs import outcome; "
            "sys.exit(outcome.main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))"
        )
        for index, allowed in enumerate((True, False)):
            if not allowed:
                server.allowed = {"Bearer other"}
            file = tmp_path / f"outcome{index}.json"
            done = subprocess.run(
                [
                    sys.executable, "-c", code, account, "digits-outcome",
                    str(tmp_path / "no-app"), "--address=localhost:1", "--insecure", f"--outcome={file}",
                ],
                env={
                    "PATH": "/usr/bin:/bin", "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port,
                    "PYTHONPATH": str(CHARTS / "app/files"), "HOME": str(tmp_path),
                },
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 2, done.stderr  # no such app: submit.py's own code
            assert ("could not be written to ConfigMap digits-outcome" in done.stderr) != allowed
        ((path, patch),) = server.patches
        assert path == "/api/v1/namespaces/analysts/configmaps/digits-outcome"
        assert patch["data"]["exit-code"] == "2"
        assert patch["data"]["status"] == "not-started"
