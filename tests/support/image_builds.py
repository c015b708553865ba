"""What the tests of images share: a registry with TLS and a login, a base image in it, their own storage."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowerbed.images.processes import uv
from support.image_base import make_base
from support.needed import require
from support.ports import free_port

USER, PASSWORD = "builder", "daisies"
# That password by bcrypt, which is what the registry reads.
HTPASSWD = "builder:$2y$05$FIke.02NnMHfzmSbKvUH/eydNU0JScvgQylTgkeRTKd5srOD6IVk2\n"
CACHE = Path.home() / ".cache" / "flowerbed" / "test-bases"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http:
  addr: {registry}
  tls: {{certificate: {folder}/tls.crt, key: {folder}/tls.key}}
auth: {{htpasswd: {{realm: flowers, path: {folder}/htpasswd}}}}
"""
STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'


@dataclass(frozen=True)
class Workshop:
    """Where images are built: the registry's address, the base in it, and the environment of the builder."""

    registry: str
    base: str
    environment: dict[str, str]
    certificate: Path

    def buildah(self, *arguments: str) -> str:
        """Run buildah and return what it says."""
        command = ["buildah", *arguments]
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, timeout=300
        ).stdout.strip()

    def dangling(self) -> str:
        """Return the images without a name that nothing stands on."""
        return self.buildah("images", "--filter", "dangling=true", "--quiet")

    def flowerbed(self, folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the command line in a folder; `more` is added to its environment."""
        command = [sys.executable, "-m", "flowerbed", *arguments]
        return subprocess.run(
            command,
            cwd=folder,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    def manifest(self, repository: str, reference: str) -> tuple[str, dict[str, object]]:
        """Return digest and content of a manifest, as the registry has it."""
        host, _, port = self.registry.partition(":")
        context = ssl.create_default_context(cafile=self.certificate)
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
        connection.request("GET", f"/v2/{repository}/manifests/{reference}", headers=_login(MANIFEST))
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        connection.close()
        return f"sha256:{hashlib.sha256(body).hexdigest()}", json.loads(body)


def _login(accept: str) -> dict[str, str]:
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return {"Authorization": f"Basic {token}", "Accept": accept}


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Start the registry and push a base image to it; all of it is gone at the end."""
    with open_workshop(tmp_path_factory.mktemp("workshop"), "127.0.0.1") as shop:
        yield shop


@contextmanager
def open_workshop(folder: Path, host: str) -> Iterator[Workshop]:
    """Serve a registry on an address of this machine, with a base image in it, out of a folder."""
    require("buildah", "docker-registry", "openssl")
    port = free_port(host)
    registry = f"{host}:{port}"
    environment = _environment(folder, registry)
    (folder / "registry.yml").write_text(CONFIG.format(folder=folder, registry=registry))
    (folder / "htpasswd").write_text(HTPASSWD)
    log = (folder / "registry.log").open("wb")
    process = subprocess.Popen(
        ["docker-registry", "serve", str(folder / "registry.yml")],
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    shop = Workshop(registry, f"{registry}/flower/base:1.41.0", environment, folder / "tls.crt")
    try:
        _await(host, port, process)
        _push_base(shop, folder)
        yield shop
    finally:
        process.terminate()
        process.wait(10)
        log.close()
        subprocess.run(["buildah", "rm", "--all"], env=environment, check=False, capture_output=True)
        subprocess.run(
            ["buildah", "rmi", "--all", "--force"], env=environment, check=False, capture_output=True
        )
        shutil.rmtree(folder / "storage", ignore_errors=True)


def _environment(folder: Path, registry: str) -> dict[str, str]:
    host = registry.partition(":")[0]
    subject = ["-subj", "/CN=registry", "-addext", f"subjectAltName=IP:{host}", "-days", "2", "-nodes"]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(["openssl", "req", "-x509", *key, *subject, *files], check=True, capture_output=True)
    known = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or ""
    bundle = (Path(known).read_text() if known else "") + (folder / "tls.crt").read_text()
    (folder / "roots.pem").write_text(bundle)
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (folder / "auth.json").write_text(json.dumps({"auths": {registry: {"auth": token}}}))
    (folder / "storage.conf").write_text(STORAGE.format(folder=folder / "storage"))
    return os.environ | {
        "SSL_CERT_FILE": str(folder / "roots.pem"),
        "REGISTRY_AUTH_FILE": str(folder / "auth.json"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "BUILDAH_ISOLATION": "chroot",
        "NO_PROXY": f"127.0.0.1,localhost,{host}",
    }


def _await(host: str, port: int, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < limit:
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the registry does not come up")


def _push_base(shop: Workshop, folder: Path) -> None:
    """Push a base image with Flower and what it needs; it is kept between sessions, by what is in it."""
    lock = folder / "flower.txt"
    compile_ = [uv(), "pip", "compile", "--quiet", "-", "--universal", "--python-version", PYTHON]
    compile_ += ["--generate-hashes", "--no-header", "--no-annotate", "--output-file", str(lock)]
    subprocess.run(compile_, input="flwr==1.41.0\n", text=True, check=True)
    recipe = Path(__file__).with_name("image_base.py").read_bytes() + lock.read_bytes() + sys.version.encode()
    kept = CACHE / f"{hashlib.sha256(recipe).hexdigest()[:24]}.tar"
    if not kept.exists():
        make_base(folder / "base", lock)
        shop.buildah("build", "--quiet", "--timestamp", "0", "--tag", "localhost/base", str(folder / "base"))
        CACHE.mkdir(parents=True, exist_ok=True)
        new = kept.with_suffix(f".{os.getpid()}")
        shop.buildah("push", "--quiet", "--disable-compression", "localhost/base", f"oci-archive:{new}")
        new.rename(kept)
    else:
        shop.buildah("tag", shop.buildah("pull", "--quiet", f"oci-archive:{kept}"), "localhost/base")
    shop.buildah("push", "--quiet", "--disable-compression", "localhost/base", f"docker://{shop.base}")
    shop.buildah("rmi", "--all", "--force")


def interrupt_build(folder: Path, environment: Mapping[str, str], words: str, *options: str) -> None:
    """Build the image of the declaration in `folder`, and press Ctrl-C once a line with these words came."""
    command = [sys.executable, "-m", "flowerbed", "build", "superexec", *options]
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if words in line:
            break
    process.send_signal(signal.SIGINT)
    process.stderr.close()
    assert process.wait(40) == 130, told
    assert not (folder / "images.lock.yaml").exists()
