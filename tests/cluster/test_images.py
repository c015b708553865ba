"""Images built here and in the cluster: the same, pulled with a login, and trained with off the network."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from harness.built import BuiltCluster
from harness.cache import HarnessError, say
from harness.cluster import Cluster
from image_garden import LOGIN, Garden, open_garden
from parties import DIGITS, HALVES, Federation, declare, final_accuracy

from support.image_builds import interrupt_build

FLEET, CONTROL = 31492, 31493
SECRET = "only-the-build-reads-this"
SEEN = "import hashlib; print(hashlib.sha256(open('/run/secrets/token', 'rb').read()).hexdigest())"
# Whether the build could read the secret, and what the image learned.
AFTER = [
    f'RUN --mount=type=secret,id=token python -c "{SEEN}" > /etc/seen',
    'RUN python -c "import sklearn; print(sklearn.__version__)" > /etc/learned',
]
LEARNED = (
    "build-secrets: [{id: token, file: token.txt}]",
    f"instructions: {json.dumps({'after': AFTER})}",
)
HEAD = "version: 1\nname: garden\ntenants: [{name: north, nodes: 1}]\n"
PULLING = {"ErrImagePull", "ImagePullBackOff"}
KINDS = "jobs,pods,configmaps,secrets"


@pytest.fixture(scope="module")
def garden(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Garden]:
    """Give the cluster a registry, an index and a namespace to build in."""
    if not isinstance(cluster, BuiltCluster):
        pytest.skip("a registry whose certificate its nodes trust is only given to a cluster built here")
    with (
        open_garden(cluster, tmp_path_factory.mktemp("garden")) as found,
        cluster.namespaces("builds", level="baseline"),
    ):
        found.give_login("builds")
        yield found


@pytest.fixture(scope="module")
def here(garden: Garden, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[dict[str, str]]]:
    """Build and push the image on this machine while others build; the result is its entry of the record."""
    folder = learned(garden, tmp_path_factory.mktemp("here"))

    def build() -> dict[str, str]:
        done = garden.build(folder, "--push")
        assert done.returncode == 0, done.stderr
        return entry(folder)

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(build)


@pytest.fixture(scope="module")
def there(garden: Garden, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Build and push it in the cluster; return the folder and what was told."""
    folder = learned(garden, tmp_path_factory.mktemp("there"))
    started = time.monotonic()
    done = garden.build(folder, *garden.there("builds"))
    say(f"built in the cluster: {time.monotonic() - started:.0f} s")
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def learned(garden: Garden, folder: Path) -> Path:
    """Declare the image in a folder, which has the secret beside it."""
    (folder / "federation.yaml").write_text(HEAD + garden.images(*LEARNED))
    secret = folder / "token.txt"
    secret.touch(0o600)
    secret.write_text(SECRET)
    return folder


def entry(folder: Path) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load((folder / "images.lock.yaml").read_text())["images"]["superexec"]
    return found


def kept(cluster: Cluster) -> list[str]:
    """Return what the build's namespace holds beside its login and what Kubernetes puts there."""
    items = cluster.get(KINDS, "-n", "builds")["items"]
    names = [f"{item['kind']} {item['metadata']['name']}" for item in items]
    return sorted(set(names) - {f"Secret {LOGIN}", "ConfigMap kube-root-ca.crt"})


def test_the_cluster_builds_the_same(here: Future[dict[str, str]], there: tuple[Path, str]) -> None:
    """Content, lock, base and tag are those of the build on this machine."""
    wanted, found = here.result(), entry(there[0])
    assert found.pop("image").partition("@")[0] == wanted.pop("image").partition("@")[0]
    assert found == wanted


def test_a_build_in_the_cluster_is_followed_and_leaves_nothing(
    garden: Garden, there: tuple[Path, str]
) -> None:
    """Instructions are told while they run, the log is kept here, and the namespace is as before."""
    folder, told = there
    assert f"  {AFTER[1]}" in told
    log = (folder / ".flowerbed/garden/build/superexec.log").read_text()
    assert "STEP" in log
    assert "flowerbed: pushing" in log
    assert SECRET not in told + log
    garden.cluster.wait("an empty namespace", lambda: not kept(garden.cluster))
    done = garden.build(folder, *garden.there("builds"))
    assert done.stdout.startswith("superexec: unchanged ")
    assert not done.stderr


