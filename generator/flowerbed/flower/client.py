"""A client for a SuperLink's HTTP API: Flower's protobuf messages over the standard library.

Needs `flwr` for the messages alone.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib
import importlib.util
import json
import socket
import ssl
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from .connection import CLOCK, Connection, Renewed
from .errors import UnreachableError, UsageError, refusal
from .proxy import connected
from .text import printable

if TYPE_CHECKING:
    from google.protobuf.message import Message

    Reply = TypeVar("Reply", bound=Message)

MEDIA = "application/protobuf"  # flwr 1.41: supercore/protobuf/constants.py
STREAM_MEDIA = "application/flower-protobuf-stream"
LONGEST_ERROR_BODY = 64 * 1024
LARGEST_ANSWER = 256 * 1024 * 1024  # bytes of one message; a run's log so far comes in one
# What a gateway answers while the SuperLink behind it is away: worth another try.
AWAY = frozenset({502, 503, 504})
# Seconds for which an idle connection is used again; uvicorn, in the SuperLink, closes it after 5.
KEEP = 3.0
# OpenSSL's words (X509_verify_cert_error_string) on the dates of a server's certificate.
_OVERDUE = {
    "certificate has expired": "who runs the federation renews it: `flowerbed rotate certificate --server`",
    "certificate is not yet valid": CLOCK,
}
_importing = threading.RLock()  # one thread at a time may play with sys.modules


@contextlib.contextmanager
def flwr_without_init() -> Iterator[None]:
    """Import Flower's messages without running its package init: 0.06 s instead of 0.6 s.

    A bare module stands in for the package meanwhile; a later `import flwr` gets the real one.
    """
    with _importing, contextlib.nullcontext() if "flwr" in sys.modules else _bare_package():
        yield


@contextlib.contextmanager
def _bare_package() -> Iterator[None]:
    spec = importlib.util.find_spec("flwr")
    if spec is None or spec.submodule_search_locations is None:
        raise UsageError("flwr is not installed for this Python", "pip install flwr")
    package = types.ModuleType("flwr")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["flwr"] = package
    try:
        yield
    finally:
        del sys.modules["flwr"]


def messages() -> types.ModuleType:
    """Return flwr.proto.control_pb2: the requests and replies of the Control API."""
    with flwr_without_init():
        return importlib.import_module("flwr.proto.control_pb2")


class _Secure(http.client.HTTPConnection):
    """HTTP over TLS, through the proxy of the environment where one is meant for the host."""

    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, port: int, timeout: float, tls: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout)
        self._patience, self._tls = timeout, tls

    def connect(self) -> None:
        """Open the connection and shake hands. Raises OSError, UsageError."""
        plain = connected(self.host, self.port, self._patience)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


class FlowerClient:
    """Flower's protobuf over HTTP/1.1: one kept connection for calls, a new one for each stream.

    `timeout` (seconds) bounds connecting and every wait for data. Calls belong to one thread; streams
    may be read in others. Each new connection looks the host's name up and takes TLS files, and what
    `reload` returns, as they are then. Wire format: flwr 1.41, supercore/protobuf.
    """

    def __init__(
        self,
        connection: Connection,
        timeout: float = 30.0,
        reload: Callable[[], Connection] | None = None,
    ) -> None:
        self.timeout = timeout
        self._renewed = Renewed(connection, reload)
        self._kept: http.client.HTTPConnection | None = None
        self._kept_since = 0.0

    def __enter__(self) -> FlowerClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connection(self) -> Connection:
        """Return the connection in use."""
        return self._renewed.connection

    def connect(self) -> None:
        """Open the connection that the next call will use. Raises UnreachableError."""
        self.close()
        self._kept, self._kept_since = self._open(), time.monotonic()

    def close(self) -> None:
        """Close the kept connection; the next call opens a new one."""
        if self._kept:
            self._kept.close()
        self._kept = None

    def call(
        self,
        path: str,
        request: Message,
        response_type: type[Reply],
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request to `/v1/PATH` (such as "control/list-runs") and return its answer.

        Raises UnreachableError (whether the call had its effect is then unknown) or RefusedError. Never tries
        twice.
        """
        kept = self._kept
        if kept is None or kept.sock is None or time.monotonic() - self._kept_since > KEEP:
            self.connect()
        kept, self._kept = self._kept, None  # put back only after a whole answer
        assert kept is not None  # noqa: S101  (connect sets it or raises)
        with contextlib.ExitStack() as stack, self._failures():
            stack.callback(kept.close)
            response = self._send(kept, path, request, {"Accept": MEDIA, **(headers or {})})
            self._check(response, MEDIA)
            message = self._parse(response_type, self._body(response))
            stack.pop_all()
        self._kept, self._kept_since = kept, time.monotonic()
        return message

    def stream(self, path: str, request: Message, response_type: type[Reply]) -> Iterator[Reply]:
        """Yield a stream's messages as they come. Raises UnreachableError when it breaks, or RefusedError."""
        connection = self._open()
        with contextlib.closing(connection), self._failures():
            accept = {"Accept": STREAM_MEDIA, "Accept-Encoding": "identity"}
            response = self._send(connection, path, request, accept)
            self._check(response, STREAM_MEDIA)
            while header := response.read(4):
                size = int.from_bytes(header, "big")
                body = self._bounded(response.read(min(size, LARGEST_ANSWER + 1)))
                if len(header) < 4 or len(body) < size:
                    raise http.client.IncompleteRead(body)
                yield self._parse(response_type, body)

    def _open(self) -> http.client.HTTPConnection:
        at, tls = self._renewed.now()
        if tls is None:
            opened = http.client.HTTPConnection(at.host, at.port, timeout=self.timeout)
        else:
            opened = _Secure(at.host, at.port, self.timeout, tls)
        with self._failures():
            opened.connect()
        return opened

    @staticmethod
    def _send(
        connection: http.client.HTTPConnection, path: str, request: Message, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        body = request.SerializeToString(deterministic=True)
        # A server that refuses early closes while we still write: its answer can be read all the same.
        with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            connection.request("POST", f"/v1/{path}", body, {"Content-Type": MEDIA, **headers})
        return connection.getresponse()

    def _check(self, response: http.client.HTTPResponse, media: str) -> None:
        address = self.connection.address
        if response.status == 200 and response.headers.get_content_type() == media:
            return
        if response.status == 200:
            raise UnreachableError(f"{address} answers, but not as a SuperLink", "is the address right?")
        code, detail = _read_error(response.read(LONGEST_ERROR_BODY))
        detail = printable(detail or response.reason)
        if response.status in AWAY:
            raise UnreachableError(f"{address}: the SuperLink is away ({detail}, HTTP {response.status})")
        raise refusal(
            response.status,
            code,
            detail,
            address=self.connection.address,
            certificate=self.connection.client_certificate,
        )

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        """Return the whole answer. Raises UnreachableError, IncompleteRead."""
        body = self._bounded(response.read(LARGEST_ANSWER + 1))
        if response.length:  # unlike `read()`, a bounded read does not complain of an early end
            raise http.client.IncompleteRead(body, response.length)
        response.close()
        return body

    def _bounded(self, body: bytes) -> bytes:
        if len(body) > LARGEST_ANSWER:
            what = f"{self.connection.address} sent a message of more than {LARGEST_ANSWER:,} bytes"
            raise UnreachableError(what, "is the address right?")
        return body

    def _parse(self, response_type: type[Reply], body: bytes) -> Reply:
        from google.protobuf.message import DecodeError

        try:
            return response_type.FromString(body)
        except DecodeError:
            raise UnreachableError(f"{self.connection.address} sent what is not Flower's protobuf") from None

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn what sockets, TLS and HTTP raise into one sentence with the address."""
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> UnreachableError:
        address, refused = self.connection.address, isinstance(error, ssl.SSLError)
        if isinstance(error, ssl.SSLCertVerificationError):
            said = error.verify_message.rstrip(".")
            remedy = _OVERDUE.get(said, "check the address and the root certificates")
            return UnreachableError(f"{address}: the server's certificate is not trusted: {said}", remedy)
        # A gateway that refuses a certificate may cut the connection off before its alert is read.
        cut = isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)
        if (refused or cut) and (overdue := self.connection.overdue()):
            return UnreachableError(f"{address}: {overdue[0]}", overdue[1], lost=cut)
        if isinstance(error, ssl.SSLError):
            return UnreachableError(f"{address}: TLS failed: {_tls_reason(error)}")
        if isinstance(error, socket.gaierror):
            return UnreachableError(f"{address}: the host's name is unknown ({error.strerror})")
        if isinstance(error, TimeoutError):
            return UnreachableError(f"{address}: no answer within {self.timeout:g} s", lost=True)
        reason = getattr(error, "strerror", None) or printable(str(error)) or type(error).__name__
        return UnreachableError(f"{address}: {reason}", getattr(error, "remedy", ""), lost=True)


def _read_error(body: bytes) -> tuple[int, str]:
    try:
        error = json.loads(body)
        parts = (error.get("detail"), error.get("extra"))
        return error.get("code") or 0, ": ".join(str(part).rstrip(".") for part in parts if part)
    except (ValueError, AttributeError):  # a proxy's page
        return 0, ""


def _tls_reason(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    words = reason.lower().replace("_", " ")
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return "the server requires a client certificate"
    if "ALERT" in reason:
        return f"the server refused this client certificate ({words})"
    if "EOF" in reason:
        return "the server cut the connection off"
    return "the server does not speak TLS at this port" if "WRONG_VERSION" in reason else words
