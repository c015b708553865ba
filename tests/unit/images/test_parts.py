"""The parts of a build that need no builder: references, inputs, Containerfile, record, what images bring."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from typer.main import get_command

from flowerbed.cli.main import app
from flowerbed.cli.verbs import load
from flowerbed.declaration import load_plan
from flowerbed.errors import UsageError
from flowerbed.images.builders import find_builder
from flowerbed.images.containerfile import containerfile
from flowerbed.images.environment import provided
from flowerbed.images.images_lock import (
    ImageEntry,
    ImagesLock,
    built_images,
    images_lock_file,
    read_images_lock,
    write_images_lock,
)
from flowerbed.images.inputs import inputs_of
from flowerbed.images.locking import Lock, for_target
from flowerbed.images.reference import Reference, parse_reference
from flowerbed.images.wheels import target_environment
from flowerbed.plan import Plan
from support.paths import ROOT

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
REFERENCES = {
    "haproxy": Reference("docker.io", "library/haproxy"),
    "flwr/base:1.41.0": Reference("docker.io", "flwr/base", "1.41.0"),
    "docker.io/haproxy:3": Reference("docker.io", "library/haproxy", "3"),
    "index.docker.io/flwr/base": Reference("docker.io", "flwr/base"),
    "localhost/a": Reference("localhost", "a"),
    "localhost:5000/a/b:c": Reference("localhost:5000", "a/b", "c"),
    f"r.example.org:443/a@{DIGEST}": Reference("r.example.org:443", "a", "", DIGEST),
    f"r.example.org/a:t@{DIGEST}": Reference("r.example.org", "a", "t", DIGEST),
    "[2001:db8::1]:5000/a": Reference("[2001:db8::1]:5000", "a"),
    "[2001:db8::1]/a": Reference("[2001:db8::1]", "a"),
    "Host/a": Reference("Host", "a"),
    "a.b:1/c__d/e-f--g.h": Reference("a.b:1", "c__d/e-f--g.h"),
    "a:5000": Reference("docker.io", "library/a", "5000"),
    f"a/{'t' * 253}": Reference("docker.io", f"a/{'t' * 253}"),
}
WRONG = {
    "https://r.example.org/a": "no scheme",
    "r.example.org/Team/a": "lower case",
    "": "not of the form",
    "a//b": "not of the form",
    "a_": "not of the form",
    "a:": "not of the form",
    "a: b": "not of the form",
    f"a:{'t' * 129}": "not of the form",
    "a@sha256:0123": "not of the form",
    f"a@{DIGEST[:-1]}": "64 digits",
    f"a@{DIGEST.upper().replace('SHA', 'sha')}": "64 digits",
    "0123456789abcdef" * 4: "an image's id",
    f"r.example.org/{'t' * 256}": "more than 255",
    "a\n": "not of the form",
}


@pytest.mark.parametrize("text", REFERENCES)
def test_references_are_read(text: str) -> None:
    """Host, port, path, tag and digest come out as Docker's own grammar has them, and go back in."""
    found = parse_reference(text)
    assert found == REFERENCES[text]
    assert parse_reference(str(found)) == found


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_reference(text: str) -> None:
    """Each is refused with its reason."""
    with pytest.raises(ValueError, match=WRONG[text]):
        parse_reference(text)


def declared(folder: Path, images: str, superlink: str = "{}") -> tuple[Plan, Path]:
    """Write a declaration with these images and return its plan and its file."""
    file = folder / "federation.yaml"
    head = f"version: 1\nname: hospitals\nsuperlink: {superlink}\ntenants: [{{name: north, nodes: 1}}]\n"
    file.write_text(f"{head}images: {images}\n")
    return load_plan(file), file


def requirements(folder: Path, images: str, superlink: str = "{}") -> tuple[str, ...]:
    plan, _ = declared(folder, images, superlink)
    return inputs_of(plan, "superexec", folder).requirements


