"""Keys that a tenant makes itself, as identities.md says: only their public halves travel."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.cluster import Cluster
from parties import DIGITS, ROOT, Federation, Party, declare, final_accuracy

CONTROL = 31997
NODES = ("own-clinic-0", "own-clinic-1")
PRIVATE = b"PRIVATE KEY"
Record = Callable[[str, object], None]


def documented(page: str, mark: str) -> str:
    """Return the commands that stand between two markers of a page of docs/."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- {mark}: begin -->\n```sh\n(.*?)```\n<!-- {mark}: end -->", text, re.DOTALL)
    assert found, f"docs/{page} has no commands marked {mark!r}"
    return found[1]


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the pairs in a folder that is the tenant's alone, by the documented commands."""
    folder = tmp_path_factory.mktemp("clinic")
    script = documented("explanation/identities.md", "own keys").replace("hospitals-north", "own-clinic")
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, check=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def federation(
    cluster: Cluster, tenant: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Federation]:
    """Let the coordinator declare the public keys; each side installs from its own folder."""
    public = json.dumps([(tenant / f"{node}.key.pub").read_text().strip() for node in NODES])
    with cluster.namespaces("own", "own-clinic"):
        declared = declare(
            tmp_path_factory.mktemp("coordinator"),
            f"""
version: 1
name: own
superlink:
  namespace: own
  exposure: {{control: {{type: node-port, host: {cluster.address}, port: {CONTROL}}}}}
tenants:
  - {{name: clinic, namespace: own-clinic, nodes: 2, keys: brought, public-keys: {public}}}
users: [{{name: analyst, role: submitter}}]
""",
            {"": cluster.environment},
        )
        declared.coordinator.install()
        # The bundle goes to the tenant, who adds the private keys by the second command of INSTALL.md.
        sent = declared.tenants[0]
        shutil.copytree(sent.bundle, tenant, dirs_exist_ok=True)
        own = Party(tenant, sent.chart, sent.namespace, sent.release, sent.environment)
        own.run(own.commands("Install", 2))
        own.install()
        own.check()
        yield declared


def test_a_tenant_trains_with_keys_of_its_own(
    federation: Federation, tenant: Path, record_property: Record
) -> None:
    """Both nodes were admitted by the keys that the tenant made, and learn the digits."""
    started = time.monotonic()
    outcome = federation.submit(
        DIGITS, "--set", "num-server-rounds=3", "--set", "accuracy-floor=0.9", "--require-all-replies"
    )
    record_property("trained", f"{time.monotonic() - started:.0f} s")
    assert (outcome.code, outcome.result["status"]) == (0, "completed"), outcome.narration
    assert final_accuracy(outcome) > 0.9
    assert not (tenant / "secrets.yaml").exists()


def test_no_private_key_reaches_the_coordinator(
    federation: Federation, tenant: Path, cluster: Cluster
) -> None:
    """Not in its folder, not in its namespace; in the tenant's namespace they are found by the same look."""
    private = [(tenant / f"{node}.key").read_bytes() for node in NODES]
    folder = federation.bundles.parent.parent
    files = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    # The CA's and the users' keys are the coordinator's own.
    assert [file.name for file, data in files.items() if PRIVATE in data and file.suffix != ".key"] == [
        "secrets.yaml"
    ]
    assert not [file for file, data in files.items() if any(holds(data, key) for key in private)]
    seen = {
        space: [data for data in secrets(cluster, space) if PRIVATE in data]
        for space in ("own", "own-clinic")
    }
    assert len([data for data in seen["own-clinic"] if data in private]) == len(private)
    assert len(seen["own"]) == 1  # the gateway's
    assert not [data for data in seen["own"] if any(holds(data, key) for key in private)]


def holds(data: bytes, key: bytes) -> bool:
    """Tell whether text has the heart of a private key in it, however it is wrapped or indented."""
    heart = b"".join(key.splitlines()[1:-1])
    text = b"".join(data.split())
    return heart in text or base64.b64encode(key)[:200] in text


def secrets(cluster: Cluster, namespace: str) -> Iterator[bytes]:
    """Yield what all Secrets of a namespace hold, Helm's own unpacked."""
    for secret in cluster.get("secrets", "-n", namespace)["items"]:
        for value in secret["data"].values():
            data = base64.b64decode(value)
            yield (gzip.decompress(base64.b64decode(data)) if secret["type"].startswith("helm.sh/") else data)
