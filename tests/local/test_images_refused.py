"""What goes wrong in a build: one clear error each, and lock, record and images stay as they were."""

from __future__ import annotations

import functools
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.image_builds import PYTHON, Workshop
from support.local_federation import declare

HEAD = """\
version: 1
name: refused
tenants: [{{name: north, nodes: 1}}]
images:
  superlink:
    base: {base}
    python: "{python}"
"""


def declared(folder: Path, shop: Workshop, *lines: str, base: str = "") -> Path:
    """Declare one image with these further lines, each with a neighbour's file that has to stay."""
    text = HEAD.format(base=base or shop.base, python=PYTHON) + "".join(f"    {line}\n" for line in lines)
    declare(folder, text)
    return folder


def wheel(folder: Path, name: str, body: str = "") -> Path:
    """Write a small wheel."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", body)
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(
            f"{about}/RECORD", f"{name}.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n"
        )
    return path


def refused(shop: Workshop, folder: Path, code: int, *says: str, **more: str) -> str:
    """Build, and hold the refusal to its words and to having left nothing."""
    before = {path: path.read_bytes() for path in sorted(folder.glob("images.lock*")) if path.is_file()}
    dangling = shop.dangling()
    done = shop.flowerbed(folder, "build", **more)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    error = done.stderr[done.stderr.index("error: ") :]
    for part in says:
        assert part in error
    assert "Traceback" not in done.stderr
    assert {
        path: path.read_bytes() for path in sorted(folder.glob("images.lock*")) if path.is_file()
    } == before
    assert shop.dangling() == dangling
    return error


def test_an_unknown_base(workshop: Workshop, tmp_path: Path) -> None:
    """A base that the registry does not have is named."""
    base = f"{workshop.registry}/flower/none:1"
    error = refused(
        workshop, declared(tmp_path, workshop, base=base), 1, base, "cannot be pulled", "correct `base`"
    )
    assert "manifest unknown" in error


def test_an_index_that_does_not_answer(workshop: Workshop, tmp_path: Path) -> None:
    """The index is named, and what to do."""
    folder = declared(tmp_path, workshop, 'index: "http://127.0.0.1:9/simple"')
    refused(workshop, folder, 1, "index does not answer", "127.0.0.1:9", "wheelhouse", UV_HTTP_RETRIES="0")


def test_another_flwr(workshop: Workshop, tmp_path: Path) -> None:
    """A package that goes with another Flower only is explained by the solver's own words."""
    folder = declared(tmp_path, workshop, 'dependencies: ["protobuf<4"]')
    refused(
        workshop, folder, 2, "do not fit together", "flwr==1.41.0 depends on protobuf", "runs flwr 1.41.0"
    )


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """Serve a package index that has one source distribution and no wheel."""
    page = tmp_path / "index" / "needs-compiler"
    page.mkdir(parents=True)
    (page / "index.html").write_text('<a href="needs_compiler-1.0.tar.gz">needs_compiler-1.0.tar.gz</a>')
    (page / "needs_compiler-1.0.tar.gz").write_bytes(b"")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "index")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_package_that_needs_a_compiler(workshop: Workshop, index: str, tmp_path: Path) -> None:
    """A package without a wheel is refused while locking: nothing is compiled in an image."""
    lines = ('dependencies: ["needs-compiler"]', f'extra-index: ["{index}"]')
    refused(workshop, declared(tmp_path, workshop, *lines), 2, "needs-compiler", "no wheel", "pip wheel")