def test_packages_come_from_every_place(tmp_path: Path) -> None:
    """List, requirements file and app are put together, with Flower's release; its simulation stays out."""
    (tmp_path / "more.txt").write_text(
        "# why\nToolz>=1 \\\n  --hash=sha256:00\n\nidna ; python_version > '3'  # x\n"
    )
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "pyproject.toml").write_text(
        '[project]\ndependencies = ["flwr[simulation]>=1.41", "Scikit_Learn>=1.5"]\n'
    )
    found = requirements(tmp_path, "{all: {dependencies: [tqdm], requirements: more.txt, app: app}}")
    assert found == (
        "flwr==1.41.0",
        "flwr>=1.41",
        'idna; python_version > "3"',
        "scikit-learn>=1.5",
        "toolz>=1",
        "tqdm",
    )


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ("{all: {requirements: none.txt}}", "cannot be read"),
        ("{all: {requirements: options.txt}}", "the option -r is not read"),
        ("{all: {requirements: junk.txt}}", "is not a requirement"),
        ("{all: {app: none}}", "there is no pyproject.toml"),
        ("{all: {wheelhouse: none}}", "there is no such directory"),
        ("{all: {wheelhouse: .}}", "there is no wheel in this directory"),
        ("{supernode: {}}", "no image is declared for superexec"),
    ],
)
def test_inputs_that_are_wrong(images: str, says: str, tmp_path: Path) -> None:
    """Files that are missing or cannot be locked are told with their place."""
    (tmp_path / "options.txt").write_text("-r other.txt\n")
    (tmp_path / "junk.txt").write_text("a b\n")
    with pytest.raises(UsageError, match=says) as caught:
        requirements(tmp_path, images)
    assert caught.value.remedy


def test_a_component_wins_over_all_key_by_key(tmp_path: Path) -> None:
    """What a component does not say comes from `all`."""
    plan, _ = declared(
        tmp_path, '{all: {python: "3.12", dependencies: [tqdm]}, superexec: {dependencies: [toolz]}}'
    )
    assert plan.images["superexec"].dependencies == ("toolz",)
    assert plan.images["superlink"].dependencies == ("tqdm",)
    assert {image.python for image in plan.images.values()} == {"3.12"}
    assert plan.images["superexec"].base == "docker.io/flwr/superexec:1.41.0-py3.12-ubuntu24.04"


LOCK = Lock(
    "# head\na==1 \\\n    --hash=sha256:00\nb==2 ; sys_platform == 'win32' --hash=sha256:11\n",
    "f" * 64,
    False,
)


def test_the_containerfile_is_the_same_each_time(tmp_path: Path) -> None:
    """Equal inputs give equal text: instructions as root, Flower's user at the end, text quoted."""
    images = "{all: {build-args: {B: 'x\"$y', A: '\\'}, instructions: {before: [RUN a], after: [USER 5]}}}"
    plan, _ = declared(tmp_path, images)
    text = containerfile(inputs_of(plan, "superexec", tmp_path), LOCK, "base@sha256:1")
    assert text == containerfile(inputs_of(plan, "superexec", tmp_path), LOCK, "base@sha256:1")
    lines = text.splitlines()
    assert lines[1] == "FROM base@sha256:1"
    assert 'ARG A="\\\\"' in lines
    assert 'ARG B="x\\"\\$y"' in lines
    assert lines.index("USER 0") < lines.index("RUN a") < lines.index("USER 5")
    assert lines[-1] == "USER 49999"
    assert f"FLOWERBED_LOCK={LOCK.digest}" in text


def test_only_what_applies_to_the_platform_is_installed() -> None:
    """Conditions of a lock for every platform are decided for the image's own."""
    assert for_target(LOCK.requirements, target_environment("3.13", "linux/amd64")) == [
        "a==1 --hash=sha256:00"
    ]


