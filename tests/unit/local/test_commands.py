"""The command lines of a local federation, from a plan, ports and paths alone."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest

from flowerbed.declaration import load_plan
from flowerbed.local import commands, execution
from flowerbed.local.commands import Command, LocalLayout, base_environment, purposes
from flowerbed.local.differences import notes, warnings
from flowerbed.local.state import StateDirectory
from flowerbed.plan import Plan
from support.paths import ROOT

STATE = Path("/srv/fed/.flowerbed/hospitals")
HEAD = 'version: 1\nname: hospitals\nflower: "1.41"\n'
TENANTS = """\
tenants:
  - {name: north, nodes: 2, env: {OMP_NUM_THREADS: "1"}}
  - {name: west, nodes: 1, isolation: process}
"""
USERS = "users: [{name: analyst, role: submitter}]\n"


def plan_of(folder: Path, text: str) -> Plan:
    (folder / "federation.yaml").write_text(text)
    return load_plan(folder / "federation.yaml")


def layout_of(plan: Plan, *, gateway: bool = True, state: Path = STATE) -> LocalLayout:
    ports = {purpose: 20000 + number for number, purpose in enumerate(purposes(plan, gateway=gateway))}
    return LocalLayout(
        plan=plan,
        directory=StateDirectory(state),
        ports=ports,
        gateway=gateway,
        python=Path("/venv/bin/python"),
        flower=Path("/package/flower"),
        gateway_config=Path("/package/haproxy.cfg"),
    )


def flags(command: Command) -> dict[str, str]:
    """Return flags with their values; one without a value has ""."""
    found = {}
    for here, after in itertools.pairwise([*command.arguments, "--"]):
        if here.startswith("--"):
            found[here] = "" if after.startswith("--") else after
    return found


@pytest.fixture
def layout(tmp_path: Path) -> LocalLayout:
    return layout_of(plan_of(tmp_path, HEAD + TENANTS + USERS))


def test_the_superlink_is_closed_and_keeps_its_state(layout: LocalLayout) -> None:
    """It listens on loopback with TLS, admits registered keys only, and runs no app itself."""
    command = commands.superlink(layout)
    assert command.arguments == (
        "flower-superlink",
        *("--host", "127.0.0.1", "--port", "20000"),
        *("--ssl-certfile", f"{STATE}/superlink/tls/tls.crt"),
        *("--ssl-keyfile", f"{STATE}/superlink/tls/tls.key"),
        *("--ssl-ca-certfile", f"{STATE}/superlink/tls/ca.crt"),
        "--enable-supernode-auth",
        *("--database", f"{STATE}/superlink/state.db"),
        *("--isolation", "process", "--superexec-auth-secret-file", f"{STATE}/superexec/secret"),
        "--disable-runtime-dependency-installation",
    )


def test_open_admission_and_insecurity_change_the_superlink(tmp_path: Path) -> None:
    """With open admission nodes may register themselves; an insecure SuperLink has no TLS at all."""
    opened = flags(
        commands.superlink(layout_of(plan_of(tmp_path, HEAD + "admission: open\n" + TENANTS + USERS)))
    )
    assert "--enable-supernode-auth" not in opened
    assert "--ssl-certfile" in opened
    bare = flags(commands.superlink(layout_of(plan_of(tmp_path, HEAD + "insecure: true\n" + TENANTS))))
    assert "--insecure" in bare
    assert not [flag for flag in bare if flag.startswith("--ssl") or flag == "--enable-supernode-auth"]


def test_a_node_dials_the_gateway_with_its_own_files(layout: LocalLayout) -> None:
    """Each SuperNode has its own key, node config, port, and the federation's CA; it starts by waiting."""
    tenant = layout.plan.tenants[0]
    command = commands.supernode(layout, tenant, tenant.nodes[1])
    folder = f"{STATE}/nodes/hospitals-north-1"
    assert command.arguments[:3] == ("/venv/bin/python", "/package/flower/launch.py", "supernode")
    assert flags(command) == {
        "--state": folder,
        "--superlink": f"127.0.0.1:{layout.ports['fleet']}",
        "--root-certificates": f"{STATE}/gateway/ca.crt",
        "--auth-supernode-private-key": f"{folder}/key",
        "--node-config": f"{folder}/node.toml",
        "--host": "127.0.0.1",
        "--port": str(layout.ports["hospitals-north-1"]),
        "--isolation": "subprocess",
    }


