"""An HTTPS server on loopback with files, a git repository, and a ConfigMap to patch."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from flowerbed.identities.authority import CertificateAuthority

GIT_BACKEND = Path(subprocess.check_output(["git", "--exec-path"], text=True).strip()) / "git-http-backend"


class Server:
    """Serves `root`: files, and bare repositories below /git, to whoever shows an `allowed` header."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.allowed: set[str] = set()  # Authorization headers, all if empty
        self.redirects: dict[str, str] = {}
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}  # by path: others than files
        self.old_git = False  # speaks the first protocol alone, as servers before 2018 do
        self.seen: list[tuple[str, str]] = []  # path and Authorization header of each request
        self.patches: list[tuple[str, dict[str, Any]]] = []
        self.authority = CertificateAuthority.create("files", 1)
        identity = self.authority.issue_server(("localhost",), ("127.0.0.1",), 1)
        (root / "ca.crt").write_bytes(self.authority.certificate)
        (root / "server.pem").write_bytes(identity.certificate + identity.private_key)

        class Handler(_Handler):
            site = self

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(root / "server.pem")
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.address = f"localhost:{self.http.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    """Answers for `site`, which a subclass has."""

    site: Server

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def refused(self) -> bool:
        shown = self.headers.get("Authorization", "")
        path = self.path.partition("?")[0]
        self.site.seen.append((path, shown))
        if path in self.site.redirects:
            self.answer(302, Location=self.site.redirects[path])
        elif path in self.site.answers:
            self.site.answers[path](self)
        elif self.site.allowed and shown not in self.site.allowed:
            self.answer(401, WWW_Authenticate='Basic realm="x"')
        else:
            return False
        return True

    def do_GET(self) -> None:
        if self.refused():
            return
        file = self.site.root / self.path.partition("?")[0].lstrip("/")
        if self.path.startswith("/git/"):
            self.git(b"")
        elif file.is_file():
            self.answer(200, file.read_bytes())
        else:
            self.answer(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.refused():
            self.git(body)

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.refused():
            self.site.patches.append((self.path, body))
            self.answer(200, b"{}")

    def git(self, body: bytes) -> None:
        env = git_environment(self.site.root, self, body)
        if self.site.old_git:
            del env["GIT_PROTOCOL"]
        done = subprocess.run([GIT_BACKEND], input=body, env=env, capture_output=True, check=False)
        status, kind, content = cgi_answer(done.stdout)
        self.answer(status, content, Content_Type=kind)


def git_environment(root: Path, request: BaseHTTPRequestHandler, body: bytes) -> dict[str, str]:
    """Return what git's backend, a CGI program, reads of a request."""
    path, _, query = request.path.partition("?")
    return {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(root / "git"),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "PATH_INFO": path.removeprefix("/git"),
        "QUERY_STRING": query,
        "REQUEST_METHOD": request.command,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
    }


@contextlib.contextmanager
def serving(root: Path) -> Iterator[Server]:
    """Serve a folder until the end of the block."""
    server = Server(root)
    thread = threading.Thread(target=server.http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def cgi_answer(output: bytes) -> tuple[int, str, bytes]:
    """Return status, content type and body of what a CGI program has printed."""
    head, _, content = output.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
    return int(fields.get("Status", "200").split()[0]), fields.get("Content-Type", "text/plain"), content