def test_the_record_comes_back(tmp_path: Path) -> None:
    """What was written is read: the same bytes each time, and the pushed image by digest."""
    plan, file = declared(tmp_path, "{superexec: {}}")
    entry = ImageEntry(
        content="c", lock="l", flower="1.41.0", image=f"r.example.org:5000/a/b:superexec-1@{DIGEST}"
    )
    record = ImagesLock(version=1, federation="hospitals", images={"superexec": entry})
    assert write_images_lock(file, record)
    assert not write_images_lock(file, record)
    assert read_images_lock(file, "hospitals") == record
    image = load_plan(file).images["superexec"]
    assert image.built is not None
    assert (image.built.registry, image.built.repository) == ("r.example.org:5000", "a/b")
    assert msgspec.structs.replace(image, built=None) == plan.images["superexec"]


@pytest.mark.parametrize(
    "text", ["[", "version: 1\n", "version: 1\nfederation: hospitals\nimages: {superexec: {x: 1}}\n", "\x00"]
)
def test_a_damaged_record_is_refused(text: str, tmp_path: Path) -> None:
    """Half a record is an error with a remedy, no empty one."""
    _, file = declared(tmp_path, "{all: {}}")
    images_lock_file(file).write_text(text)
    with pytest.raises(UsageError, match="damaged") as caught:
        built_images(file, "hospitals")
    assert "version control" in caught.value.remedy


def test_a_record_of_another_federation_is_refused(tmp_path: Path) -> None:
    """Two declarations in one folder do not take each other's images."""
    _, file = declared(tmp_path, "{all: {}}")
    write_images_lock(file, ImagesLock(version=1, federation="others"))
    with pytest.raises(UsageError, match="belong to the federation others"):
        load_plan(file)


def test_what_every_image_with_apps_brings(tmp_path: Path) -> None:
    """Packages that SuperExec and SuperNode both have are provided; one image alone is not enough."""
    plan, file = declared(tmp_path, "{all: {}}")
    locks = tmp_path / "images.lock"
    locks.mkdir()
    (locks / "superexec.txt").write_text("# head\na==1 \\\nb==2 \\\n")
    assert provided(plan, file) == {}
    (locks / "supernode.txt").write_text("b==2 \\\nc==3 \\\n")
    assert provided(plan, file) == {"b": ["2"]}
    (locks / "supernode.txt").write_text("b==3 ; python_version < '4' \\\n")
    assert provided(plan, file) == {"b": ["2", "3"]}
    (locks / "superlink.txt").write_text("")
    assert provided(declared(tmp_path, "{superexec: {}}")[0], file) == {}


PAGE = (ROOT / "docs" / "how-to" / "images.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (flowerbed [^#\n]+)", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_of_the_page_is_one(line: str) -> None:
    """A verb that is shown exists, and so does each option shown with it."""
    _, verb, *rest = shlex.split(line)
    help_text = CliRunner().invoke(get_command(app), [verb, "--help"], terminal_width=200).output
    assert [word for word in rest if word.startswith("--") and word not in help_text] == []


def test_every_option_of_build_is_described() -> None:
    """What `build` can be told is in the text."""
    options = {name for one in load("build").params for name in one.opts}
    assert {name for name in options if name.startswith("--")} - {"--file"} - set(
        re.findall(r"--[a-z-]+", PAGE)
    ) == set()


def test_the_declarations_of_the_page_are_accepted(tmp_path: Path) -> None:
    """Each whole declaration in the page passes its check."""
    found = re.findall(r"```yaml\n(version.*?)```", PAGE, re.DOTALL)
    assert found
    for text in found:
        (tmp_path / "federation.yaml").write_text(text)
        assert load_plan(tmp_path / "federation.yaml").images


@pytest.mark.parametrize(("engine", "found"), [("exit 1", ""), ("exit 0", "docker")])
def test_a_docker_without_its_engine_is_no_builder(
    engine: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client, with buildx, is not enough; with an engine that answers it is taken."""
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\n[ "$1" != info ] || {engine}\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    if found:
        assert find_builder().program == found
        return
    with pytest.raises(UsageError, match="no builder is here that works"):
        find_builder()
