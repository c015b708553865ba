"""Images built by buildah, pushed to a real registry, and what comes of them."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from image_builds import PYTHON, Workshop
from local_helpers import declare

from flowerbed.declaration import load_plan

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
    (shown,) = json.loads(done.stdout)["images"]
    assert shown["content"] == entry(built)["content"]
    assert shown["state"] == "planned"
    assert sorted(path for path in built.rglob("*")) == before
    assert load_plan(built / "federation.yaml").images["superexec"].built is not None
