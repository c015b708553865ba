"""What the gateway costs: a Fleet call through it beside the same call straight to the SuperLink, over TLS.

    python bench/gateway.py [--calls N] [--rounds N]

A federation of one node comes up on this machine; a pull of messages, signed as a SuperNode signs it, goes
over kept connections, one way and the other in turn. Then several clients at once count what they get done.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measure import BenchError, environment, table, write_results

from flowerbed.declaration import load_plan
from flowerbed.flower.client import flwr_without_init
from flowerbed.flower.connection import Connection
from flowerbed.flower.programs.supernode import Fleet, read_key
from flowerbed.local import Federation, up
from flowerbed.local.state import StateDirectory
from flowerbed.runs import list_nodes

DECLARATION = """version: 1
name: bench
flower: "1.41"
tenants: [{name: north, nodes: 1}]
users: [{name: analyst, role: submitter}]
"""
WAYS = ("direct", "gateway")
CLIENTS = 4
SECONDS = 1.0  # of each round of all clients
Place = tuple[str, str, str, int]  # address, CA, key, node id


def puller(place: Place) -> Callable[[], None]:
    """Return what pulls a node's messages once."""
    address, authority, key_file, node_id = place
    key = read_key(Path(key_file))
    if key is None:
        raise BenchError(f"no key in {key_file}")
    with flwr_without_init():
        from flwr.proto.fleet_pb2 import PullMessagesRequest, PullMessagesResponse
        from flwr.proto.node_pb2 import Node
    fleet = Fleet(Connection(address=address, root_certificates=Path(authority)), key)
    request = PullMessagesRequest(node=Node(node_id=node_id))

    def pull() -> None:
        fleet.call("fleet/pull-messages", request, PullMessagesResponse, fleet._signed())

    return pull


def places(federation: Federation) -> dict[str, Place]:
    """Return both ways to the SuperLink, as the federation's only node."""
    folder = StateDirectory.of(federation.file, "bench").path
    node = list_nodes(Connection.load(federation.connection("analyst")))[0]
    key = str(folder / "nodes" / str(node.name) / "key")
    past = f"127.0.0.1:{federation.record.ports['superlink']}"
    return {
        "direct": (past, str(folder / "superlink" / "tls" / "ca.crt"), key, int(node.node_id)),
        "gateway": (
            federation.record.endpoints["fleet"].address,
            str(folder / "gateway" / "ca.crt"),
            key,
            int(node.node_id),
        ),
    }


def latencies(found: dict[str, Place], calls: int) -> dict[str, list[float]]:
    """Return the seconds of each call, the ways in turn, forwards and backwards."""
    pulls = {way: puller(place) for way, place in found.items()}
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(-20, calls):
        for way in WAYS if turn % 2 else reversed(WAYS):
            started = time.perf_counter()
            pulls[way]()
            if turn >= 0:
                taken[way].append(time.perf_counter() - started)
    return taken


def worker(place: Place, start: float, counts: multiprocessing.Queue[int]) -> None:
    """Pull as often as it goes from a moment on, and put the number."""
    pull = puller(place)
    pull()
    time.sleep(max(0.0, start - time.time()))
    done = 0
    while time.time() < start + SECONDS:
        pull()
        done += 1
    counts.put(done)


def throughput(place: Place) -> float:
    """Return the calls per second of all clients together."""
    context = multiprocessing.get_context("fork")
    counts: multiprocessing.Queue[int] = context.Queue()
    start = time.time() + 1.0
    clients = [context.Process(target=worker, args=(place, start, counts)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        return sum(counts.get(timeout=30) for _ in clients) / SECONDS
    finally:
        for client in clients:
            client.terminate()
            client.join()


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=1000, metavar="N", help="calls each way (default: 1000)")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="rounds each way (default: 15)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "federation.yaml")
        file.write_text(DECLARATION)
        with up(load_plan(file), file, tell=lambda text: print(text, file=sys.stderr)) as federation:
            found = places(federation)
            taken = latencies(found, options.calls)
            rates: dict[str, list[float]] = {way: [] for way in WAYS}
            for turn in range(options.rounds):
                for way in WAYS if turn % 2 else reversed(WAYS):
                    rates[way].append(throughput(found[way]))
    report(taken, rates)


def report(taken: dict[str, list[float]], rates: dict[str, list[float]]) -> None:
    """Print the table and write the figures."""
    cuts = {way: statistics.quantiles(seconds, n=100) for way, seconds in taken.items()}
    p50, p99 = ({way: cut[index] for way, cut in cuts.items()} for index in (49, 98))
    rate = {way: statistics.median(found) for way, found in rates.items()}
    # Of neighbours in time, since whatever else the machine does comes and goes.
    pairs = zip(rates["gateway"], rates["direct"], strict=True)
    share = statistics.median(through / past for through, past in pairs)
    ratios = {"p50": p50["gateway"] / p50["direct"], "throughput": share}
    rows = [(way, f"{p50[way] * 1e3:.2f}", f"{p99[way] * 1e3:.2f}", f"{rate[way]:.0f}") for way in WAYS]
    rows.append(
        (
            "gateway to direct",
            f"{ratios['p50']:.2f}",
            f"{p99['gateway'] / p99['direct']:.2f}",
            f"{ratios['throughput']:.2f}",
        )
    )
    print(f"A Fleet call through the gateway ({environment()})\n")
    print(table(("way", "p50 ms", "p99 ms", f"calls/s of {CLIENTS} clients"), rows))
    write_results("gateway", {"p50": p50, "p99": p99, "calls per second": rate, "ratios": ratios})


if __name__ == "__main__":
    main()
