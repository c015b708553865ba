"""Connections through the proxy of the environment, and the hosts that are reached without it."""

from __future__ import annotations

import base64
import socket
import ssl
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowerbed.errors import UnreachableError, UsageError
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.connection import Connection
from flowerbed.flower.proxy import proxy_for
from support.connect_proxy import Tunnels, tunnels
from support.control_servers import list_runs, serving, well
from support.pki import Pki

NAME = "superlink.example.org"  # known to nobody here but the proxy
PROXIES = [f"{name}_{kind}" for name in ("https", "all", "http", "no") for kind in ("proxy",)]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path, names=(NAME,))


def asked(
    pki: Pki, tls: ssl.SSLContext | None, proxy: str, monkeypatch: pytest.MonkeyPatch, **more: str
) -> Tunnels:
    """List runs at NAME, which only the proxy knows, with HTTPS_PROXY and what the proxy is."""
    with serving(well, tls) as server, tunnels(server.server_address[1], **more) as through:  # type: ignore[arg-type]
        monkeypatch.setenv("HTTPS_PROXY", proxy.format(through.server_address[1]))
        connection = Connection(address=f"{NAME}:9093", root_certificates=pki.folder / "ca.crt")
        with FlowerClient(connection, timeout=10) as client:
            list_runs(client)
        return through


def test_a_host_behind_the_proxy_is_reached(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is asked to connect by name, TLS is checked against that name; not so without it."""
    through = asked(pki, pki.context(), "http://127.0.0.1:{}", monkeypatch)
    assert through.asked == [f"CONNECT {NAME}:9093 HTTP/1.1\r\nHost: {NAME}:9093\r\n\r\n"]
    monkeypatch.setenv("NO_PROXY", "example.org")
    with pytest.raises(UnreachableError, match="the host's name is unknown"):
        asked(pki, pki.context(), "http://127.0.0.1:{}", monkeypatch)


def test_a_password_is_shown_to_the_proxy_alone(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """User and password of the address; without them the proxy's wish is named, and they never are."""
    pair = base64.b64encode(b"site:s3same").decode()
    through = asked(pki, pki.context(), "site:s3same@127.0.0.1:{}", monkeypatch, wanted=f"Basic {pair}\r\n")
    assert f"Proxy-Authorization: Basic {pair}" in through.asked[0]
    for given_proxy in ("127.0.0.1:{}", "site:wr0ng@127.0.0.1:{}"):
        with pytest.raises(UnreachableError) as refused:
            asked(pki, pki.context(), given_proxy, monkeypatch, wanted=pair)
        assert "answers 407 Proxy Authentication Required" in str(refused.value)
        assert "(HTTPS_PROXY)" in str(refused.value)
        assert "wr0ng" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", f"it has to allow CONNECT to {NAME}:9093"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "answers 503 Service Unavailable"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 " + b"x" * 70_000, "does not speak HTTP"),
        (b"", "does not speak HTTP, or broke off"),
    ],
)
def test_what_the_proxy_answers_is_named(
    answer: bytes, words: str, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal with its remedy, something else than a proxy, an endless line, an early end."""
    with pytest.raises(UnreachableError) as refused:
        asked(pki, pki.context(), "http://127.0.0.1:{}", monkeypatch, answer=answer)  # type: ignore[arg-type]
    assert words in str(refused.value)


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the proxy that cannot be reached, not the SuperLink."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    with FlowerClient(Connection(address=f"{NAME}:9093"), timeout=10) as client:
        words = f"the proxy 127.0.0.1:{port} .HTTPS_PROXY. cannot be reached: Connection refused"
        with pytest.raises(UnreachableError, match=words):
            list_runs(client)


@pytest.mark.parametrize(
    "text", ["https://proxy:3128", "socks5://proxy", "http://a:s3cret@:80", "http://p:x"]
)
def test_an_address_that_cannot_be_used_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is none, or is spoken to in another way, is named with what to write, and never shown."""
    monkeypatch.setenv("https_proxy", text)
    with pytest.raises(UsageError, match=r"^HTTPS_PROXY: ") as refused:
        proxy_for(NAME, 443)
    assert "s3cret" not in str(refused.value)


def test_loopback_goes_past_every_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local federation is reached whatever the environment says; any other address is not exempt."""
    monkeypatch.setenv("ALL_PROXY", "proxy.example:3128")
    assert [proxy_for(host, 9093) for host in ("localhost", "127.0.0.1", "127.0.0.9", "::1")] == [None] * 4
    assert str(proxy_for("10.0.0.1", 9093)) == "the proxy proxy.example:3128 (ALL_PROXY)"


LABELS = st.sampled_from(["a", "b", "hub", "north"])
HOSTS = st.one_of(
    st.lists(LABELS, min_size=1, max_size=3).map(".".join),
    st.sampled_from(["10.0.0.1", "10.0.1.1", "fd00::1"]),
)
ENTRIES = st.one_of(
    HOSTS,
    HOSTS.filter(lambda host: ":" not in host).map(lambda host: f".{host}"),
    st.sampled_from(
        ["*", "", "10.0.0.0/8", "10.0.0.1/8", "localhost", "LOCALHOST", "https://hub", "all://a.b"]
    ),
    st.builds("{}:{}".format, LABELS, st.sampled_from([443, 9092, 80])),
)


@settings(deadline=None)
@given(host=HOSTS, port=st.sampled_from([443, 9092]), entries=st.lists(ENTRIES, max_size=4))
def test_no_proxy_means_what_it_means_to_flowers_clients(host: str, port: int, entries: list[str]) -> None:
    """httpx, by which SuperNodes and app processes call, decides alike."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PROXIES:
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        patch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
        patch.setenv("NO_PROXY", ",".join(entries))
        shown = f"[{host}]" if ":" in host else host
        with httpx.Client(verify=False) as client:
            chosen = client._transport_for_url(httpx.URL(f"https://{shown}:{port}"))
            assert (proxy_for(host, port) is None) == (chosen is client._transport)