def test_a_namespace_that_refuses(garden: Garden, tmp_path: Path) -> None:
    """Under the level `restricted` nothing is built, and the error says which level it takes."""
    (tmp_path / "federation.yaml").write_text(HEAD + garden.images())
    with garden.cluster.namespaces("too-strict"):
        garden.give_login("too-strict")
        done = garden.build(tmp_path, *garden.there("too-strict"))
    assert done.returncode == 1
    assert "violates PodSecurity" in done.stderr
    assert "pod-security.kubernetes.io/enforce=baseline" in done.stderr
    assert not (tmp_path / "images.lock.yaml").exists()


def test_more_rights_take_another_level(garden: Garden, tmp_path: Path) -> None:
    """`--unconfined` is refused under `baseline`, and the error names the level that it takes."""
    (tmp_path / "federation.yaml").write_text(HEAD + garden.images())
    done = garden.build(tmp_path, *garden.there("builds"), "--unconfined")
    assert done.returncode == 1
    assert "violates PodSecurity" in done.stderr
    assert "pod-security.kubernetes.io/enforce=privileged" in done.stderr
    garden.cluster.wait("an empty namespace", lambda: not kept(garden.cluster))


def test_a_builder_that_cannot_be_pulled(garden: Garden, tmp_path: Path) -> None:
    """The image is named, with what the registry said; nothing is recorded, nothing stays."""
    (tmp_path / "federation.yaml").write_text(HEAD + garden.images())
    missing = f"{garden.builder}-not"
    done = garden.build(tmp_path, *garden.there("builds"), "--builder-image", missing)
    assert done.returncode == 1
    assert f"the cluster cannot pull {missing}: " in done.stderr
    assert not (tmp_path / "images.lock.yaml").exists()
    garden.cluster.wait("an empty namespace", lambda: not kept(garden.cluster))


def test_an_instruction_that_fails_in_the_cluster(garden: Garden, tmp_path: Path) -> None:
    """It is named with its last words; nothing is recorded, nothing stays."""
    failing = "instructions: {before: ['RUN echo about to fail; exit 3']}"
    (tmp_path / "federation.yaml").write_text(HEAD + garden.images(failing))
    done = garden.build(tmp_path, *garden.there("builds"))
    assert done.returncode == 1
    assert "this instruction failed: RUN echo about to fail; exit 3" in done.stderr
    assert not (tmp_path / "images.lock.yaml").exists()
    garden.cluster.wait("an empty namespace", lambda: not kept(garden.cluster))


def test_an_interrupted_build_in_the_cluster(garden: Garden, tmp_path: Path) -> None:
    """Ctrl-C takes the Job away with all that it was given."""
    forever = "instructions: {before: ['RUN cat /dev/zero > /dev/null']}"
    (tmp_path / "federation.yaml").write_text(HEAD + garden.images(forever))
    interrupt_build(tmp_path, garden.shop.environment | garden.reach, "RUN cat", *garden.there("builds"))
    garden.cluster.wait("an empty namespace", lambda: not kept(garden.cluster))


