"""Archives over HTTPS from a real server: size, hash, redirects, secrets, and servers that misbehave."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from flowerbed.errors import UnreachableError, UsageError
from flowerbed.flower.app.build import build
from flowerbed.flower.source import fetch as flower_fetch
from flowerbed.flower.source.prepare import prepared
from flowerbed.flower.source.request import Request
from support.git_repositories import write
from support.source_servers import APP, Served, fetched, refused

pytestmark = pytest.mark.usefixtures("scratch")


def packed(top: str = "tiny-1.0/") -> bytes:
    """Return a compressed tar archive of the app."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, text in APP.items():
            entry = tarfile.TarInfo(f"{top}{name}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return target.getvalue()


PACKED = packed()
SHA256 = hashlib.sha256(PACKED).hexdigest()


@pytest.fixture
def url(served: Served) -> str:
    """Serve the archive."""
    (served.web.root / "tiny.tar.gz").write_bytes(PACKED)
    return f"https://{served.web.address}/tiny.tar.gz"


def test_an_archive(url: str) -> None:
    """Its files come, and the record has its address without the query, and its hash."""
    files, source = fetched(Request(app=f"{url}?signature=s3cret#sha256={SHA256}", path="."))
    assert files == set(APP)
    assert (source.kind, source.location, source.sha256) == ("archive", url, SHA256)
    assert "s3cret" not in str(source)


def test_an_archive_on_this_machine(served: Served, url: str) -> None:
    """A local archive is the same without the network."""
    file = served.web.root / "tiny.tar.gz"
    files, source = fetched(Request(app=str(file), sha256=SHA256.upper()))
    assert files == set(APP)
    assert (source.location, source.sha256) == (str(file), SHA256)
    assert "its SHA-256 is" in refused(UsageError, Request(app=str(file), sha256="0" * 64))


def test_a_fab(served: Served, url: str) -> None:
    """A FAB is known by its content, whatever its address, and stays as it is."""
    fab = build(write(served.web.root / "unpacked", APP))
    (served.web.root / "download").write_bytes(fab)
    with prepared(Request(app=url.replace("tiny.tar.gz", "download"))) as found:
        assert found.path.suffix == ".fab"
        assert found.path.read_bytes() == fab
        assert found.source.kind == "fab"


def test_another_hash(url: str) -> None:
    """Other bytes than those that were asked for are refused."""
    said = refused(UsageError, Request(app=url, sha256="0" * 64))
    assert f"its SHA-256 is {SHA256}, not 000" in said


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("http://{0}/tiny.tar.gz", "without TLS anybody"),
        ("ftp://{0}/tiny.tar.gz", "cannot be fetched like this"),
        ("file:///etc/passwd", "cannot be fetched like this"),
        ("https://a:s3cret@{0}/tiny.tar.gz", "credentials"),
        ("https:///tiny.tar.gz", "names no host"),
        ("https://{0}/tiny .tar.gz", "no spaces"),
        ("https://{0}/tiny.tar.gz#md5=x", "unknown after"),
        ("https://{0}/none.tar.gz", "the server answers 404"),
    ],
)
def test_addresses(served: Served, url: str, app: str, said: str) -> None:
    """What is no address of an archive is refused with exit code 2."""
    text = refused(UsageError, Request(app=app.format(served.web.address)))
    assert said in text
    assert "s3cret" not in text


SIGNED = "?X-Amz-Signature=s3cret&private_token=s3cret"


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Answer with less than is announced."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"x")


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("none.tar.gz", UsageError, "the server answers 404"),
        ("circle", UnreachableError, "redirects"),
        ("away", UnreachableError, "which is not https"),
        ("cut", UnreachableError, "broke off"),
    ],
)
def test_signed_addresses_are_not_shown(
    served: Served, url: str, path: str, kind: type[UsageError | UnreachableError], said: str
) -> None:
    """No error repeats a query, of the address or of where it leads."""
    served.web.redirects = {
        "/circle": f"/circle{SIGNED}",
        "/away": f"http://{served.web.address}/x{SIGNED}",
    }
    served.web.answers["/cut"] = cut
    text = refused(kind, Request(app=f"https://{served.web.address}/{path}{SIGNED}"))
    assert said in text
    assert "s3cret" not in text


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("127.0.0.1:1", UnreachableError),
        ("no-such-host.invalid", UnreachableError),
        ("127.0.0.1:99999", UsageError),
    ],
)
def test_a_signed_address_that_nobody_serves(host: str, kind: type[UsageError | UnreachableError]) -> None:
    """The address is named without its query."""
    text = refused(kind, Request(app=f"https://{host}/app.zip{SIGNED}"))
    assert "app.zip" in text
    assert "s3cret" not in text


