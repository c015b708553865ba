"""How to reach a SuperLink: address, certificates, federation."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .errors import UsageError
from .text_files import read_toml

RENEW = "put the renewed one in its place: `flowerbed rotate certificate --user NAME` makes it"
CLOCK = "is the clock of this machine right?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How to reach a SuperLink's Control API: `address` is "host:port", IPv6 hosts in brackets.

    `file` is the connection.toml that it was read from.
    """

    address: str
    insecure: bool = False
    root_certificates: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    federation: str = ""
    file: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        host, _, port = self.address.rpartition(":")
        bare_ipv6 = ":" in host and not host.startswith("[")
        if not host or "/" in host or bare_ipv6 or not port.isdecimal() or not 0 < int(port) < 65536:
            raise UsageError(f"{self.address!r} is not an address", "write HOST:PORT, or [IPV6]:PORT")
        if bool(self.client_certificate) != bool(self.client_key):
            raise UsageError("a client certificate and its key go together", "give both, or neither")
        if self.insecure and (self.root_certificates or self.client_certificate):
            raise UsageError("an insecure connection takes no certificates", "drop them, or `insecure`")

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
        """Read a connection.toml; relative paths in it count from its own folder. Raises UsageError."""
        table = read_toml(file).get("superlink")
        known = {name.replace("_", "-"): name for name in cls.__dataclass_fields__ if name != "file"}
        if not isinstance(table, dict) or not isinstance(table.get("address"), str):
            raise UsageError(f"{file}: no `address` in a [superlink] table")
        if unknown := sorted(set(table) - set(known)):
            raise UsageError(f"{file}: unknown key {unknown[0]!r}", f"known are: {', '.join(known)}")
        for key, value in table.items():
            if not isinstance(value, bool if key == "insecure" else str):
                raise UsageError(f"{file}: {key} = {value!r} has the wrong type")
        paths = {key for key in table if key.startswith(("root-", "client-"))}
        return cls(
            file=file,
            **{known[key]: file.parent / value if key in paths else value for key, value in table.items()},
        )

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS context, None for plain HTTP. Raises UsageError for files that cannot be used."""
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
            raise UsageError(
                f"cannot use the TLS files {files}: {reason}", "PEM files are expected"
            ) from None
        return context

    def stamps(self) -> list[tuple[int, ...]]:
        """Return what changes when one of the TLS files does."""
        files = (self.root_certificates, self.client_certificate, self.client_key)
        return [_stamp(file) for file in files if file]

    def overdue(self) -> tuple[str, str] | None:
        """Return what is wrong with the dates of the client certificate, and the remedy; None: nothing is."""
        if not self.client_certificate:
            return None
        from cryptography import x509

        with contextlib.suppress(OSError, ValueError):
            certificate = x509.load_pem_x509_certificate(self.client_certificate.read_bytes())
            begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            now, what = (
                datetime.datetime.now(datetime.UTC),
                f"the client certificate {self.client_certificate}",
            )
            if now > end:
                return f"{what} expired at {end:%Y-%m-%d %H:%M:%S} UTC", RENEW
            if now < begin:
                return f"{what} is valid from {begin:%Y-%m-%d %H:%M:%S} UTC on", CLOCK
        return None


class Renewed:
    """A connection and its TLS context as the files say now: certificates are renewed under long runs.

    `reload` reads the connection itself again. While files cannot be used (half of them renewed, or gone),
    what they said before stays. Raises UsageError when they cannot be used from the beginning.
    """

    def __init__(self, connection: Connection, reload: Callable[[], Connection] | None = None) -> None:
        self.connection = connection
        self._reload = reload
        self._lock = threading.Lock()
        self._stamps, self._tls = connection.stamps(), connection.tls()

    def now(self) -> tuple[Connection, ssl.SSLContext | None]:
        """Return where to dial, and the TLS context for it (None: plain HTTP)."""
        with self._lock:
            with contextlib.suppress(UsageError):
                found = self._reload() if self._reload else self.connection
                stamps = found.stamps()
                if found != self.connection or stamps != self._stamps:
                    self._tls = found.tls()
                    self.connection, self._stamps = found, stamps
            return self.connection, self._tls


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def roots(given: Path | None) -> Path:
    """Return whom Flower would trust: the given file, SSL_CERT_FILE, or certifi's bundle (flwr 1.41)."""
    if given:
        return given
    if found := os.environ.get("SSL_CERT_FILE"):
        return Path(found)
    import certifi

    return Path(certifi.where())


def flower_options(arguments: list[str]) -> argparse.Namespace:
    """Return those of flower-supernode's flags that matter here; all of them are passed on as they are."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--superlink", default="127.0.0.1:8000")
    parser.add_argument("--root-certificates", type=Path)
    parser.add_argument("--insecure", action="store_true")
    parser.add_argument("--auth-supernode-private-key", type=Path)
    return parser.parse_known_args(arguments)[0]