def test_process_isolation_has_an_executor_with_the_nodes_own_secret(layout: LocalLayout) -> None:
    """The node and its SuperExec share a secret and an address that no other node has."""
    tenant = layout.plan.tenants[1]
    node = flags(commands.supernode(layout, tenant, tenant.nodes[0]))
    executor = flags(commands.node_superexec(layout, tenant, tenant.nodes[0]))
    assert node["--isolation"] == "process"
    assert executor["--superexec-auth-secret-file"] == node["--superexec-auth-secret-file"]
    assert executor["--runtime-api-address"] == f"{node['--host']}:{node['--port']}"
    assert "--auth-supernode-private-key" not in executor


def test_the_superexec_goes_where_the_plan_puts_it(tmp_path: Path, layout: LocalLayout) -> None:
    """By default through the gateway's runtime listener; as a sidecar to the SuperLink itself."""
    assert (
        flags(commands.superexec(layout))["--runtime-api-address"] == f"127.0.0.1:{layout.ports['runtime']}"
    )
    beside = layout_of(plan_of(tmp_path, HEAD + "superlink: {executor: sidecar}\n" + TENANTS + USERS))
    found = flags(commands.superexec(beside))
    assert found["--runtime-api-address"] == f"127.0.0.1:{beside.ports['superlink']}"
    assert found["--root-certificates"] == f"{STATE}/superlink/tls/ca.crt"


def test_without_a_gateway_all_dial_the_superlink(tmp_path: Path) -> None:
    """There is one address for every audience, under the SuperLink's own certificate."""
    layout = layout_of(plan_of(tmp_path, HEAD + TENANTS + USERS), gateway=False)
    tenant = layout.plan.tenants[0]
    assert {layout.address(audience) for audience in ("fleet", "control", "runtime")} == {"127.0.0.1:20000"}
    found = flags(commands.supernode(layout, tenant, tenant.nodes[0]))
    assert (found["--superlink"], found["--root-certificates"]) == (
        "127.0.0.1:20000",
        f"{STATE}/superlink/tls/ca.crt",
    )


def test_the_gateway_is_told_everything_by_its_environment(layout: LocalLayout) -> None:
    """Its file is the chart's; paths are relative, so that a state folder may be called anything."""
    command = commands.gateway(layout)
    assert command.arguments == ("haproxy", "-W", "-db", "-f", "/package/haproxy.cfg")
    assert command.folder == STATE / "gateway"
    used = set(command.environment) - {"FLOWERBED_STATE"}
    text = (ROOT / "charts" / "superlink" / "files" / "haproxy.cfg").read_text()
    assert [name for name in used if f"${{{name}}}" not in text and f"${{{name}-" not in text] == []
    assert not [value for name, value in command.environment.items() if value[:1] == "/" and name in used]


def every(layout: LocalLayout) -> list[Command]:
    nodes = [(tenant, node) for tenant in layout.plan.tenants for node in tenant.nodes]
    return [
        commands.superlink(layout),
        commands.registrar(layout),
        commands.superexec(layout),
        *(commands.supernode(layout, tenant, node) for tenant, node in nodes),
        *(commands.node_superexec(layout, tenant, node) for tenant, node in nodes),
    ]