def test_the_registry_asks_for_a_login(garden: Garden, there: tuple[Path, str]) -> None:
    """Without the Secret the same image is not pulled: what the pods below do is no accident."""
    image = entry(there[0])["image"]
    spec = {"name": "stranger", "image": image, "imagePullPolicy": "Always"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stranger", "namespace": "builds"}}
    garden.cluster.apply({**pod, "spec": {"containers": [spec]}})

    def refused() -> bool:
        states = garden.cluster.get("pod", "stranger", "-n", "builds")["status"].get("containerStatuses", [])
        return any(one["state"].get("waiting", {}).get("reason") in PULLING for one in states)

    garden.cluster.wait("a refused pull", refused)
    events = garden.cluster.kubectl("get", "events", "-n", "builds", "-o", "json")
    assert "401 Unauthorized" in events
    garden.cluster.kubectl("delete", "pod", "stranger", "-n", "builds", "--grace-period=0", "--force")


@pytest.fixture(scope="module")
def secluded(garden: Garden, there: tuple[Path, str]) -> Iterator[tuple[Federation, Callable[[], int]]]:
    """Install a federation whose apps run in the built image; its nodes' pods reach the SuperLink alone."""
    cluster, (folder, _) = garden.cluster, there
    north, south = HALVES
    text = f"""
version: 1
name: garden
superlink:
  namespace: garden
  executor: sidecar
  exposure:
    fleet: {{type: node-port, host: {cluster.address}, port: {FLEET}}}
    control: {{type: node-port, host: {cluster.address}, port: {CONTROL}}}
tenants:
  - {{name: north, nodes: 1, namespace: garden-north, isolation: process, executor: sidecar, config: {north}}}
  - {{name: south, nodes: 1, namespace: garden-north, isolation: process, executor: sidecar, config: {south}}}
users: [{{name: analyst, role: submitter}}]
{garden.images(*LEARNED)}"""
    with cluster.namespaces("garden", "garden-north"):
        garden.give_login("garden", "garden-north")
        declared = declare(folder, text, {"": cluster.environment})
        declared.coordinator.install()
        declared.coordinator.check()
        pods = cluster.get("pods", "-n", "garden")["items"]
        with cluster.secluded(cluster.address, *(pod["status"]["podIP"] for pod in pods)) as dropped:
            for tenant in declared.tenants:
                tenant.install()
            for tenant in declared.tenants:
                tenant.check()
            yield declared, dropped


def test_digits_train_in_the_built_image(
    garden: Garden, secluded: tuple[Federation, Callable[[], int]], there: tuple[Path, str]
) -> None:
    """Pulled by digest, both sides train with it; no pod said anything to anybody but the SuperLink."""
    federation, dropped = secluded
    rounds = ("--set", "num-server-rounds=3", "--set", "accuracy-floor=0.9")
    outcome = federation.submit(DIGITS, *rounds)
    assert (outcome.code, outcome.result["status"]) == (0, "completed"), outcome.narration
    assert final_accuracy(outcome) > 0.9
    assert dropped() == 0
    image = entry(there[0])["image"]
    digest = image.partition("@")[2]
    pods = [
        item
        for space in ("garden", "garden-north")
        for item in garden.cluster.get("pods", "-n", space)["items"]
    ]
    apps = [
        status
        for pod in pods
        for status in pod["status"]["containerStatuses"] + pod["status"].get("initContainerStatuses", [])
        if digest in status["imageID"]
    ]
    assert len(apps) == 3, json.dumps([pod["status"] for pod in pods])[:3000]


def test_there_is_no_dns_for_them(garden: Garden, secluded: tuple[Federation, Callable[[], int]]) -> None:
    """A look-up in such a pod fails, and is seen: the silence above is a silence of the pods."""
    _, dropped = secluded
    code = "import os, socket, sklearn; os.environ['RES_OPTIONS'] = 'timeout:1 attempts:1'; "
    code += "print(open('/etc/learned').read()); socket.getaddrinfo('example.org', 443)"
    pod = garden.cluster.get("pods", "-n", "garden-north")["items"][0]["metadata"]["name"]
    command = ("python", "-c", code)
    shell = ("exec", "-n", "garden-north", pod, "-c", "superexec", "--")
    seen = garden.cluster.kubectl(*shell, "sh", "-c", "cat /etc/seen; ls -A /run/secrets 2>/dev/null; true")
    assert seen.split()[0] == hashlib.sha256(SECRET.encode()).hexdigest()
    assert "token" not in seen.split()[2:]
    before = dropped()
    with pytest.raises(HarnessError, match="gaierror"):
        garden.cluster.kubectl(*shell, *command)
    assert dropped() > before
