"""The SuperNode chart's pods, run as rendered, against a real SuperLink."""

from __future__ import annotations

import base64
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowerbed.identities.authority import CertificateAuthority
from flowerbed.identities.node_keys import NodeKey
from support.chart_release import Release, render
from support.connect_proxy import tunnels
from support.local_pod import LocalPod, wait_for
from support.ports import free_port
from support.real_superlink import OUTSIDE, RealSuperLink, running

pytestmark = pytest.mark.pods


@pytest.fixture(scope="module")
def superlink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSuperLink]:
    """Yield a running SuperLink."""
    with running(tmp_path_factory.mktemp("superlink")) as found:
        yield found


def rendered(address: str, **values: Any) -> Release:  # noqa: ANN401
    """Return a release of two nodes that dial an address."""
    base = {"superlink": {"address": address}, "tls": {"existingSecret": "ca"}, "replicas": 2}
    return render("supernode", base | values)


def node_pod(release: Release, root: Path, key: NodeKey, ca: bytes) -> LocalPod:
    """Return the release's second pod, with its namespace's Secrets."""
    (pod,) = [pod for pod in release.pods() if pod.owner == "StatefulSet/hospitals-north"]
    keys = {"hospitals-north-0": NodeKey.generate().private, "hospitals-north-1": key.private}
    local = LocalPod(release, pod, root, {"ca": {"ca.crt": ca}, "hospitals-north-node-keys": keys})
    local.name = "hospitals-north-1"
    # In a pod of its own every SuperNode can have Flower's default port.
    local.more["supernode"] = [f"--port={free_port()}"]
    return local


def not_ready_because(pod: LocalPod, reason: str) -> bool:
    """Return whether the readiness probe fails and says so."""
    probe = pod.probe("supernode", "readinessProbe")
    return probe.returncode != 0 and reason in probe.stdout


def is_ready(pod: LocalPod) -> bool:
    """Return whether the readiness probe passes."""
    return pod.probe("supernode", "readinessProbe").returncode == 0


def test_waits_for_admission_is_ready_when_online_and_returns_after_a_crash(
    superlink: RealSuperLink, tmp_path: Path
) -> None:
    """A node waits with its reason shown, is Ready when online, and back in seconds after a crash."""
    key = NodeKey.generate()
    with node_pod(rendered(superlink.address), tmp_path, key, superlink.authority.certificate) as pod:
        pod.start("supernode")
        wait_for("the reason", lambda: not_ready_because(pod, "not admitted"), 30)
        assert pod.probe("supernode", "livenessProbe").returncode == 0

        superlink.register(key.public, "first")
        wait_for("Ready after registration", lambda: is_ready(pod), 30)
        assert superlink.nodes()["first"] == "online"
        assert pod.probe("supernode", "livenessProbe").returncode == 0

        pod.kill("supernode", signal.SIGKILL)
        assert not is_ready(pod)
        crashed = time.monotonic()
        pod.start("supernode")
        wait_for("Ready after a crash", lambda: is_ready(pod), 40)
        assert time.monotonic() - crashed < 30, "the key's lock of a minute was not lifted"


@pytest.mark.parametrize(
    ("change", "reason"),
    [("ca", "wrong CA"), ("name", "wrong name"), ("port", "unreachable"), ("key", "not admitted")],
)
def test_says_why_it_is_not_ready(superlink: RealSuperLink, tmp_path: Path, change: str, reason: str) -> None:
    """Each cause has its own words in the readiness probe's text."""
    ca, address = superlink.authority.certificate, superlink.address
    if change == "ca":
        ca = CertificateAuthority.create("stranger", 1).certificate
    elif change == "name":
        address = f"127.0.0.1:{superlink.port}"
    elif change == "port":
        address = f"localhost:{free_port()}"
    with node_pod(rendered(address), tmp_path, NodeKey.generate(), ca) as pod:
        pod.start("supernode")
        wait_for(reason, lambda: not_ready_because(pod, reason), 30)
        assert pod.processes["supernode"].poll() is None, "it waits and does not end"


def test_a_node_gets_out_through_a_proxy_alone(superlink: RealSuperLink, tmp_path: Path) -> None:
    """Its waiting step and Flower's SuperNode have the proxy connect, with its password from the Secret."""
    key, address = NodeKey.generate(), f"{OUTSIDE}:443"
    superlink.register(key.public, "behind a proxy")
    pair = base64.b64encode(b"north:s3same").decode()
    with tunnels(superlink.port, wanted=pair) as proxy:
        place = f"127.0.0.1:{proxy.server_address[1]}"

        def pod(name: str, url: str = "", **more: Any) -> LocalPod:  # noqa: ANN401
            release = rendered(address, proxy={"url": f"http://{place}", **more})
            found = node_pod(release, tmp_path / name, key, superlink.authority.certificate)
            found.outside = {**found.outside, "proxy": {"url": url.encode()}}
            return found

        with pod("past", noProxy=[".example.org"]) as past:
            past.start("supernode")
            wait_for("the reason", lambda: not_ready_because(past, "the host's name is unknown"), 30)
        assert not proxy.asked
        with pod("unknown") as unknown:
            unknown.start("supernode")
            wait_for("the reason", lambda: not_ready_because(unknown, "answers 407 Proxy"), 30)
        with pod("through", f"http://north:s3same@{place}", existingSecret="proxy") as through:
            through.start("supernode")
            wait_for("Ready", lambda: is_ready(through), 60)
            assert superlink.nodes()["behind a proxy"] == "online"
            assert "s3same" not in through.log("supernode") + str(through.pod.spec)
    assert {text.split()[1] for text in proxy.asked} == {address}


def test_a_node_without_a_key_of_its_own_ends_with_a_sentence(
    superlink: RealSuperLink, tmp_path: Path
) -> None:
    """A Secret that lacks the entry of this pod is named as the reason, instead of a traceback."""
    with node_pod(rendered(superlink.address), tmp_path, NodeKey.generate(), b"") as pod:
        folder = tmp_path / "volumes/keys"
        (folder / "hospitals-north-1").unlink()
        (folder / "hospitals-north-1").mkdir()  # as Kubernetes does it
        assert pod.run("supernode", 60) == 1
        log = pod.log("supernode")
    assert "the Secret with the node keys has no entry hospitals-north-1" in log
    assert "Traceback" not in log


def test_helm_test_pod_tells_a_superlink_from_none(superlink: RealSuperLink, tmp_path: Path) -> None:
    """The test pod passes at a SuperLink, and fails with the reason where there is none."""
    nobody = f"localhost:{free_port()}"
    for address, code, text in ((superlink.address, 0, "is a SuperLink"), (nobody, 1, "Connection refused")):
        release = rendered(address)
        (pod,) = [pod for pod in release.pods() if pod.owner == "Pod/hospitals-north-test"]
        outside = {"ca": {"ca.crt": superlink.authority.certificate}}
        with LocalPod(release, pod, tmp_path / str(code), outside) as local:
            assert local.run("call") == code, local.log("call")
            assert text in local.log("call")
