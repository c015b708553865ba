"""The images of a cluster, made here: a folder of containerd that holds them all.

They carry the names that the charts' values give, so that charts install with their defaults: Flower's three
(Debian's Python; a virtual environment with Flower and the packages of examples/digits), HAProxy's and git's
(Debian's), CoreDNS and the pause image.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .cache import HERE, HarnessError, built, digest, say
from .components import Programs, pause

CHARTS = HERE.parents[2] / "charts"
PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
DNS_IMAGE = "registry.k8s.io/coredns/coredns:built"
PYTHON = "3.11"  # of bookworm
# flwr's own version is the charts' appVersion.
PACKAGES = ("numpy>=2,<3", "scikit-learn>=1.5,<2")
SHELL = ("dash", "coreutils", "ca-certificates")
# Debian's suite and packages. HAProxy is later than that of `make test-all`, and nearer the charts' own.
ROOTS = {
    "flower": ("bookworm", *SHELL, "bash", "procps", "python3", "netcat-openbsd", "libstdc++6"),
    "haproxy": ("trixie", *SHELL, "haproxy"),
    "git": ("bookworm", *SHELL, "git", "openssh-client", "python3"),
}
# Debian's packages take /bin for a link to /usr/bin, which only installing them would make it.
MERGED = "--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr"
NEEDED = {"mmdebstrap": "mmdebstrap", "containerd": "containerd", "ctr": "containerd", "runc": "runc"}


@dataclass(frozen=True, slots=True)
class Image:
    """An image to import: its names, the folder that is its one layer, and how its containers start."""

    names: tuple[str, ...]
    folder: Path
    user: str
    environment: tuple[str, ...]
    command: tuple[str, ...] = ()


def chart(name: str, file: str = "values.yaml") -> Any:  # noqa: ANN401
    """Return a YAML file of a chart."""
    return yaml.safe_load((CHARTS / name / file).read_text())


def _reference(image: dict[str, str], tag: str) -> str:
    return f"docker.io/{image['repository']}:{image['tag'] or tag}"


def names() -> dict[str, tuple[str, ...]]:
    """Return the names of the images that the charts take by default, by the kind that serves them."""
    link, node, app = chart("superlink"), chart("supernode"), chart("app")
    version = flower_version()
    flower = [
        link["image"],
        link["superexec"]["image"],
        node["image"],
        node["superexec"]["image"],
        app["image"],
    ]
    return {
        "flower": tuple(sorted({_reference(image, version) for image in flower})),
        "haproxy": (_reference(link["gateway"]["image"], version),),
        "git": (_reference(app["app"]["git"]["image"], version),),
    }


def flower_version() -> str:
    """Return the release of flwr that the charts run."""
    return str(chart("superlink", "Chart.yaml")["appVersion"])


def _run(*command: str | Path, **more: object) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **more
    )  # type: ignore[call-overload]
    if done.returncode:
        raise HarnessError(f"{' '.join(map(str, command))[:200]} failed:\n{done.stderr[-2000:]}")


def _debian(folder: Path, suite: str, *packages: str) -> None:
    """Unpack packages and what they need into `folder`; nothing of them is run, which is quicker."""
    include = f"--include={','.join(packages)}"
    _run("mmdebstrap", "--quiet", "--variant=extract", MERGED, include, suite, folder)
    for unneeded in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt"):
        shutil.rmtree(folder / unneeded, ignore_errors=True)
    certificates = folder / "etc/ssl/certs/ca-certificates.crt"
    bundles = sorted((folder / "usr/share/ca-certificates").rglob("*.crt"))
    certificates.parent.mkdir(parents=True, exist_ok=True)
    certificates.write_bytes(b"".join(bundle.read_bytes() for bundle in bundles))
    (folder / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\napp:x:49999:49999::/app:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\napp:x:49999:\n")
    (folder / "app").mkdir()
    os.chown(folder / "app", 49999, 49999)


def _flower(folder: Path) -> None:
    """Add a virtual environment at /python/venv, with the same paths as in Flower's own images."""
    environment = folder / "python/venv"
    packages = environment / f"lib/python{PYTHON}/site-packages"
    # Wheels alone, so that the image's Python need not be this one's.
    wheels = [f"--platform=manylinux{tag}_x86_64" for tag in ("2014", "_2_17", "_2_28", "_2_34")]
    _run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"),
        *("--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp", *wheels),
        *("--target", packages, f"flwr=={flower_version()}", *PACKAGES),
    )
    (environment / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"
    )
    commands = environment / "bin"
    (packages / "bin").rename(commands)
    for file in commands.iterdir():
        first, _, rest = file.read_bytes().partition(b"\n")
        file.write_bytes(
            b"#!/python/venv/bin/python\n" + rest if first.startswith(b"#!") else first + b"\n" + rest
        )
    for name in ("python", "python3"):
        (commands / name).symlink_to(f"/usr/bin/python{PYTHON}")
    for cached in list(packages.rglob("tests")):  # of numpy and scikit-learn: half of their size
        shutil.rmtree(cached)
    compiled = ["-m", "compileall", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash"]
    _run(
        "chroot", folder, "/python/venv/bin/python", *compiled, f"/usr/lib/python{PYTHON}", "/python/venv/lib"
    )


def _archive(image: Image, target: Path) -> None:
    """Write a docker archive with one layer, for `ctr images import`."""
    layer = target.with_suffix(".layer")
    _run("tar", "-C", image.folder, "--numeric-owner", "--sort=name", "-cf", layer, ".")
    with layer.open("rb") as file:
        diff = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    start = {
        "User": image.user,
        "Env": list(image.environment),
        "WorkingDir": "/",
        "Entrypoint": list(image.command),
    }
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": start,
            "rootfs": {"type": "layers", "diff_ids": [diff]},
        }
    ).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": list(image.names), "Layers": ["layer.tar"]}]
    with tarfile.open(target, "w") as archive:
        archive.add(layer, "layer.tar")
        for file_name, data in ((name, config), ("manifest.json", json.dumps(manifest).encode())):
            info = tarfile.TarInfo(file_name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    layer.unlink()


def _image(kind: str, folder: Path, programs: Programs) -> Image:
    """Make the root file system of a kind of image in `folder`."""
    start = time.monotonic()
    if kind == "coredns":
        folder.mkdir()
        shutil.copy(programs.coredns, folder / "coredns")
        return Image((DNS_IMAGE,), folder, "0:0", (), ("/coredns",))
    if kind == "pause":
        folder.mkdir()
        pause(folder / "pause")
        return Image((PAUSE_IMAGE,), folder, "65535:65535", (), ("/pause",))
    _debian(folder, *ROOTS[kind])
    if kind == "git":
        (folder / "usr/local/bin").mkdir(parents=True, exist_ok=True)
        (folder / "usr/local/bin/python").symlink_to(f"/usr/bin/python{PYTHON}")
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    if kind == "flower":
        _flower(folder)
        path = path.replace("=", "=/python/venv/bin:", 1)
    say(f"  image {kind}: {time.monotonic() - start:.0f} s")
    user = {"flower": "49999:49999", "haproxy": "99:99", "git": "0:0"}[kind]
    return Image(names()[kind], folder, user, (path, "HOME=/app"))


def _build(part: Path, programs: Programs) -> None:
    """Make all images, and let a containerd of its own unpack them in `part`/root."""
    work = part / "work"
    work.mkdir()
    config = part / "config.toml"
    config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    socket = work / "c.sock"
    command = ["containerd", "-c", config, "--root", part / "root", "--state", work / "state", "-a", socket]
    with (part / "containerd.log").open("wb") as log:
        daemon = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)
        try:
            for kind in ("pause", "coredns", *ROOTS):
                archive = work / f"{kind}.tar"
                image = _image(kind, work / kind, programs)
                _archive(image, archive)
                shutil.rmtree(image.folder)
                _run("ctr", "-a", socket, "-n", "k8s.io", "images", "import", archive)
                archive.unlink()
        finally:
            daemon.terminate()
            daemon.wait(20)
    shutil.rmtree(work, ignore_errors=True)


def containerd_root(programs: Programs) -> Path:
    """Return a containerd root that holds all images, built if the cache lacks it (about 3 minutes)."""
    for command, package in NEEDED.items():
        if not shutil.which(command):
            raise HarnessError(f"{command} is missing: apt-get install {package}")
    # How images are made, but not how that is written.
    recipe = ast.dump(ast.parse(Path(__file__).read_text()))
    key = digest(recipe, json.dumps([names(), flower_version()]), programs.coredns.parent.name)
    what = "the images of Flower, HAProxy, git, CoreDNS and pause"
    return built("images", key, what, lambda part: _build(part, programs)) / "root"
