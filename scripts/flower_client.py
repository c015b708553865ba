"""A client for a SuperLink's HTTP API: Flower's protobuf messages over the standard library.

Needs `flwr` for the messages alone. `submit.py`, which uses it, lies in the same folder.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import socket
import ssl
import sys
import tomllib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from google.protobuf.message import Message

    Reply = TypeVar("Reply", bound=Message)

MEDIA = "application/protobuf"  # flwr 1.41: supercore/protobuf/constants.py
STREAM_MEDIA = "application/flower-protobuf-stream"
LONGEST_ERROR_BODY = 64 * 1024
# Answers that a gateway gives while the SuperLink behind it is away: worth another try.
AWAY = frozenset({502, 503, 504})


class SubmitError(Exception):
    """An expected failure: `what` happened, and the `remedy`; `exit_code` is the program's."""

    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}\n  {remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy


class Invalid(SubmitError):  # noqa: N818
    """The command line, the connection or the app is wrong."""

    exit_code = 2


class Unreachable(SubmitError):  # noqa: N818
    """Nobody answers at the address, TLS failed, or a gateway answers for an absent SuperLink."""

    exit_code = 3


class Refused(SubmitError):  # noqa: N818
    """The SuperLink or its gateway said no: HTTP `status`, Flower's error `code` (0: none), `detail`."""

    def __init__(self, status: int, code: int, detail: str, address: str) -> None:
        said = f"{detail} (HTTP {status}{f', code {code}' if code else ''})"
        remedy = (
            "the role of your client certificate does not allow this call" if status in {401, 403} else ""
        )
        super().__init__(f"{address} refused the call: {said}", remedy)
        self.status = status
        self.code = code
        self.detail = detail
        # 404 and 412 speak of what was asked for: an unknown federation, a run that does not exist.
        self.exit_code = 2 if status in {404, 412} else 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How to reach a SuperLink's Control API: `address` is "host:port", IPv6 hosts in brackets."""

    address: str
    insecure: bool = False
    root_certificates: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    federation: str = ""

    def __post_init__(self) -> None:
        host, _, port = self.address.rpartition(":")
        bare_ipv6 = ":" in host and not host.startswith("[")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536 or bare_ipv6:
            raise Invalid(f"{self.address!r} is not an address", "write HOST:PORT, or [IPV6]:PORT")
        if bool(self.client_certificate) != bool(self.client_key):
            raise Invalid("a client certificate and its key go together", "give both, or neither")
        if self.insecure and (self.root_certificates or self.client_certificate):
            raise Invalid("an insecure connection takes no certificates", "drop them, or `insecure`")

    @property
    def host(self) -> str:
        """Return the host alone, without brackets."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Return the port alone."""
        return int(self.address.rpartition(":")[2])

    @classmethod
    def load(cls, file: Path) -> Connection:
        """Read a connection.toml; relative paths in it count from its own folder. Raises Invalid."""
        table = read_toml(file).get("superlink")
        known = {name.replace("_", "-"): name for name in cls.__dataclass_fields__}
        if not isinstance(table, dict) or not isinstance(table.get("address"), str):
            raise Invalid(f"{file}: no `address` in a [superlink] table")
        if unknown := sorted(set(table) - set(known)):
            raise Invalid(f"{file}: unknown key {unknown[0]!r}", f"known are: {', '.join(known)}")
        for key, value in table.items():
            if not isinstance(value, bool if key == "insecure" else str):
                raise Invalid(f"{file}: {key} = {value!r} has the wrong type")
        paths = {key for key in table if key.startswith(("root-", "client-"))}
        return cls(
            **{known[key]: file.parent / value if key in paths else value for key, value in table.items()}
        )

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS context, None for plain HTTP. Raises Invalid for files that cannot be used."""
        if self.insecure:
            return None
        roots, certificate = self.root_certificates, self.client_certificate
        try:
            # A given root replaces the system's trust, as in Flower's own clients.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if roots else ssl.create_default_context()
            if roots:
                context.load_verify_locations(cafile=roots)
            if certificate:
                # An encrypted key must fail here, not ask on a terminal that nobody watches.
                context.load_cert_chain(certificate, self.client_key, password="")
        except (OSError, ValueError) as error:
            files = ", ".join(str(path) for path in (roots, certificate, self.client_key) if path)
            reason = getattr(error, "strerror", None) or str(error)
            raise Invalid(f"cannot use the TLS files {files}: {reason}", "PEM files are expected") from None
        return context


def read_toml(file: Path) -> dict[str, Any]:
    """Return a TOML file's content. Raises Invalid with the file and the place in it."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Invalid(f"{file}: {error.strerror}") from None
    except ValueError as error:  # also UnicodeDecodeError
        raise Invalid(f"{file}: not TOML: {error}") from None


@contextlib.contextmanager
def flwr_without_init() -> Iterator[None]:
    """Import modules of flwr without running its package init: 0.06 s instead of 0.6 s.

    A bare module stands in for the package meanwhile; a later `import flwr` gets the real one.
    """
    if "flwr" in sys.modules:
        yield
        return
    spec = importlib.util.find_spec("flwr")
    if spec is None or spec.submodule_search_locations is None:
        raise Invalid("flwr is not installed for this Python", "pip install flwr")
    package = types.ModuleType("flwr")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["flwr"] = package
    try:
        yield
    finally:
        del sys.modules["flwr"]


class FlowerClient:
    """Flower's protobuf over HTTP/1.1: one kept connection for calls, one more for each stream.

    `timeout` (seconds) bounds connecting and every wait for data. A client serves one thread; streams
    may be read in another. Wire format: flwr 1.41, supercore/protobuf.
    """

    def __init__(self, connection: Connection, timeout: float = 30.0) -> None:
        self.connection = connection
        self.timeout = timeout
        self._tls = connection.tls()
        self._kept: http.client.HTTPConnection | None = None

    def __enter__(self) -> FlowerClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connection; the next call opens a new one."""
        if self._kept:
            self._kept.close()
        self._kept = None

    def connect(self) -> None:
        """Open the connection that the next call will use. Raises Unreachable."""
        self.close()
        self._kept = self._open()

    def call(
        self,
        path: str,
        request: Message,
        response_type: type[Reply],
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request to `/v1/PATH` (such as "control/list-runs") and return its answer.

        Raises Unreachable (nothing is known of the call's effect) or Refused.
        """
        if not self._kept:
            self.connect()
        assert self._kept is not None  # noqa: S101  (connect sets it or raises)
        try:
            with self._failures():
                response = self._send(self._kept, path, request, {"Accept": MEDIA, **(headers or {})})
                self._check(response, MEDIA)
                body = response.read()
            return self._parse(response_type, body)
        except SubmitError:
            self.close()
            raise
        finally:
            # A server may close an idle connection at any moment, which looks like a failed call.
            if self._kept and self._kept.sock is None:
                self.close()

    def stream(self, path: str, request: Message, response_type: type[Reply]) -> Iterator[Reply]:
        """Yield the messages of a stream as they come. Raises Unreachable when it breaks, or Refused."""
        connection = self._open()
        with contextlib.closing(connection), self._failures():
            accept = {"Accept": STREAM_MEDIA, "Accept-Encoding": "identity"}
            response = self._send(connection, path, request, accept)
            self._check(response, STREAM_MEDIA)
            while header := response.read(4):
                size = int.from_bytes(header, "big")
                body = response.read(size)
                if len(header) < 4 or len(body) < size:
                    raise http.client.IncompleteRead(body)
                yield self._parse(response_type, body)

    def _open(self) -> http.client.HTTPConnection:
        at = self.connection
        if self._tls:
            opened: http.client.HTTPConnection = http.client.HTTPSConnection(
                at.host, at.port, timeout=self.timeout, context=self._tls
            )
        else:
            opened = http.client.HTTPConnection(at.host, at.port, timeout=self.timeout)
        with self._failures():
            opened.connect()
        return opened

    @staticmethod
    def _send(
        connection: http.client.HTTPConnection, path: str, request: Message, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        body = request.SerializeToString(deterministic=True)
        # A server that refuses early closes while we still write: its answer can be read all the same.
        with contextlib.suppress(BrokenPipeError):
            connection.request("POST", f"/v1/{path}", body, {"Content-Type": MEDIA, **headers})
        return connection.getresponse()

    def _check(self, response: http.client.HTTPResponse, media: str) -> None:
        address = self.connection.address
        if response.status == 200:
            if response.headers.get_content_type() != media:
                raise Unreachable(f"{address} answers, but not as a SuperLink", "is the address right?")
            return
        body = response.read(LONGEST_ERROR_BODY)
        try:
            error = json.loads(body)
            code, parts = error.get("code") or 0, (error.get("detail"), error.get("extra"))
            detail = ": ".join(str(part) for part in parts if part) or response.reason
        except (ValueError, AttributeError):
            code, detail = 0, response.reason
        if response.status in AWAY:
            raise Unreachable(f"{address}: the SuperLink is away ({detail}, HTTP {response.status})")
        raise Refused(response.status, code, detail, address)

    def _parse(self, response_type: type[Reply], body: bytes) -> Reply:
        from google.protobuf.message import DecodeError

        try:
            return response_type.FromString(body)
        except DecodeError:
            raise Unreachable(f"{self.connection.address} sent what is not Flower's protobuf") from None

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn what sockets, TLS and HTTP raise into one sentence with the address."""
        address = self.connection.address
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            reason = error.verify_message.rstrip(".")
            raise Unreachable(
                f"{address}: the server's certificate is not trusted: {reason}",
                "check the address and the root certificates",
            ) from None
        except ssl.SSLError as error:
            raise Unreachable(f"{address}: TLS failed: {_tls_reason(error)}") from None
        except socket.gaierror as error:
            raise Unreachable(f"{address}: the host's name is unknown ({error.strerror})") from None
        except TimeoutError:
            raise Unreachable(f"{address}: no answer within {self.timeout:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(f"{address}: {reason}") from None


def _tls_reason(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return "the server wants a client certificate"
    if "ALERT" in reason:
        return f"the server refused this client certificate ({reason.lower().replace('_', ' ')})"
    if "WRONG_VERSION_NUMBER" in reason:
        return "the server does not speak TLS at this port"
    return reason.lower().replace("_", " ")
