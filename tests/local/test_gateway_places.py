"""Nobody who is silent, drips or hoards takes a place of another node, user, audience or probe."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowerbed.local import Federation
from flowerbed.local.health import status
from flowerbed.local.state import StateDirectory
from support.further_gateway import Start, as_user
from support.gateway_calls import as_node, call, trust
from support.local_federation import until
from support.slow_clients import connected, dripping, head, is_open, offered, places, seconds_open

pytestmark = pytest.mark.needs("haproxy")

PULL, PUSH = "/v1/fleet/pull-messages", "/v1/fleet/push-object"
LIST, START = "/v1/control/list-runs", "/v1/control/start-run"
CLOCK = 10  # seconds that the gateway waits for a client


@pytest.fixture(scope="module")
def folder(hospitals: Federation) -> Path:
    return StateDirectory.of(hospitals.file, "hospitals").path


@pytest.fixture
def stranger(folder: Path) -> ssl.SSLContext:
    return trust(folder / "gateway" / "ca.crt")


def seconds(call_once: Callable[[], object]) -> float:
    began = time.monotonic()
    call_once()
    return time.monotonic() - began


@contextlib.contextmanager
def silent(address: str, number: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(offered(address, None))) for _ in range(number)]


def test_silent_connections_shut_no_listener(folder: Path, start: Start) -> None:
    """As many as a listener takes are gone after 10 s, and whoever waits behind them is served then."""
    addresses = start(GATEWAY_MAX_CONTROL="50")
    with silent(addresses["control"], 50) as opened:
        waited = seconds(lambda: call(addresses["control"], LIST, as_user(folder, "olga")))
        assert CLOCK - 3 < waited < CLOCK + 5, "it had to wait, and not for long"
        assert not any(is_open(one) for one in opened)


def test_an_address_has_a_share_of_the_connections(folder: Path, start: Start) -> None:
    """Beyond its share an address is turned away at once; others are served meanwhile."""
    addresses = start(GATEWAY_SOURCE_CONTROL="20", GATEWAY_MAX_CONTROL="50")
    with silent(addresses["control"], 40) as opened:
        time.sleep(1)
        assert sum(is_open(one) for one in opened) == 20
        with pytest.raises(OSError):  # noqa: PT011  (reset or closed, as the moment has it)
            call(addresses["control"], LIST, as_user(folder, "olga"))
        host, _, port = addresses["control"].rpartition(":")
        elsewhere = socket.create_connection((host, int(port)), timeout=20, source_address=("127.0.0.9", 0))
        tls = as_user(folder, "olga")
        with tls.wrap_socket(elsewhere, server_hostname="localhost") as other:
            other.sendall(head(LIST, 0, {"Connection": "close"}))
            assert other.recv(100).startswith(b"HTTP/1.1 ")


def test_a_user_has_a_share_of_the_connections(folder: Path, start: Start) -> None:
    """One user's connections stop at the share; another user is served meanwhile."""
    addresses = start(users="olga operator\nvera viewer\n", GATEWAY_USER_CONNECTIONS="10")
    with dripping(addresses["control"], as_user(folder, "vera"), b"", 20) as opened:
        assert sum(is_open(one) for one in opened) == 10
        assert call(addresses["control"], LIST, as_user(folder, "olga")).passed


@pytest.mark.parametrize("first", [1, 40_000])
def test_a_strangers_dripping_bodies_stop_no_node(
    hospitals: Federation, stranger: ssl.SSLContext, start: Start, first: int
) -> None:
    """64 bodies without an admitted key take no place at all, large or small; a node is answered at once."""
    addresses = start()
    for path in (PULL, PUSH):
        with dripping(addresses["fleet"], stranger, head(path, 16_000_000, {}) + bytes(first), 64):
            assert places(addresses["metrics"], "fleet-calls") == 0
            assert places(addresses["metrics"], "fleet-uploads") == 0
            node = as_node(hospitals.file)
            assert seconds(lambda: call(addresses["fleet"], path, stranger, headers=node)) < 1  # noqa: B023


def test_a_known_key_holds_a_share_of_the_uploads_and_no_small_call(
    hospitals: Federation, stranger: ssl.SSLContext, start: Start
) -> None:
    """Who knows a node's public key holds 4 uploads; small calls of every node pass meanwhile."""
    addresses, node = start(), as_node(hospitals.file)
    with dripping(addresses["fleet"], stranger, head(PUSH, 16_000_000, node) + bytes(40_000), 64) as opened:
        until(lambda: sum(is_open(one) for one in opened) == 4, 5, "4 uploads")
        assert places(addresses["metrics"], "fleet-uploads") == 4
        assert seconds(lambda: call(addresses["fleet"], PULL, stranger, headers=node)) < 1
    with dripping(addresses["fleet"], stranger, head(PULL, 10_000, node) + b"x", 64) as opened:
        assert places(addresses["metrics"], "fleet-calls") == 0
        assert seconds(lambda: call(addresses["fleet"], PULL, stranger, headers=node)) < 1
        assert seconds_open(opened[0]) < CLOCK + 3


