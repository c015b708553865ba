"""Who gets past the gateway with which of the SuperLink's routes: every route, every role, every listener."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.request
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flowerbed.errors import RefusedError
from flowerbed.flower.connection import Connection
from flowerbed.flower.programs.supernode import Fleet
from flowerbed.identities import NodeKey
from flowerbed.local import Federation
from flowerbed.local.state import StateDirectory
from support.gateway_calls import Answer, as_node, call, trust

pytestmark = pytest.mark.needs("haproxy")

READS = {
    "list-runs",
    "stream-logs",
    "stream-run-events",
    "list-nodes",
    "list-federations",
    "show-federation",
    "list-apps",
    "pull-artifacts",
    "list-run-series",
    "get-run-series",
    "list-run-series-events",
    "get-login-details",
}
STARTS = {"start-run", "stop-run"}
# Admission is listed: registering by hand is nobody's, see the test below.
MANAGES = {"unregister-node"}
MAY = {"vera": READS, "sam": READS | STARTS, "olga": READS | STARTS | MANAGES}


@pytest.fixture(scope="module")
def folder(hospitals: Federation) -> Path:
    return StateDirectory.of(hospitals.file, "hospitals").path


@pytest.fixture(scope="module")
def authority(folder: Path) -> Path:
    return folder / "gateway" / "ca.crt"


@pytest.fixture(scope="module")
def routes(hospitals: Federation, folder: Path) -> list[str]:
    """Return every path that the SuperLink serves, as it says itself, past the gateway."""
    port = hospitals.record.ports["superlink"]
    context = trust(folder / "superlink" / "tls" / "ca.crt")
    page = f"https://127.0.0.1:{port}/openapi.json"
    with urllib.request.urlopen(page, context=context) as answer:
        return sorted(json.load(answer)["paths"])


@pytest.fixture(scope="module")
def addresses(hospitals: Federation) -> dict[str, str]:
    return {name: endpoint.address for name, endpoint in hospitals.record.endpoints.items()}


def as_user(folder: Path, user: str) -> ssl.SSLContext:
    own = folder / "users" / user
    return trust(own / "ca.crt", own / "client.crt", own / "client.key")


def passed(
    address: str, routes: list[str], tls: ssl.SSLContext, headers: dict[str, str] | None = None
) -> set[str]:
    return {route for route in routes if call(address, route, tls, headers=headers).passed}


def test_the_superlink_has_the_known_routes(routes: list[str]) -> None:
    """All 76 routes of Flower 1.41 are tried below; another number asks for another look at the roles."""
    counts = {audience: sum(f"/v1/{audience}/" in route for route in routes) for audience in MAYBE}
    assert counts == {"control": 41, "fleet": 12, "runtime": 22}
    assert len(routes) == 76


MAYBE = ("control", "fleet", "runtime")


@pytest.mark.parametrize("user", ["vera", "sam", "olga"])
def test_a_role_opens_its_routes_and_no_other(
    folder: Path, routes: list[str], addresses: dict[str, str], user: str
) -> None:
    """At the control listener each user gets past with exactly the routes of the role."""
    found = passed(addresses["control"], routes, as_user(folder, user))
    assert found == {f"/v1/control/{name}" for name in MAY[user]}


def test_a_node_reaches_the_fleet_routes_and_no_other(
    hospitals: Federation, authority: Path, routes: list[str], addresses: dict[str, str]
) -> None:
    """At the fleet listener only Fleet passes, less what would register a node past the declared list."""
    found = passed(addresses["fleet"], routes, trust(authority), as_node(hospitals.file))
    closed = {"/v1/fleet/register-node", "/v1/fleet/unregister-node"}
    assert found == {route for route in routes if route.startswith("/v1/fleet/")} - closed


def test_an_unknown_key_reaches_nothing_and_reads_what_the_superlink_says(
    hospitals: Federation, authority: Path, routes: list[str], addresses: dict[str, str]
) -> None:
    """The gateway's answers to an unknown key are those of the SuperLink, to the byte; no call gets past."""
    key = NodeKey.generate()
    headers = {"flwr-public-key": base64.b64encode(key.public).decode()}
    assert passed(addresses["fleet"], routes, trust(authority), headers) == set()
    assert passed(addresses["fleet"], routes, trust(authority)) == set()
    private = serialization.load_ssh_private_key(key.private, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    past = f"127.0.0.1:{hospitals.record.ports['superlink']}"
    roots = StateDirectory.of(hospitals.file, "hospitals").path / "superlink" / "tls" / "ca.crt"
    ways = [(addresses["fleet"], authority), (past, roots)]
    for ask in (Fleet.activate, lambda fleet: fleet.deactivate(7)):
        said = []
        for address, root in ways:
            with pytest.raises(RefusedError) as refusal:
                ask(Fleet(Connection(address=address, root_certificates=root), private))
            said.append((refusal.value.status, refusal.value.code, refusal.value.detail))
        assert said[0] == said[1]


def test_an_app_process_reaches_the_runtime_routes_and_no_other(
    authority: Path, routes: list[str], addresses: dict[str, str]
) -> None:
    """At the runtime listener only Runtime passes."""
    found = passed(addresses["runtime"], routes, trust(authority))
    assert found == {route for route in routes if route.startswith("/v1/runtime/")}


@pytest.mark.parametrize("listener", ["readiness", "metrics"])
def test_probes_and_metrics_open_no_route(hospitals: Federation, routes: list[str], listener: str) -> None:
    """The plain listeners pass none of the routes on, by whatever method."""
    address = f"127.0.0.1:{hospitals.record.ports[listener]}"
    tried = [call(address, route, None, method=method) for route in routes for method in ("POST", "GET")]
    assert not any(answer.passed for answer in tried)
    assert {answer.status for answer in tried} <= {404, 405}


def test_a_stranger_gets_no_answer_at_all(
    authority: Path, routes: list[str], addresses: dict[str, str], folder: Path
) -> None:
    """Without a client certificate TLS itself ends every call to the control listener."""
    stranger = trust(authority)
    for route in routes:
        with pytest.raises((ssl.SSLError, ConnectionError), match=r"(?i)certificate|eof|reset|closed"):
            call(addresses["control"], route, stranger)
    assert call(addresses["control"], "/v1/control/list-runs", as_user(folder, "vera")).passed


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_only_post_passes(
    hospitals: Federation, folder: Path, addresses: dict[str, str], method: str
) -> None:
    """Another method than POST is answered by the gateway, whoever asks."""
    node = as_node(hospitals.file)
    for audience, route in {"control": "list-runs", "fleet": "pull-messages", "runtime": "push-logs"}.items():
        path = f"/v1/{audience}/{route}"
        assert not call(
            addresses[audience], path, as_user(folder, "olga"), method=method, headers=node
        ).passed
        assert call(addresses[audience], path, as_user(folder, "olga"), headers=node).passed


@pytest.mark.parametrize(
    "path",
    [
        "/v1/fleet/../control/list-runs",
        "/v1/fleet/..%2fcontrol/list-runs",
        "/v1/fleet/pull-messages/../../control/list-runs",
        "//v1/control/list-runs",
        "/V1/FLEET/pull-messages",
        "/v1/fleet/pull-messages/",
        "/v1/fleet/pull-messages%00",
        "/v1/fleet/pull-messages;x=/v1/control/list-runs",
        "/v1/fleet/",
        "/",
    ],
)
def test_no_way_of_writing_a_path_leads_elsewhere(
    authority: Path, addresses: dict[str, str], path: str
) -> None:
    """Dots, escapes, doubled slashes and capitals at the fleet listener are no way to another audience."""
    answer = call(addresses["fleet"], path, trust(authority))
    assert (answer.status, answer.passed) == (404, False)


def refused(folder: Path, addresses: dict[str, str], user: str, action: str) -> Answer:
    answer = call(addresses["control"], f"/v1/control/{action}", as_user(folder, user))
    assert (answer.status, answer.passed) == (403, False)
    return answer


def test_a_refusal_names_user_role_and_what_is_needed(folder: Path, addresses: dict[str, str]) -> None:
    """Whoever is refused reads who they are, what their role is, and which role the call needs."""
    said = refused(folder, addresses, "vera", "start-run").detail
    assert said == "user vera has the role viewer, but start-run needs the role submitter"
    said = refused(folder, addresses, "sam", "unregister-node").detail
    assert said == "user sam has the role submitter, but unregister-node needs the role operator"
    said = refused(folder, addresses, "olga", "archive-federation").detail
    assert said == "user olga has the role operator, but no role may call archive-federation"


def test_registering_by_hand_is_refused_while_keys_are_declared(
    folder: Path, addresses: dict[str, str]
) -> None:
    """With listed admission a key registered by hand would be unregistered for good, so nobody may."""
    assert "declared keys only" in refused(folder, addresses, "olga", "register-node").detail
    answer = call(addresses["fleet"], "/v1/fleet/register-node", trust(folder / "gateway" / "ca.crt"))
    assert (answer.status, json.loads(answer.body)["code"]) == (412, 2001)
