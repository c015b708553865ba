"""Images made from this machine: its Python or buildah, a shell, the core utilities, what they link to."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from flowerbed.images.processes import uv

PROGRAMS = (
    "sh",
    "cat",
    "chmod",
    "cp",
    "echo",
    "id",
    "ls",
    "mkdir",
    "mv",
    "rm",
    "true",
    "false",
    "dd",
    "dirname",
    "realpath",
)
NOT_NEEDED = shutil.ignore_patterns(
    "test", "tests", "idlelib", "__pycache__", "site-packages", "config-*", "*.a", "ensurepip.old"
)
CONTAINERFILE = """\
FROM scratch
COPY rootfs /
ENV PATH=/python/venv/bin:/usr/bin:/bin
WORKDIR /app
USER 49999
"""
BUILDER = """\
FROM scratch
COPY rootfs /
ENV PATH=/usr/bin:/bin
"""
POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


def make_base(folder: Path, lock: Path) -> None:
    """Fill `folder` with the context of a base image as Flower's are: Python, pip, flwr and what it needs.

    `lock` is a requirements file of this machine's Python; installing it takes uv's cache.
    """
    root = folder / "rootfs"
    python = make_rootfs(root)
    venv = root / "python" / "venv"
    subprocess.run(
        [uv(), "venv", "--quiet", "--seed", "--relocatable", "--python", str(python), str(venv)], check=True
    )
    install = [uv(), "pip", "install", "--quiet", "--no-deps", "--link-mode", "copy", "--python", str(venv)]
    subprocess.run([*install, "--requirement", str(lock)], check=True)
    (folder / "Containerfile").write_text(CONTAINERFILE)


def make_builder(folder: Path) -> None:
    """Fill `folder` with the context of an image that has buildah, and trusts no registry yet."""
    root = folder / "rootfs"
    add_programs(root, [Path(str(shutil.which("buildah")))])
    policy = inside(root, Path("/etc/containers/policy.json"))
    policy.parent.mkdir()
    policy.write_text(POLICY)
    inside(root, Path("/var/tmp")).mkdir(parents=True)
    (folder / "Containerfile").write_text(BUILDER)


def make_rootfs(folder: Path) -> Path:
    """Fill `folder` with a root file system and return the interpreter's path inside it."""
    prefix = Path(sys.base_prefix)
    python = prefix / "bin" / f"python{sysconfig.get_python_version()}"
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, inside(folder, library), ignore=NOT_NEEDED)
    add_programs(folder, [python], library.rglob("*.so"))
    for linked in known_libraries("libstdc++.so.6", "libgcc_s.so.1"):
        copy(linked.resolve(), inside(folder, linked))
    return python


def add_programs(folder: Path, more: Iterable[Path], loaded: Iterable[Path] = ()) -> None:
    """Add PROGRAMS and some more, what these and `loaded` link to, and the accounts that images have."""
    programs = [*more, *(Path(str(shutil.which(name))) for name in PROGRAMS)]
    for program in programs:
        copy(program.resolve(), inside(folder, program))
    for linked in libraries([*programs, *loaded]):
        copy(linked.resolve(), inside(folder, linked))
    for name in ("tmp", "root", "etc", "app"):
        inside(folder, Path("/") / name).mkdir(parents=True, exist_ok=True)
    inside(folder, Path("/tmp")).chmod(0o1777)
    inside(folder, Path("/etc/passwd")).write_text(
        "root:x:0:0::/root:/bin/sh\napp:x:49999:49999::/app:/bin/sh\n"
    )
    inside(folder, Path("/etc/group")).write_text("root:x:0:\napp:x:49999:\n")
    if not inside(folder, Path("/bin/sh")).exists():
        copy(Path("/bin/sh").resolve(), inside(folder, Path("/bin/sh")))


def inside(folder: Path, path: Path) -> Path:
    return folder / path.relative_to("/")


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy2(source, target)


def libraries(files: Iterable[Path]) -> set[Path]:
    """Return every library that the loader would bring in for these files, the loader included."""
    found = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False).stdout
    return {Path(path) for path in re.findall(r"(/\S+) \(0x", found)}


def known_libraries(*names: str) -> set[Path]:
    """Return libraries that wheels expect of every machine."""
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    return {Path(next(re.finditer(rf"{re.escape(name)} .*=> (/\S+)", listed))[1]) for name in names}
