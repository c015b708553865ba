"""A stranger's pod in every namespace, and what it gets: nothing but what docs/reference/access.md says.

The members of the federation ask the same from their own pods, and reach what they are meant to.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import probe
import pytest
from harness.cluster import Cluster
from harness.images import flower_version
from parties import ROOT, Federation, declare

from flowerbed.bundles import read_manifest

PAGE = ROOT / "docs" / "reference" / "access.md"
PROBE = Path(probe.__file__)
CONTROL = 31994
SPACE, TASKS, TENANT, ELSEWHERE = "guarded", "guarded-tasks", "guarded-near", "guarded-elsewhere"
# Seconds that an answer may take on a busy machine; what a policy drops costs all of them, once a scan.
PATIENCE = 8.0
# What the charts name, the SuperLink's own, and some that nobody has: what listens is looked up as well.
PORTS = (1, 22, 80, 443, 8000, 8080, 8404, 9091, 9092, 9093, 9094, 9095, 39091, 50051, 65535)
MEMBERS = {
    "superlink superlink": (SPACE, "app.kubernetes.io/component=superlink"),
    "superlink superexec": (SPACE, "app.kubernetes.io/component=superexec"),
    "supernode supernode": (TENANT, "app.kubernetes.io/component=supernode"),
    "supernode superexec": (TENANT, "app.kubernetes.io/component=superexec"),
}
STRANGERS = (SPACE, TASKS, TENANT, ELSEWHERE)
Edge = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that can be asked to probe; `ip` is where others find it."""

    cluster: Cluster
    namespace: str
    name: str
    container: str
    ip: str = ""

    def ask(self, **question: Any) -> Any:  # noqa: ANN401
        """Run the probe in the pod."""
        where = ("-n", self.namespace, self.name, "-c", self.container)
        command = ("python", "-", json.dumps(question))
        return json.loads(self.cluster.kubectl("exec", "-i", *where, "--", *command, stdin=PROBE.read_text()))


@dataclass(frozen=True, slots=True)
class Guarded:
    """The federation, its pods by the names of docs/reference/access.md, and the strangers."""

    federation: Federation
    members: dict[str, Pod]
    strangers: dict[str, Pod]
    disguised: Pod
    submitter: Pod

    def reached_by(self, pod: Pod) -> set[Edge]:
        """Return which members' ports answer a pod."""
        names = {member.ip: name for name, member in self.members.items() if member.ip != pod.ip}
        found = pod.ask(connect=[[ip, port] for ip in names for port in PORTS], patience=PATIENCE)
        return {(names[ip], port) for ip, port in found}


