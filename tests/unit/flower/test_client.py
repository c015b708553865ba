"""The client of the Control API against servers that answer well, badly, or not at all."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from flowerbed.errors import RefusedError, UnreachableError
from flowerbed.flower import client as flower_client
from flowerbed.flower.client import MEDIA, STREAM_MEDIA, FlowerClient, messages
from flowerbed.flower.connection import Connection
from support.control_servers import (
    Answer,
    Handler,
    IPv6Server,
    Server,
    list_runs,
    plain,
    reply,
    serving,
    well,
)


def test_a_call_is_answered_and_its_connection_kept() -> None:
    """Calls go to /v1/PATH as protobuf, with further headers where wanted, over one connection."""
    with serving(well) as server, FlowerClient(plain(server)) as client:
        control = messages()
        client.call("fleet/x", control.ListRunsRequest(), control.ListRunsResponse, {"flwr-signature": "s"})
        assert list_runs(client).now == "noon"
        (first, path, headers), (second, _, _) = server.calls
        assert first == second
        assert path == "/v1/fleet/x"
        assert (headers["Content-Type"], headers["Accept"], headers["flwr-signature"]) == (MEDIA, MEDIA, "s")


def test_an_idle_connection_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while a new connection is opened, since the server may have closed the old one."""
    monkeypatch.setattr(flower_client, "KEEP", 0.05)
    with serving(well) as server, FlowerClient(plain(server)) as client:
        list_runs(client)
        time.sleep(0.1)
        list_runs(client)
        assert len({address for address, _, _ in server.calls}) == 2


def test_a_connection_that_the_server_closes_is_opened_again() -> None:
    """An answer with `Connection: close` is no trouble for the next call."""

    def close(handler: Handler) -> None:
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Type", MEDIA)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(reply())

    with serving(close) as server, FlowerClient(plain(server)) as client:
        assert [list_runs(client).now, list_runs(client).now] == ["noon", "noon"]


@pytest.mark.parametrize(
    ("status", "body", "code", "detail", "exit_code"),
    [
        (404, b'{"code":16,"detail":"Run ID not found."}', 16, "Run ID not found", 2),
        (412, b'{"code":15,"detail":"Bad config.","extra":"no x"}', 15, "Bad config: no x", 2),
        (403, b'{"detail":"user eve has the role viewer"}', 0, "user eve has the role viewer", 3),
        (401, b"", 0, "Unauthorized", 3),
        (500, b"Internal Server Error", 0, "Internal Server Error", 3),
        (409, b"[1]", 0, "Conflict", 3),
        (
            404,
            b'{"detail":"this listener serves /v1/fleet/ only"}',
            0,
            "this listener serves /v1/fleet/ only",
            3,
        ),
        (302, b"<html>", 0, "Found", 3),
    ],
)
def test_a_refusal_is_read(status: int, body: bytes, code: int, detail: str, exit_code: int) -> None:
    """Status, Flower's code and its words are told, with the address; a proxy's page gives its reason."""
    with serving(lambda handler: handler.give(status, body, "application/json")) as server:
        with FlowerClient(plain(server)) as client, pytest.raises(RefusedError) as refused:
            list_runs(client)
        error = refused.value
        assert (error.status, error.code, error.exit_code) == (status, code, exit_code)
        assert error.detail.lower() == detail.lower()
        assert plain(server).address in str(error)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_without_its_superlink_is_unreachable(status: int) -> None:
    """What a gateway answers in the SuperLink's absence is worth another try, and no refusal."""
    body = json.dumps({"detail": "the SuperLink does not answer"}).encode()
    with serving(lambda handler: handler.give(status, body, "application/json")) as server:
        with (
            FlowerClient(plain(server)) as client,
            pytest.raises(UnreachableError, match="does not answer, HTTP") as error,
        ):
            list_runs(client)
        assert not error.value.lost