def test_every_process_is_marked_and_kept_at_home(layout: LocalLayout) -> None:
    """Telemetry, update checks and installation are off, whatever a tenant's env says, which else counts."""
    for command in every(layout):
        found = command.environment
        assert found["FLWR_TELEMETRY_ENABLED"] == "0"
        assert found["FLWR_DISABLE_UPDATE_CHECK"] == "1"
        assert found["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"
        assert found["FLWR_HOME"].startswith(str(STATE))
        assert found["FLOWERBED_STATE"] == str(STATE)
    assert "OMP_NUM_THREADS" not in commands.superlink(layout).environment
    tenant = layout.plan.tenants[0]
    # A declaration may not say this; a plan that did would change nothing.
    pod = msgspec.structs.replace(tenant.pod, env={**tenant.pod.env, "FLWR_HOME": "/mine"})
    changed = msgspec.structs.replace(tenant, pod=pod)
    found = commands.supernode(layout, changed, tenant.nodes[0]).environment
    assert (found["OMP_NUM_THREADS"], found["FLWR_HOME"]) == ("1", f"{STATE}/nodes/hospitals-north-0/flwr")


def test_a_long_path_is_no_temporary_folder(tmp_path: Path) -> None:
    """Apps make sockets below TMPDIR, and such a path has a limit: a longer one is left to the system."""
    plan = plan_of(tmp_path, HEAD + TENANTS + USERS)
    short = commands.superlink(layout_of(plan, state=Path("/s")))
    assert short.environment["TMPDIR"] == "/s/superlink/tmp"
    deep = commands.superlink(layout_of(plan, state=Path("/" + "long/" * 20)))
    assert "TMPDIR" not in deep.environment


def test_the_callers_environment_cannot_change_flower() -> None:
    """Flower's own variables and the gateway's are left out, Flower's programs are found first."""
    caller = {
        "PATH": "/bin",
        "FLWR_HOME": "/x",
        "GATEWAY_INSECURE": "true",
        "FLWR_LOG_LEVEL": "DEBUG",
        "A": "b",
    }
    assert base_environment(caller, Path("/venv/bin/python")) == {
        "PATH": "/venv/bin:/bin",
        "FLWR_LOG_LEVEL": "DEBUG",
        "A": "b",
    }


def test_what_does_not_apply_here_is_said(tmp_path: Path) -> None:
    """Kubernetes' fields are named with their party; what applies is not."""
    text = HEAD + "superlink: {resources: {limits: {memory: 2Gi}}}\n"
    text += "tenants:\n  - {name: north, nodes: 1, data: [{claim: scans, mount: /data}], "
    text += "secrets: [{name: s3, env: true}]}\n"
    text += "  - {name: south, nodes: 1}\n" + USERS
    assert notes(plan_of(tmp_path, text), gateway=True) == [
        "superlink: resources is for Kubernetes and not applied here",
        "tenant north: data, secrets are for Kubernetes and not applied here",
    ]
    assert notes(plan_of(tmp_path, HEAD + TENANTS + USERS), gateway=True) == []


def test_dangers_are_said(tmp_path: Path) -> None:
    """Each way in that is open is named; the safest setting still names the SuperLink's own port."""
    plan = plan_of(tmp_path, HEAD + TENANTS + USERS)
    assert "port 4711" in warnings(plan, gateway=True, superlink=4711)[0]
    assert "there is no gateway" in warnings(plan, gateway=False, superlink=4711)[0]
    insecure = plan_of(tmp_path, HEAD + "insecure: true\nadmission: open\n" + TENANTS)
    said = warnings(insecure, gateway=True, superlink=4711)
    assert [text.split(":")[0] for text in said] == ["insecure", "admission is open"]


def test_execution_is_as_declared(tmp_path: Path, layout: LocalLayout) -> None:
    """Fast by default; all nodes together ask at most 42.5 times a second where they ask often."""
    stock = layout_of(plan_of(tmp_path, HEAD + "execution: stock\n" + TENANTS + USERS))
    assert {one.environment.get("FLOWERBED_EXECUTION", "stock") for one in every(stock)} == {"stock"}
    assert {one.environment.get("FLOWERBED_EXECUTION") for one in every(layout)} == {None, "fast"}
    fast = layout_of(plan_of(tmp_path, HEAD + "preload: [numpy, sklearn.svm]\n" + TENANTS + USERS))
    found = commands.superexec(fast).environment
    assert found["FLOWERBED_EXECUTION"] == "fast"
    assert found["FLOWERBED_PRELOAD"] == "numpy,sklearn.svm"
    assert found["FLOWERBED_PULL_INTERVAL"] == "0.07"


def test_status_says_why_execution_is_not_fast(tmp_path: Path) -> None:
    """The reason of each SuperExec that forks nothing, once for all that have it."""
    plan = plan_of(tmp_path, HEAD + TENANTS + USERS)
    directory = StateDirectory(tmp_path / "state")
    for folder, text in [
        (directory.path / "superexec", "fast\n"),
        (directory.node("hospitals-north-0"), "stock: moved\n"),
        (directory.node("hospitals-west-0"), "stock: moved\n"),
    ]:
        folder.mkdir(parents=True)
        commands.execution_file(folder).write_text(text)
    names = "ClientApps of hospitals-north-0, ClientApps of hospitals-west-0"
    said = "their processes are started in Flower's own way, which is slower: moved"
    assert execution.sentences(plan, directory) == [f"{names}: {said}"]
    assert execution.sentences(msgspec.structs.replace(plan, execution="stock"), directory) == []
