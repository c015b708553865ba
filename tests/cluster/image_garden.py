"""What a test of images needs beside a cluster: a registry and an index that nodes and pods reach."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import re
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import network
from harness.built import BuiltCluster
from parties import DIGITS

from flowerbed.declaration import load_plan
from flowerbed.images.inputs import inputs_of
from flowerbed.images.locking import lock
from flowerbed.images.processes import discard
from flowerbed.images.wheels import wheels
from support.image_base import make_builder
from support.image_builds import PYTHON, Workshop, open_workshop

LOGIN = "registry"


@dataclass(frozen=True)
class Garden:
    """A workshop in the clusters' network; `builder` is an image with buildah in its registry."""

    shop: Workshop
    builder: str
    index: str
    cluster: BuiltCluster

    def images(self, *lines: str) -> str:
        """Return the part of a declaration with the one image that trains examples/digits, and more lines."""
        return f"""\
images:
  superexec:
    base: {self.shop.base}
    python: "{PYTHON}"
    repository: {self.shop.registry}/team/digits
    pull-secret: {LOGIN}
    index: {self.index}
    app: {DIGITS}
""" + "".join(f"    {line}\n" for line in lines)

    @property
    def reach(self) -> dict[str, str]:
        """Return the variables by which programs reach the cluster."""
        return {name: self.cluster.environment[name] for name in ("KUBECONFIG", "PATH")}

    def build(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `flowerbed build superexec` in a folder."""
        return self.shop.flowerbed(folder, "build", "superexec", *arguments, **self.reach)

    def there(self, namespace: str) -> tuple[str, ...]:
        """Return the arguments that build in a namespace of the cluster."""
        named = ("--namespace", namespace, "--registry-secret", LOGIN, "--builder-image", self.builder)
        return ("--in-cluster", *named)

    def give_login(self, *namespaces: str) -> None:
        """Make the Secret with the registry's login and certificate."""
        login = {
            ".dockerconfigjson": self.shop.environment["REGISTRY_AUTH_FILE"],
            "ca.crt": self.shop.certificate,
        }
        files = [f"--from-file={name}={path}" for name, path in login.items()]
        for namespace in namespaces:
            self.cluster.kubectl(
                *("create", "secret", "generic", LOGIN, "-n", namespace),
                *("--type=kubernetes.io/dockerconfigjson", *files),
            )


@contextmanager
def open_garden(cluster: BuiltCluster, folder: Path) -> Iterator[Garden]:
    """Serve registry and index in the cluster's network, and let its nodes trust the registry."""
    with open_workshop(folder, network.HOST) as shop, _index(folder) as index:
        cluster.trust(shop.registry, shop.certificate)
        builder = f"{shop.registry}/tools/buildah:here"
        make_builder(folder / "builder")
        shop.buildah("build", "--quiet", "--tag", builder, str(folder / "builder"))
        shop.buildah("push", "--quiet", "--disable-compression", builder)
        yield Garden(shop, builder, index, cluster)


@contextmanager
def _index(folder: Path) -> Iterator[str]:
    """Serve every wheel of the digits' lock, and nothing else, as PEP 503 has it."""
    pages = folder / "index"
    for wheel in _wheels(folder / "locked"):
        page = pages / _project(wheel)
        page.mkdir(parents=True, exist_ok=True)
        (page / wheel.name).symlink_to(wheel)
        with wheel.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        (page / "index.html").write_text(f'<a href="{wheel.name}#sha256={digest}">{wheel.name}</a>')
    handler = functools.partial(_Quiet, directory=str(pages))
    with http.server.ThreadingHTTPServer((network.HOST, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{network.HOST}:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _wheels(folder: Path) -> list[Path]:
    """Return the digits' wheels, and an empty one for each package that only other platforms take."""
    folder.mkdir()
    file = folder / "federation.yaml"
    image = json.dumps({"app": str(DIGITS), "python": PYTHON})
    file.write_text(
        f"version: 1\nname: locked\ntenants: [{{name: north, nodes: 1}}]\nimages: {{superexec: {image}}}\n"
    )
    inputs = inputs_of(load_plan(file), "superexec", folder)
    locked = lock(inputs, file, tell=discard)
    found = sorted(wheels(inputs, locked, discard).glob("*.whl"))
    have = {_project(wheel) for wheel in found}
    for line in locked.requirements:
        name, _, version = line.partition(" ")[0].partition("==")
        if name not in have:
            found.append(_empty_wheel(folder, name.replace("-", "_"), version))
    return found


def _project(wheel: Path) -> str:
    return re.sub("[-_.]+", "-", wheel.name.partition("-")[0]).lower()


def _empty_wheel(folder: Path, name: str, version: str) -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    return path