@pytest.mark.parametrize(
    ("body", "media", "message"),
    [
        (b"<html>hello</html>", "text/html", "not as a SuperLink"),
        (b"\xff\xff", MEDIA, "not Flower's protobuf"),
    ],
)
def test_another_server_is_not_taken_for_a_superlink(body: bytes, media: str, message: str) -> None:
    """A page, or bytes that are no message, are told as such."""
    with (
        serving(lambda handler: handler.give(200, body, media)) as server,
        FlowerClient(plain(server)) as client,
        pytest.raises(UnreachableError, match=message),
    ):
        list_runs(client)


def test_an_answer_given_before_the_request_was_read_is_heard() -> None:
    """A gateway that refuses a large body without reading it is quoted, not reported as a broken pipe."""

    def refuse(handler: Handler) -> None:
        body = b'{"detail":"too large"}'
        handler.wfile.write(
            b"HTTP/1.1 413 No\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n" + body
        )
        handler.close_connection = True
        # As a proxy does it: no more writing, but the socket is drained before it is closed.
        handler.connection.shutdown(socket.SHUT_WR)
        while handler.connection.recv(1 << 20):
            pass

    control = messages()
    request = control.StartRunRequest()
    request.fab.content = bytes(8 * 1024 * 1024)
    with (
        serving(refuse) as server,
        FlowerClient(plain(server)) as client,
        pytest.raises(RefusedError, match="too large"),
    ):
        client.call("control/start-run", request, control.StartRunResponse)


def stream(pieces: list[bytes], *, whole: bool = True) -> Answer:
    def give(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", STREAM_MEDIA)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if whole:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    return give


def framed(*texts: str) -> bytes:
    bodies = [messages().StreamLogsResponse(log_output=text).SerializeToString() for text in texts]
    return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


def read_stream(server: Server) -> Iterator[str]:
    control = messages()
    client = FlowerClient(plain(server))
    for message in client.stream(
        "control/stream-logs", control.StreamLogsRequest(), control.StreamLogsResponse
    ):
        yield message.log_output


@pytest.mark.parametrize("size", [1, 3, 4, 7, 1000])
def test_frames_are_found_however_they_are_cut(size: int) -> None:
    """Messages of a stream need not begin where HTTP's chunks begin."""
    data = framed("one", "", "two" * 300, "é")
    with serving(stream([data[at : at + size] for at in range(0, len(data), size)])) as server:
        assert list(read_stream(server)) == ["one", "", "two" * 300, "é"]


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [([framed("one")], False), ([framed("one"), b"\0\0"], True), ([framed("one"), b"\0\0\0\7abc"], True)],
)
def test_a_broken_stream_gives_what_came_and_then_says_so(pieces: list[bytes], whole: bool) -> None:
    """A stream that is cut between or within messages is no end; the messages before it count."""
    with serving(stream(pieces, whole=whole)) as server:
        texts = read_stream(server)
        assert next(texts) == "one"
        with pytest.raises(UnreachableError):
            next(texts)


def test_a_server_that_says_nothing_is_given_up() -> None:
    """Every wait is bounded; the call may have had its effect, and the error knows that."""
    release = threading.Event()
    with serving(lambda _: bool(release.wait(10))) as server:  # type: ignore[arg-type]
        with FlowerClient(plain(server), timeout=0.2) as client, pytest.raises(UnreachableError) as error:
            list_runs(client)
        release.set()
    assert "no answer within 0.2 s" in str(error.value)
    assert error.value.lost


@pytest.mark.parametrize(
    ("address", "message"),
    [("127.0.0.1:1", "Connection refused"), ("no-such-host.invalid:80", "the host's name is unknown")],
)
def test_nobody_at_the_address(address: str, message: str) -> None:
    """An address without a server, and a name without an address, are told with the address."""
    with (
        pytest.raises(UnreachableError, match=message) as error,
        FlowerClient(Connection(address=address, insecure=True)) as client,
    ):
        list_runs(client)
    assert str(error.value).startswith(address)


def test_ipv6() -> None:
    """An IPv6 address in brackets is dialled."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")
    with serving(well, kind=IPv6Server) as server:
        connection = Connection(address=f"[::1]:{server.server_address[1]}", insecure=True)
        with FlowerClient(connection) as client:
            assert list_runs(client).now == "noon"