def test_a_hash_that_does_not_match(workshop: Workshop, index: str, tmp_path: Path) -> None:
    """A file that was changed after it was locked is refused by name."""
    page = tmp_path / "index" / "changeable"
    path = wheel(page, "changeable", "a = 1\n")
    (page / "index.html").write_text(f'<a href="{path.name}">{path.name}</a>')
    lines = (
        'dependencies: ["changeable"]',
        f'extra-index: ["{index}"]',
        'instructions: {after: ["RUN false"]}',
    )
    folder = declared(tmp_path, workshop, *lines)
    done = workshop.flowerbed(folder, "build", "--dry-run")
    assert done.returncode == 0, done.stderr
    lock = done.stdout[done.stdout.index("# Locked by") :]
    (folder / "images.lock").mkdir()
    (folder / "images.lock" / "superlink.txt").write_text(lock)
    wheel(page, "changeable", "a = 2\n")
    refused(
        workshop,
        folder,
        2,
        "changeable",
        "hash does not match",
        "--update",
        XDG_CACHE_HOME=str(tmp_path / "c"),
    )


def test_an_instruction_that_fails(workshop: Workshop, tmp_path: Path) -> None:
    """The instruction, its last words and the log's place are told."""
    line = "instructions: {before: ['RUN echo about to fail; exit 3']}"
    folder = declared(tmp_path, workshop, line)
    error = refused(
        workshop, folder, 1, "this instruction failed: RUN echo about to fail; exit 3", "superlink.log"
    )
    assert "about to fail" in (folder / ".flowerbed" / "refused" / "build" / "superlink.log").read_text()
    assert error.count("about to fail") >= 2


def test_a_missing_build_secret(workshop: Workshop, tmp_path: Path) -> None:
    """A secret that is not there is told before anything is built."""
    folder = declared(tmp_path, workshop, "build-secrets: [{id: token, env: NOT_SET_HERE}]")
    refused(workshop, folder, 2, "build secret token is missing", "NOT_SET_HERE")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk(workshop: Workshop, tmp_path: Path) -> None:
    """A disk that fills up during the download is told, and nothing is kept on it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        folder = declared(tmp_path / "here", workshop)
        refused(workshop, folder, 1, "No space left on device", "space", XDG_CACHE_HOME=str(disk))
        assert not list(disk.glob("flowerbed/*/*"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_push_without_login_and_one_without_repository(workshop: Workshop, tmp_path: Path) -> None:
    """A push needs a repository, before anything is built, and a login."""
    folder = declared(tmp_path, workshop)
    done = workshop.flowerbed(folder, "build", "--push")
    assert (done.returncode, "no `repository` to push to" in done.stderr) == (2, True)
    nobody = tmp_path / "auth.json"
    nobody.write_text("{}")
    folder = declared(tmp_path, workshop, f"repository: {workshop.registry}/team/denied")
    workshop.buildah("pull", "--quiet", workshop.base)
    done = workshop.flowerbed(folder, "build", "--push", REGISTRY_AUTH_FILE=str(nobody))
    assert done.returncode == 1
    assert "authentication required" in done.stderr or "unauthorized" in done.stderr
    assert not (folder / "images.lock.yaml").exists()


def test_an_interrupted_build(workshop: Workshop, tmp_path: Path) -> None:
    """Ctrl-C ends the builder and what it runs, and leaves no lock, record or image."""
    folder = declared(tmp_path, workshop, "instructions: {before: ['RUN cat /dev/zero > /dev/null']}")
    dangling = workshop.dangling()
    process = subprocess.Popen(
        [sys.executable, "-m", "flowerbed", "build"],
        cwd=folder,
        env=workshop.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "RUN cat" in line:
            break
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 130
    process.stderr.close()
    assert not (folder / "images.lock.yaml").exists()
    assert not (folder / "images.lock").exists()
    assert workshop.dangling() == dangling
    limit = time.monotonic() + 10
    while (left := running("cat", "/dev/zero")) and time.monotonic() < limit:
        time.sleep(0.1)
    assert left == []


def running(*words: str) -> list[str]:
    """Return the processes that were started with exactly these words."""
    wanted = "\0".join(words).encode() + b"\0"
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == wanted:
                found.append(path.parent.name)
        except OSError:
            continue
    return found