@pytest.fixture(scope="module")
def guarded(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Install a federation with everything in pods of its own, and the strangers' pods."""
    with cluster.namespaces(*STRANGERS):
        federation = declare(
            tmp_path_factory.mktemp("guarded"),
            f"""
version: 1
name: guarded
superlink:
  namespace: {SPACE}
  executor: kubernetes
  exposure: {{control: {{type: node-port, host: {cluster.address}, port: {CONTROL}}}}}
tenants:
  - {{name: near, namespace: {TENANT}, nodes: 1, isolation: process, executor: deployment}}
users:
  - {{name: vera, role: viewer}}
  - {{name: sam, role: submitter}}
  - {{name: olga, role: operator}}
""",
            {"": cluster.environment},
        )
        strangers: dict[str, tuple[str, str, dict[str, str]]] = {
            space: (space, "stranger", {}) for space in STRANGERS
        }
        strangers["disguised"] = (ELSEWHERE, "disguised", {"app.kubernetes.io/name": "supernode"})
        strangers["submitter"] = (SPACE, "submitter", {"app.kubernetes.io/name": "app"})
        cluster.apply(*(manifest(*where) for where in strangers.values()))
        federation.install()
        found = {who: Pod(cluster, space, name, "probe") for who, (space, name, _) in strangers.items()}
        for pod in found.values():
            cluster.kubectl(
                "wait", "--for=condition=Ready", f"pod/{pod.name}", "-n", pod.namespace, "--timeout=120s"
            )
        yield Guarded(
            federation,
            {name: member(cluster, name) for name in MEMBERS},
            {space: found[space] for space in STRANGERS},
            found["disguised"],
            found["submitter"],
        )


def manifest(namespace: str, name: str, labels: dict[str, str]) -> dict[str, Any]:
    """Return a pod that waits to be asked; it passes Pod Security `restricted`."""
    container = {
        "name": "probe",
        "image": f"docker.io/flwr/superexec:{flower_version()}",
        "command": ["sleep", "infinity"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "containers": [container],
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 49999,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        },
    }


def member(cluster: Cluster, name: str) -> Pod:
    """Return the pod that docs/reference/access.md calls by a name."""
    namespace, label = MEMBERS[name]
    (pod,) = cluster.get("pods", "-n", namespace, "-l", label)["items"]
    component = label.partition("=")[2]
    return Pod(cluster, namespace, pod["metadata"]["name"], component, pod["status"]["podIP"])


@cache
def rows(name: str) -> tuple[tuple[str, ...], ...]:
    """Return a table of docs/reference/access.md without its headings."""
    text = PAGE.read_text(encoding="utf-8")
    part = text.partition(f"<!-- {name}: begin -->")[2].partition(f"<!-- {name}: end -->")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return tuple(tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in lines[2:])


def documented(source: str) -> set[Edge]:
    """Return which members' ports docs/reference/access.md gives to a pod."""
    return {
        (target, int(port.removesuffix("/TCP")))
        for who, target, port, _ in rows("connections")
        if who == source and target in MEMBERS and port.endswith("/TCP")
    }


# The control listener is exposed outside the cluster here, which no pod can be told apart from.
EXPOSED = {("superlink superlink", 9093)}


@pytest.fixture(scope="module")
def reached(guarded: Guarded) -> dict[str, set[Edge]]:
    """Return which members' ports answer whom; all are asked at once, so that dropped packets cost once."""
    everybody = {
        **guarded.strangers,
        **guarded.members,
        "disguised": guarded.disguised,
        "app run": guarded.submitter,
    }
    with ThreadPoolExecutor(len(everybody)) as pool:
        return dict(zip(everybody, pool.map(guarded.reached_by, everybody.values()), strict=True))


@pytest.mark.parametrize("space", STRANGERS)
def test_a_stranger_reaches_nothing(reached: dict[str, set[Edge]], space: str) -> None:
    """Of every member's ports not one answers, but the listener that is exposed to the world."""
    assert reached[space] == EXPOSED


def test_a_label_is_no_pass(reached: dict[str, set[Edge]]) -> None:
    """A pod that calls itself a SuperNode, in a namespace that nobody declared, is a stranger."""
    assert reached["disguised"] == EXPOSED


@pytest.mark.parametrize("name", [*MEMBERS, "app run"])
def test_a_member_reaches_what_is_written(reached: dict[str, set[Edge]], name: str) -> None:
    """The same ports, asked from a member's own pod: those of access.md answer, and no other."""
    # The SuperLink alone dials nobody.
    assert bool(documented(name)) == (name != "superlink superlink")
    assert reached[name] == documented(name)


def test_nothing_listens_unseen(guarded: Guarded) -> None:
    """Every port on which a member listens, but on loopback, is one that the strangers tried."""
    listens = {name: pod.ask(listening=True) for name, pod in guarded.members.items()}
    outside = {
        name: {port for host, port in found if not host.startswith("127.")} for name, found in listens.items()
    }
    assert outside == {
        "superlink superlink": {8080, 8404, 9091, 9092, 9093},
        "superlink superexec": set(),
        "supernode supernode": {9094},
        "supernode superexec": set(),
    }
    assert ["127.0.0.1", 8000] in listens["superlink superlink"]


def service(audience: str, port: int) -> tuple[str, int]:
    return f"guarded-superlink-{audience}.{SPACE}.svc.cluster.local", port


def test_every_route_answers_as_written(guarded: Guarded, cluster: Cluster) -> None:
    """Each route of access.md at each listener: by strangers, by users from outside, and by members."""
    superlink = guarded.members["superlink superlink"]
    paths = openapi(superlink)
    assert [f"`{path}`" for path in paths] == [row[0] for row in rows("routes")]
    folder = guarded.federation.bundles / "users"
    ca = (folder / "vera" / "ca.crt").read_text()
    control = service("control", 9093)
    found = [guarded.strangers[ELSEWHERE].ask(routes=paths, at=control, ca=ca)]
    for user in ("vera", "sam", "olga"):
        tls = ssl.create_default_context(cadata=ca)
        tls.load_cert_chain(folder / user / "client.crt", folder / user / "client.key")
        found.append(probe.routes(paths, (cluster.address, CONTROL), tls, {}))
    fleet, runtime = service("fleet", 9092), service("runtime", 9091)
    for name, at, headers in (
        ("supernode supernode", fleet, admitted(guarded.federation)),
        ("supernode supernode", fleet, {}),
        ("superlink superexec", runtime, {}),
    ):
        found.append(guarded.members[name].ask(routes=paths, at=at, ca=ca, headers=headers))
    assert [tuple(each[path] for each in found) for path in paths] == [row[1:] for row in rows("routes")]
    # The other strangers, where they reach the listener at all.
    for space in (SPACE, TASKS, TENANT):
        answers = guarded.strangers[space].ask(routes=paths, at=control, ca=ca)
        assert set(answers.values()) == {probe.NOTHING}, space


def admitted(federation: Federation) -> dict[str, str]:
    """Return the header by which the gateway knows a declared node."""
    parties = read_manifest(federation.plan, federation.bundles).parties
    key = next(iter(parties[f"tenants/{federation.plan.tenants[0].name}"].identity.public_keys.values()))
    return {"flwr-public-key": base64.b64encode(key.encode()).decode()}


def openapi(superlink: Pod) -> list[str]:
    """Return every path that the SuperLink serves, as it says itself, inside its own pod."""
    where = ("-n", superlink.namespace, superlink.name, "-c", superlink.container)
    program = (
        "import ssl, urllib.request as u; t = ssl.create_default_context(cafile='/loopback/ca.crt');"
        "print(u.urlopen('https://localhost:8000/openapi.json', context=t).read().decode())"
    )
    said = superlink.cluster.kubectl("exec", *where, "--", "python", "-c", program)
    return sorted(json.loads(said)["paths"])
