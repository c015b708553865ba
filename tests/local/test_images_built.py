"""Images built by buildah, pushed to a real registry, and what comes of them."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from flowerbed.declaration import load_plan
from support.image_builds import PYTHON, Workshop, interrupt_build
from support.json_shapes import assert_shape
from support.local_federation import declare

DECLARATION = """\
version: 1
name: hospitals
tenants:
  - {{name: north, nodes: 1}}
images:
  all:
    base: {base}
    python: "{python}"
    repository: {registry}/team/flower
  superexec:
    dependencies: ["toolz>=1,<2"]
    instructions:
      before: ["ARG GREETING"]
      after:
        - RUN echo "$GREETING" > /etc/greeting
        - RUN --mount=type=secret,id=token test -s /run/secrets/token
    build-args: {{GREETING: 'a "b" $c'}}
    build-secrets: [{{id: token, env: BUILD_TOKEN}}]
"""
SECRET = "nobody-reads-this"


@pytest.fixture(scope="module")
def built(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the SuperExec's image was built and pushed."""
    folder = tmp_path_factory.mktemp("built")
    text = DECLARATION.format(base=workshop.base, python=PYTHON, registry=workshop.registry)
    declare(folder, text)
    done = workshop.flowerbed(folder, "build", "superexec", "--push", BUILD_TOKEN=SECRET)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"superexec: pushed \S+@sha256:[0-9a-f]{64} \(\d+\.\d s\)\n", done.stdout)
    assert "RUN echo" in done.stderr
    return folder


def entry(folder: Path) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load((folder / "images.lock.yaml").read_text())["images"]["superexec"]
    return found


def test_the_record_names_what_the_registry_has(workshop: Workshop, built: Path) -> None:
    """Digest and tag lead to the same manifest, and the base stands there by its digest."""
    recorded = entry(built)
    name, _, digest = recorded["image"].partition("@")
    repository, _, tag = name.removeprefix(f"{workshop.registry}/").partition(":")
    assert tag == f"superexec-{recorded['content'][:16]}"
    assert workshop.manifest(repository, tag)[0] == workshop.manifest(repository, digest)[0] == digest
    assert f"@{workshop.manifest('flower/base', '1.41.0')[0]}" in recorded["base"]


def test_the_values_name_the_digest(workshop: Workshop, built: Path) -> None:
    """`generate` puts the image into the values of every party that runs it, and into no other place."""
    done = workshop.flowerbed(built, "generate")
    assert done.returncode == 0, done.stderr
    image = {
        "registry": workshop.registry,
        "repository": "team/flower",
        "digest": entry(built)["image"].partition("@")[2],
    }
    bundles = built / "bundles" / "hospitals"
    for values in (bundles / "coordinator" / "values.yaml", bundles / "tenants" / "north" / "values.yaml"):
        data = yaml.safe_load(values.read_text())
        assert data["superexec"]["image"] == image
        assert "image" not in data


def test_the_image_runs_as_anybody(workshop: Workshop, built: Path) -> None:
    """It has the package, Flower and the instruction's file; its user is Flower's, and any other will do."""
    image = entry(built)["image"].partition("@")[0]
    config = json.loads(workshop.buildah("inspect", "--type", "image", image))["OCIv1"]
    assert config["config"]["User"] == "49999"
    labels = config["config"]["Labels"]
    assert labels["dev.flowerbed.content"] == f"sha256:{entry(built)['content']}"
    assert labels["dev.flowerbed.lock"] == f"sha256:{entry(built)['lock']}"
    assert labels["dev.flowerbed.flower"] == "1.41.0"
    container = workshop.buildah("from", image)
    try:
        # Who has no home gets one from the charts; Flower looks for it.
        code = "import os; os.environ['HOME'] = '/tmp'; import toolz, flwr; "
        code += "print(flwr.__version__, os.getuid(), open('/etc/greeting').read())"
        said = workshop.buildah("run", "--user", "1234567", container, "--", "python", "-c", code)
        assert said == '1.41.0 1234567 a "b" $c'
        mounted = Path(workshop.buildah("mount", container))
        held = [
            "grep",
            "--recursive",
            "--files-with-matches",
            SECRET,
            str(mounted / "etc"),
            str(mounted / "run"),
        ]
        assert subprocess.run(held, capture_output=True, text=True, check=False).stdout == ""
    finally:
        workshop.buildah("rm", container)


def test_no_secret_is_written(built: Path) -> None:
    """Neither lock, record, Containerfile nor log holds the build secret."""
    files = [path for path in built.rglob("*") if path.is_file() and "bundles" not in path.parts]
    assert {"superexec.txt", "superexec.log", "images.lock.yaml"} <= {path.name for path in files}
    assert [
        path for path in files if SECRET.encode() in path.read_bytes() and path.name != "federation.yaml"
    ] == []


def test_unchanged_is_one_line_within_a_second(workshop: Workshop, built: Path) -> None:
    """Equal inputs build nothing: no builder is started, and nothing is written."""
    before = {path: path.stat().st_mtime_ns for path in built.rglob("images.lock*")}
    begun = time.monotonic()
    workshop.flowerbed(built, "check")
    checked = time.monotonic()
    done = workshop.flowerbed(built, "build", "superexec", "--push", PATH="/usr/bin:/bin")
    # A check takes a third of a second here; as a ratio it holds on a busy machine too.
    assert time.monotonic() - checked < 5 * (checked - begun)
    assert re.fullmatch(r"superexec: unchanged \S+ \(\d+\.\d s\)\n", done.stdout)
    assert done.stderr == ""
    assert {path: path.stat().st_mtime_ns for path in built.rglob("images.lock*")} == before


