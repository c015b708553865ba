"""Connections through the HTTP proxy of the environment: HTTPS_PROXY or ALL_PROXY, by CONNECT (RFC 9110).

Which hosts are reached without it is decided as Flower's own clients decide (httpx 0.28, used by flwr 1.41):
an entry of NO_PROXY is `*`, an address, `localhost`, or a domain with its subdomains (`.domain`: these
alone). Address ranges and `*.domain` mean nothing to them. Unlike there, this machine's loopback is never
asked of a proxy. Plain HTTP, which is for tests in one cluster, goes past it.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import os
import re
import socket
import urllib.parse
from dataclasses import dataclass

from .errors import UsageError
from .text import printable

NAMES = ("https_proxy", "all_proxy")  # the first that is set; lower case goes before upper case
DEFAULT_PORT = 80  # of http://proxy (RFC 9110, 4.2.1)


class ProxyError(OSError):
    """The proxy cannot be reached, or does not connect to the host; `remedy` is what to do about it."""

    def __init__(self, text: str, remedy: str = "") -> None:
        super().__init__(text)
        self.strerror = text
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `variable` is what names it in the environment, `authorization` a secret header."""

    host: str
    port: int
    variable: str
    authorization: str = ""

    def __str__(self) -> str:
        """Return how it is named to a user: without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"the proxy {host}:{self.port} ({self.variable})"

    def __repr__(self) -> str:
        """Return the same: the password stays out of tracebacks."""
        return f"<{self}>"


def connected(host: str, port: int, timeout: float) -> socket.socket:
    """Return a connection to a TLS server, through the proxy where one is meant for it.

    `timeout` (seconds) bounds each wait. Raises OSError (of a proxy ProxyError), UsageError for one
    that cannot be used.
    """
    proxy = proxy_for(host, port)
    if proxy is None:
        return socket.create_connection((host, port), timeout)
    try:
        opened = socket.create_connection((proxy.host, proxy.port), timeout)
    except OSError as error:
        reason = (
            "its name is unknown" if isinstance(error, socket.gaierror) else error.strerror or "no answer"
        )
        raise ProxyError(f"{proxy} cannot be reached: {reason}") from None
    try:
        _ask(opened, proxy, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except BaseException:
        opened.close()
        raise
    return opened


def _ask(opened: socket.socket, proxy: Proxy, target: str) -> None:
    """Have the proxy connect. Raises ProxyError."""
    shown = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    try:
        opened.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{shown}\r\n".encode("ascii"))
        with http.client.HTTPResponse(opened, method="CONNECT") as answer:
            answer.begin()
    except TimeoutError:
        raise ProxyError(f"{proxy} does not answer") from None
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ProxyError(f"{proxy} does not speak HTTP, or broke off: {reason}") from None
    if 200 <= answer.status < 300:
        return
    said = f"{answer.status} {printable(answer.reason)[:100]}".strip()
    raise ProxyError(f"{proxy} answers {said}", _remedy(answer.status, proxy, target))


def _remedy(status: int, proxy: Proxy, target: str) -> str:
    if status == http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        wrong = "it does not accept the user and password in it" if proxy.authorization else "it wants both"
        return f"{proxy.variable}=http://USER:PASSWORD@HOST:PORT: {wrong}"
    if status in {http.HTTPStatus.FORBIDDEN, http.HTTPStatus.METHOD_NOT_ALLOWED}:
        return f"it has to allow CONNECT to {target}; hosts in NO_PROXY are reached without it"
    return f"can it reach {target}? Hosts in NO_PROXY are reached without it"


def proxy_for(host: str, port: int) -> Proxy | None:
    """Return the proxy that the environment names for a TLS server, None for none. Raises UsageError."""
    found = next(((name, text) for name in NAMES if (text := _variable(name))), None)
    if found is None or _is_loopback(host) or _excluded(host.lower(), port):
        return None
    variable, text = found
    return _parsed(text, variable.upper())


def sparing_loopback(kept: str) -> dict[str, str]:
    """Return the environment in which calls to loopback go past every proxy; `kept` is NO_PROXY so far."""
    names = [name for name in re.split(r"[,\s]+", kept) if name]
    text = ",".join(dict.fromkeys([*names, "127.0.0.1", "localhost"]))
    return {"NO_PROXY": text, "no_proxy": text}


def no_proxy() -> str:
    """Return the hosts that the environment has reached without a proxy, "" for none."""
    return _variable("no_proxy")


def _variable(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.upper()) or ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _excluded(host: str, port: int) -> bool:
    return any(_fits(entry.strip().lower(), host, port) for entry in no_proxy().split(","))


def _fits(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of NO_PROXY means a host."""
    if entry in {"", "*"}:
        return entry == "*"
    scheme, separator, rest = entry.rpartition("://")
    if separator and scheme not in {"all", "https"}:
        return False
    named, wanted = _split(rest)
    # 443 is the scheme's own port, which httpx leaves out of an address.
    if wanted is not None and wanted != (port if port != http.client.HTTPS_PORT else None):
        return False
    if separator or _is_address(named) or named == "localhost":
        return host == named
    domain = named.removeprefix(".")
    subdomain = host.endswith(f".{domain}") and len(host) > len(domain) + 1
    return subdomain or (host == domain and not named.startswith("."))


def _split(text: str) -> tuple[str, int | None]:
    """Return host and port of an entry; an address range is its first address."""
    if _is_address(text):
        return text.partition("/")[0], None
    found = re.fullmatch(r"\[?([^\[\]/]*?)\]?(?::(\d+))?(?:/.*)?", text)
    return (found[1], int(found[2]) if found[2] else None) if found else (text, None)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("/")[0])
    except ValueError:
        return False
    return True


def _parsed(text: str, variable: str) -> Proxy:
    """Return a proxy from its address. Raises UsageError, which does not show it: a password may be in it."""
    remedy = "write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT"
    try:
        split = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
        host, port = split.hostname, split.port or DEFAULT_PORT
    except ValueError:
        raise UsageError(f"{variable}: is not the address of a proxy", remedy) from None
    if split.scheme != "http":
        raise UsageError(f"{variable}: a proxy by {printable(split.scheme)} is not supported", remedy)
    if not host or not host.isprintable():
        raise UsageError(f"{variable}: is not the address of a proxy", remedy)
    user = urllib.parse.unquote(split.username or "")
    password = urllib.parse.unquote(split.password or "")
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Proxy(host, port, variable, f"Basic {pair}" if split.username is not None else "")
