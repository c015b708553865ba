"""The attackers of attack.py: asyncio clients in a process of their own, so that they slow no measurement.

Each keeps its number of connections up for as long as it runs: one that the gateway ends is opened again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import multiprocessing
import ssl
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path

DRIP = 5.0  # seconds between two bytes: within the gateway's clock of 10 s
PAUSE = 1.0  # seconds before a connection is opened again: a flood of handshakes is another attack
LENGTHS = (2**20, 2**31, 2**32, 2**32 + 5, 2**63 - 1)
MEDIA = "application/protobuf"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to attack and as whom: `client` is the folder of a user's certificate, None for a stranger."""

    address: str
    authority: Path
    client: Path | None = None

    def tls(self) -> ssl.SSLContext:
        """Return what the attacker's handshakes go by."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if self.client:
            context.load_cert_chain(self.client / "client.crt", self.client / "client.key")
        return context


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack: what each of `number` connections sends first, and what it does then."""

    name: str
    number: int
    target: Target
    path: str = ""
    lengths: tuple[int, ...] = ()
    first: bytes = b""
    then: str = "nothing"  # nothing, drips or floods


@contextlib.contextmanager
def running(attack: Attack) -> Iterator[None]:
    """Attack from another process for as long as the context lasts."""
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_process, args=(attack,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _process(attack: Attack) -> None:
    asyncio.run(_all(attack))


async def _all(attack: Attack) -> None:
    await asyncio.gather(*(_kept_up(attack, number) for number in range(attack.number)))


async def _kept_up(attack: Attack, number: int) -> None:
    tls = attack.target.tls() if attack.path else None
    lengths = itertools.cycle(attack.lengths[number % (len(attack.lengths) or 1) :] or (0,))
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            await _once(attack, tls, next(lengths))
        await asyncio.sleep(PAUSE)


async def _once(attack: Attack, tls: ssl.SSLContext | None, length: int) -> None:
    host, _, port = attack.target.address.rpartition(":")
    expected = "localhost" if tls else None
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, server_hostname=expected)
    try:
        if attack.path:
            writer.write(_head(attack.path, length) + attack.first)
            await writer.drain()
        await _together(_until_closed(reader), _SENDERS[attack.then](writer))
    finally:
        writer.transport.abort()


def _head(path: str, length: int) -> bytes:
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {MEDIA}",
        f"Content-Length: {length}",
    )
    return "\r\n".join((*lines, "", "")).encode()


async def _together(*coroutines: Coroutine[object, object, None]) -> None:
    """Run all until the first of them ends."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    _, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()


async def _until_closed(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def _nothing(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _drips(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        await asyncio.sleep(DRIP)
        writer.write(b"x")
        await writer.drain()


async def _floods(writer: asyncio.StreamWriter) -> None:
    block = bytes(2**20)
    while not writer.is_closing():
        writer.write(block)
        await writer.drain()


_SENDERS: dict[str, Callable[[asyncio.StreamWriter], Coroutine[object, object, None]]] = {
    "nothing": _nothing,
    "drips": _drips,
    "floods": _floods,
}