def test_a_viewers_dripping_calls_cost_nobody_else(folder: Path, start: Start) -> None:
    """32 calls of a viewer that never arrive: the probe and an operator's call are answered within 1 s."""
    addresses = start(users="olga operator\nvera viewer\n")
    request = head(LIST, 10_000, {}) + b"x"
    with dripping(addresses["control"], as_user(folder, "vera"), request, 32) as opened:
        assert sum(is_open(one) for one in opened) == 16, "one user's share"
        assert places(addresses["metrics"], "control-calls") == 0
        assert call(addresses["readiness"], "/ready", None, method="GET").status == 200
        assert seconds(lambda: call(addresses["control"], LIST, as_user(folder, "olga"))) < 1
        assert seconds_open(opened[0]) < CLOCK + 3


def said(address: str, tls: ssl.SSLContext, request: bytes) -> int:
    """Return the status that a request is answered with, also where the rest of it is not read."""
    with contextlib.closing(connected(address, tls)) as one:
        with contextlib.suppress(OSError):
            one.sendall(request)
        return int(one.recv(100).split()[1])


def test_a_small_call_that_fills_the_buffer_is_refused(
    hospitals: Federation, folder: Path, start: Start
) -> None:
    """40 kB, or 8 kB behind 11 kB of headers, are refused where no call is so large; 8 kB alone pass."""
    addresses, node = start(), as_node(hospitals.file)
    tls = as_user(folder, "olga")
    padding = {f"x-{number}": "x" * 1000 for number in range(11)}
    for audience, path, refusal in (("fleet", PULL, 503), ("control", LIST, 413)):
        address = addresses[audience]
        assert said(address, tls, head(path, 40_000, node) + bytes(40_000)) == refusal
        assert said(address, tls, head(path, 8_000, {**node, **padding}) + bytes(8_000)) == refusal
        assert call(address, path, tls, body=bytes(8_000), headers=node).passed


def test_probes_take_no_body_and_no_place_of_users(folder: Path, start: Start) -> None:
    """Dripping probes are refused, silent ones end in 3 s, and neither users nor the probe wait."""
    addresses = start()
    request = head("/ready", 10_000, {}).replace(b"POST", b"GET") + b"x"
    with contextlib.ExitStack() as stack:
        opened = [
            stack.enter_context(contextlib.closing(connected(addresses["readiness"], None)))
            for _ in range(64)
        ]
        for one in opened:
            one.sendall(request)
        assert opened[0].recv(100).startswith(b"HTTP/1.1 413")
        assert seconds(lambda: call(addresses["control"], LIST, as_user(folder, "olga"))) < 1
        assert call(addresses["readiness"], "/ready", None, method="GET").status == 200
    assert seconds_open(connected(addresses["readiness"], None)) < 5


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_of_one_listener_opens_another(
    folder: Path, start: Start, version: ssl.TLSVersion
) -> None:
    """A stranger's session of the fleet listener is not resumed, there or at control."""
    addresses, tls = start(), trust(folder / "gateway" / "ca.crt")
    tls.minimum_version = tls.maximum_version = version
    with contextlib.closing(connected(addresses["fleet"], tls)) as first:
        assert isinstance(first, ssl.SSLSocket)
        first.sendall(head(PULL, 0, {}))
        first.recv(1000)
        session = first.session
    with contextlib.closing(resumed(addresses["fleet"], tls, session)) as again:
        assert not again.session_reused
        again.sendall(head(PULL, 0, {}))
        assert again.recv(100)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        refused(resumed(addresses["control"], tls, session))


def resumed(address: str, tls: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLSocket:
    host, _, port = address.rpartition(":")
    plain = socket.create_connection((host, int(port)), timeout=10)
    return tls.wrap_socket(plain, server_hostname="localhost", session=session)


def refused(opened: ssl.SSLSocket) -> None:
    """Call, and fail as TLS 1.3 lets a client see it: at the first read."""
    with opened:
        opened.sendall(head(LIST, 0, {}))
        if not opened.recv(100):
            raise ConnectionError("closed")


def test_an_offer_of_another_protocol_goes_no_further(
    hospitals: Federation, folder: Path, start: Start
) -> None:
    """Sent past the gateway, the SuperLink's server logs the offer; through the gateway it never sees one."""
    offer = {"Connection": "Upgrade", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    log = folder / "logs" / "superlink.log"

    def offers() -> int:
        return log.read_text().count("Unsupported upgrade request")

    before = offers()
    assert call(start()["control"], LIST, as_user(folder, "olga"), headers=offer).passed
    past = f"127.0.0.1:{hospitals.record.ports['superlink']}"
    call(past, LIST, trust(folder / "superlink" / "tls" / "ca.crt"), headers=offer)
    until(lambda: offers() > before, 5, "the offer past the gateway in the log")
    assert offers() == before + 1


def test_the_federation_stayed_whole(hospitals: Federation) -> None:
    """All of this went on in front of the SuperLink of a federation: its nodes are online."""
    found = status(hospitals.plan, hospitals.file)
    assert found.healthy, found.problems