def test_a_second_build_gives_the_same_image(workshop: Workshop, built: Path) -> None:
    """Built anew from nothing, every layer has the same bytes: the digest is the same."""
    first = entry(built)
    workshop.buildah("rmi", "--all", "--force")
    (built / "images.lock.yaml").unlink()
    done = workshop.flowerbed(built, "build", "superexec", "--push", BUILD_TOKEN=SECRET)
    assert done.returncode == 0, done.stderr
    assert entry(built) == first


def test_a_pushed_image_is_signed(workshop: Workshop, built: Path, tmp_path: Path) -> None:
    """A key's signature is given to an image that is there already, and cosign itself finds it good."""
    if not shutil.which("cosign"):
        pytest.skip("cosign is not installed")
    (tmp_path / "config.json").symlink_to(workshop.environment["REGISTRY_AUTH_FILE"])
    reach = {
        "SSL_CERT_FILE": str(workshop.certificate),
        "DOCKER_CONFIG": str(tmp_path),
        "COSIGN_PASSWORD": "",
        "HOME": str(tmp_path),
    }
    environment = workshop.environment | reach
    subprocess.run(["cosign", "generate-key-pair"], cwd=tmp_path, env=environment, check=True)
    alone = f"--key {tmp_path}/cosign.key --tlog-upload=false --use-signing-config=false"
    signing = ("build", "superexec", "--push", "--sign", "--cosign", alone)
    done = workshop.flowerbed(built, *signing, **reach)
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["superexec:", "unchanged"]), done.stderr
    verify = ["cosign", "verify", "--key", f"{tmp_path}/cosign.pub", "--insecure-ignore-tlog"]
    subprocess.run([*verify, entry(built)["image"]], env=environment, check=True, capture_output=True)
    unsigned = entry(built)["image"].partition("@")[0].replace("superexec-", "no-")
    assert subprocess.run([*verify, unsigned], env=environment, capture_output=True, check=False).returncode
    failed = workshop.flowerbed(built, *signing[:-1], "--key nowhere.key --tlog-upload=false", **reach)
    assert (failed.returncode, "the signature failed: " in failed.stderr) == (1, True)


def test_the_bill_of_materials_lists_the_lock(built: Path) -> None:
    """CycloneDX beside the lock names every locked package."""
    listed = json.loads((built / "images.lock" / "superexec.cdx.json").read_text())
    assert listed["bomFormat"] == "CycloneDX"
    locked = re.findall(
        r"^([a-z0-9-]+)==", (built / "images.lock" / "superexec.txt").read_text(), re.MULTILINE
    )
    assert {part["name"] for part in listed["components"]} == set(locked)
    assert "toolz" in locked


def test_a_dry_run_writes_nothing(workshop: Workshop, built: Path, tmp_path: Path) -> None:
    """`--dry-run` shows the Containerfile that the image was built from, and leaves the folder as it is."""
    before = sorted(path for path in built.rglob("*"))
    done = workshop.flowerbed(built, "build", "superexec", "--dry-run", "--json")
    assert_shape("build", json.loads(done.stdout))
    (shown,) = json.loads(done.stdout)["images"]
    assert shown["content"] == entry(built)["content"]
    assert shown["state"] == "planned"
    assert sorted(path for path in built.rglob("*")) == before
    assert load_plan(built / "federation.yaml").images["superexec"].built is not None


@pytest.fixture
def held_back(workshop: Workshop) -> Iterator[tuple[str, threading.Event]]:
    """Forward a port to the registry, but only once the event is set; until then clients wait."""
    host, _, port = workshop.registry.partition(":")
    opened = threading.Event()

    class Forwarder(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            opened.wait()
            with socket.create_connection((host, int(port))) as other:
                back = threading.Thread(target=_copy, args=(other, self.request), daemon=True)
                back.start()
                _copy(self.request, other)
                back.join()

    with socketserver.ThreadingTCPServer((host, 0), Forwarder) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{host}:{server.server_address[1]}", opened
        opened.set()
        server.shutdown()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_an_interrupted_push(
    workshop: Workshop, built: Path, held_back: tuple[str, threading.Event], tmp_path: Path
) -> None:
    """It leaves no record; the next one pushes what was built, and its packages came from the cache."""
    registry, opened = held_back
    text = DECLARATION.format(base=workshop.base, python=PYTHON, registry=workshop.registry)
    # Another instruction after the packages, and another address: the packages' layer stays.
    text = text.replace(f"{workshop.registry}/team", f"{registry}/team").replace(
        "/etc/greeting", "/etc/hello"
    )
    declare(tmp_path, text)
    (tmp_path / "images.lock").mkdir()
    lock = tmp_path / "images.lock" / "superexec.txt"
    lock.write_bytes((built / "images.lock" / "superexec.txt").read_bytes())
    logins = json.loads(Path(workshop.environment["REGISTRY_AUTH_FILE"]).read_text())
    logins["auths"][registry] = logins["auths"][workshop.registry]
    (tmp_path / "auth.json").write_text(json.dumps(logins))
    more = {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"), "BUILD_TOKEN": SECRET}
    interrupt_build(tmp_path, workshop.environment | more, "superexec: pushing", "--push")
    log = (tmp_path / ".flowerbed/hospitals/build/superexec.log").read_text()
    _, _, installed = log.partition("python -m pip install")
    assert installed.partition("STEP")[0].count("Using cache") == 1, log
    opened.set()
    done = workshop.flowerbed(tmp_path, "build", "superexec", "--push", **more)
    assert done.returncode == 0, done.stderr
    assert "building" not in done.stderr
    assert entry(tmp_path)["image"].startswith(f"{registry}/team/flower:superexec-")