def test_secrets(served: Served, url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A token opens a private archive: as bearer, whole header, or with a user; no redirect sees it."""
    token = tmp_path_factory.mktemp("secret") / "token"
    for text, name, header in (
        ("t0k3n", "", "Bearer t0k3n"),
        ("Private t0k3n", "", "Private t0k3n"),
        ("t0k3n", "reader", "Basic cmVhZGVyOnQwazNu"),
    ):
        token.write_text(f"{text}\n")
        served.web.allowed = {header}
        assert fetched(Request(app=url, token_file=token, username=name))[0] == set(APP)
    token.write_text("another")
    text = refused(UnreachableError, Request(app=url, token_file=token))
    assert "the server answers 401" in text
    assert "another" not in text
    served.web.allowed = set()
    port = served.web.address.rpartition(":")[2]
    served.web.redirects = {"/moved": f"https://127.0.0.1:{port}/tiny.tar.gz"}
    served.web.seen.clear()
    assert fetched(Request(app=url.replace("tiny.tar.gz", "moved"), token_file=token))[0] == set(APP)
    assert served.web.seen == [("/moved", "Bearer another"), ("/tiny.tar.gz", "")]


def test_redirects_are_bounded(served: Served, url: str) -> None:
    """A circle ends, and so does a way out of TLS."""
    served.web.redirects = {
        "/circle": "/circle",
        "/plain": f"http://{served.web.address}/tiny.tar.gz",
        "/file": "file:///etc/passwd",
    }
    assert "redirects" in refused(UnreachableError, Request(app=url.replace("tiny.tar.gz", "circle")))
    assert len(served.web.seen) <= 12
    for name, said in (("plain", "not https"), ("file", "leads nowhere")):
        assert said in refused(UnreachableError, Request(app=url.replace("tiny.tar.gz", name)))


def broken_off(handler: BaseHTTPRequestHandler) -> None:
    """Promise more than comes."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"x" * 10)


def no_http(handler: BaseHTTPRequestHandler) -> None:
    """Speak another protocol."""
    handler.wfile.write(b"220 smtp.example.org\r\n")


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Send for ever, without saying how much."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(64 * 1024))
    except OSError:
        return


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then."""
    handler.send_response(200)
    handler.end_headers()
    pause = threading.Event()
    try:
        while not pause.wait(0.1):
            handler.wfile.write(b"x")
    except OSError:
        return


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (broken_off, UnreachableError, "it broke off after 10 of 1,000 bytes"),
        (no_http, UnreachableError, "smtp.example.org"),
        (endless, UsageError, "more than 100,000 bytes"),
        (dripping, UnreachableError, "it takes too long"),
        (lambda _: threading.Event().wait(3) and None, UnreachableError, "it takes too long"),
    ],
)
def test_servers_that_misbehave(
    served: Served,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[BaseHTTPRequestHandler], None],
    kind: type[UsageError] | type[UnreachableError],
    said: str,
) -> None:
    """Each ends with one sentence, in time."""
    monkeypatch.setattr(flower_fetch, "LARGEST", 100_000)
    served.web.answers["/tiny.tar.gz"] = answer
    assert said in refused(kind, Request(app=url, timeout=1.0))


def test_nobody_there(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that nobody serves, a name that nobody knows, a certificate that nobody vouches for."""
    assert "Connection refused" in refused(UnreachableError, Request(app="https://127.0.0.1:1/x.zip"))
    assert "x.invalid" in refused(UnreachableError, Request(app="https://x.invalid/x.zip"))
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    said = refused(UnreachableError, Request(app=url))
    assert "its certificate is not trusted" in said
    assert "SSL_CERT_FILE" in said
