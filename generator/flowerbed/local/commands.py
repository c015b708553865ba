"""The command lines of a local federation's processes: the same flags as the charts render.

Pure: a plan, ports and paths give arguments and environment. Nothing is read, written or started here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowerbed.flower.proxy import sparing_loopback
from flowerbed.local.ports import HOST
from flowerbed.local.state import StateDirectory
from flowerbed.plan import Component, Node, Plan, Tenant

# flwr 1.41: off-switches for what would leave the machine, wanted by every process, app processes included.
FLOWER_ENVIRONMENT = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "PYTHONUNBUFFERED": "1",
}
# Apps make sockets below TMPDIR, whose paths may have 107 bytes; Python's own are up to 33 long.
LONGEST_TMPDIR = 70
# All SuperNodes together ask the SuperLink for messages at most this often, a quarter of what it answers.
PULLS_PER_SECOND = 170 / 4
# What working folders of ended runs may take together, of each node and of all ServerApps.
RUN_FOLDERS_MB = 5_000


@dataclass(frozen=True, slots=True)
class Command:
    """How a process starts: arguments, environment on top of the caller's, working folder."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = Path()


@dataclass(frozen=True, slots=True)
class LocalLayout:
    """Where a plan runs on this machine. `ports` by purpose: audiences, `superlink`, and node names.

    `flower` is the directory of the package's Flower side, `python` the interpreter that has flwr.
    `environments` are the interpreters of components whose images bring packages; `search_path` is the PATH,
    `no_proxy` the hosts that this machine reaches without a proxy, `python_path` the PYTHONPATH.
    """

    plan: Plan
    directory: StateDirectory
    ports: Mapping[str, int]
    gateway: bool
    python: Path
    flower: Path
    gateway_config: Path
    environments: Mapping[Component, Path] = field(default_factory=dict)
    search_path: str = ""
    no_proxy: str = ""
    python_path: str = ""

    def python_of(self, component: Component) -> Path:
        """Return the interpreter that runs a component."""
        return self.environments.get(component, self.python)

    @property
    def loopback(self) -> Path:
        """Return the folder with the certificate of the SuperLink itself and its CA."""
        return self.directory.path / "superlink" / "tls"

    @property
    def superlink(self) -> str:
        """Return the address of the SuperLink itself."""
        return f"{HOST}:{self.ports['superlink']}"

    @property
    def root_certificates(self) -> Path:
        """Return the CA that parties trust: the federation's at the gateway, else the SuperLink's own."""
        return (self.directory.path / "gateway" if self.gateway else self.loopback) / "ca.crt"

    def address(self, audience: str) -> str:
        """Return what an audience dials: its listener at the gateway, or the SuperLink's only one."""
        return f"{HOST}:{self.ports[audience]}" if self.gateway else self.superlink


def base_environment(caller: Mapping[str, str], python: Path) -> dict[str, str]:
    """Return the caller's environment, less what would change Flower, with Flower's programs on the PATH."""
    kept = {
        name: value
        for name, value in caller.items()
        if name == "FLWR_LOG_LEVEL" or not name.startswith(("FLWR_", "GATEWAY_"))
    }
    return {**kept, "PATH": f"{python.parent}:{caller.get('PATH', '')}"}


def purposes(plan: Plan, *, gateway: bool) -> tuple[str, ...]:
    """Return what a federation needs ports for."""
    listeners = ("fleet", "control", "runtime", "readiness", "metrics") if gateway else ()
    return ("superlink", *listeners, *(node.name for node in plan.nodes))


def superlink(layout: LocalLayout) -> Command:
    """Return the SuperLink, which listens on loopback only."""
    plan, folder = layout.plan, layout.directory.path / "superlink"
    tls = ("--insecure",) if plan.insecure else _server_tls(layout.loopback)
    listed = plan.admission == "listed" and not plan.insecure
    arguments = (
        "flower-superlink",
        *("--host", HOST, "--port", str(layout.ports["superlink"])),
        *tls,
        *(("--enable-supernode-auth",) if listed else ()),
        *("--database", str(layout.directory.database)),
        *("--isolation", "process", "--superexec-auth-secret-file", str(secret_file(layout))),
        "--disable-runtime-dependency-installation",
    )
    environment = _environment(layout, folder, plan.superlink.pod.env, "superlink")
    return Command("superlink", arguments, environment, folder)


def gateway(layout: LocalLayout) -> Command:
    """Return the gateway. Its files are named relative to its folder, so any path will do for that."""
    ports = {f"GATEWAY_{name.upper()}_PORT": str(layout.ports[name]) for name in _GATEWAY_PORTS}
    environment = {
        "GATEWAY_HOST": HOST,
        "GATEWAY_INSECURE": str(layout.plan.insecure).lower(),
        "GATEWAY_ADMISSION": layout.plan.admission,
        "GATEWAY_CERTIFICATE": "tls.crt",
        "GATEWAY_CLIENT_CA": "ca.crt",
        "GATEWAY_USERS": "users",
        "GATEWAY_REVOKED": "revoked-users",
        "GATEWAY_REVOKED_KEPT": "../revoked/users",
        "GATEWAY_ADMITTED": "admitted-keys",
        "GATEWAY_LOOPBACK_CA": "loopback-ca.crt",
        **ports,
        **_mark(layout),
    }
    arguments = ("haproxy", "-W", "-db", "-f", str(layout.gateway_config))
    return Command("gateway", arguments, environment, layout.directory.path / "gateway")


_GATEWAY_PORTS = ("fleet", "control", "runtime", "readiness", "metrics", "superlink")


def registrar(layout: LocalLayout) -> Command:
    """Return the registrar, which speaks to the SuperLink past the gateway."""
    folder = layout.directory.path / "superlink"
    arguments = (
        str(layout.python),
        *_program(layout, "registrar"),
        *("--nodes", str(nodes_file(layout)), "--revoked", str(revoked_file(layout))),
        *("--revoked-users", str(revoked_users_file(layout)), "--kept", str(layout.directory.revoked)),
        *("--superlink", layout.superlink, "--root-certificates", str(layout.loopback / "ca.crt")),
        *("--admission", layout.plan.admission),
    )
    return Command("registrar", arguments, _environment(layout, folder, {}), folder)


def _program(layout: LocalLayout, name: str) -> tuple[str, str]:
    """Return the arguments of an interpreter, which may be an environment's of its own, for a program."""
    return str(layout.flower / "launch.py"), name


def superexec(layout: LocalLayout) -> Command:
    """Return the SuperExec that runs ServerApps; as a sidecar it dials the SuperLink itself."""
    folder = layout.directory.path / "superexec"
    sidecar = layout.plan.superlink.executor == "sidecar"
    address = layout.superlink if sidecar else layout.address("runtime")
    roots = layout.loopback / "ca.crt" if sidecar else layout.root_certificates
    arguments = (
        "flower-superexec",
        *("--runtime-api-address", address),
        *_client_tls(layout, roots),
        *("--superexec-auth-secret-file", str(secret_file(layout))),
    )
    declared = layout.plan.superlink.pod.env
    environment = _environment(layout, folder, declared, "superexec") | _additions(layout, folder, declared)
    environment["FLOWERBED_APPS"] = "flwr-serverapp"
    if layout.plan.superlink.max_runs:
        environment["FLOWERBED_MAX_RUNS"] = str(layout.plan.superlink.max_runs)
    return Command("superexec", arguments, environment, folder / "work")


def supernode(layout: LocalLayout, tenant: Tenant, node: Node) -> Command:
    """Return a SuperNode, in the program that waits for its admission."""
    folder = layout.directory.node(node.name)
    key = () if layout.plan.insecure else ("--auth-supernode-private-key", str(folder / "key"))
    process = tenant.isolation == "process"
    secret = ("--superexec-auth-secret-file", str(folder / "secret")) if process else ()
    arguments = (
        str(layout.python_of("supernode")),
        *_program(layout, "supernode"),
        *("--state", str(folder)),
        *("--superlink", layout.address("fleet")),
        *_client_tls(layout, layout.root_certificates),
        *key,
        *("--node-config", str(folder / "node.toml")),
        *("--host", HOST, "--port", str(layout.ports[node.name])),
        *("--isolation", tenant.isolation, *secret),
    )
    declared = tenant.pod.env
    environment = _environment(layout, folder, declared, "supernode") | _additions(layout, folder, declared)
    environment["FLOWERBED_APPS"] = "flwr-clientapp"
    return Command(node.name, arguments, environment, folder / "work")


def node_superexec(layout: LocalLayout, tenant: Tenant, node: Node) -> Command:
    """Return the SuperExec that runs a node's ClientApps when its tenant's isolation is `process`."""
    folder = layout.directory.node(node.name)
    arguments = (
        "flower-superexec",
        *("--runtime-api-address", f"{HOST}:{layout.ports[node.name]}", "--insecure"),
        *("--superexec-auth-secret-file", str(folder / "secret")),
    )
    declared = tenant.pod.env
    environment = _environment(layout, folder, declared, "superexec") | _additions(layout, folder, declared)
    environment["FLOWERBED_APPS"] = "flwr-clientapp"
    return Command(f"{node.name}-superexec", arguments, environment, folder / "work")


def secret_file(layout: LocalLayout) -> Path:
    """Return the file with the secret that SuperLink and SuperExec share."""
    return layout.directory.path / "superexec" / "secret"


def nodes_file(layout: LocalLayout) -> Path:
    """Return the registrar's list."""
    return layout.directory.path / "superlink" / "nodes.json"


def revoked_file(layout: LocalLayout) -> Path:
    """Return the registrar's list of keys that never count again."""
    return layout.directory.path / "superlink" / "revoked"


def revoked_users_file(layout: LocalLayout) -> Path:
    """Return the gateway's list of users whose certificates are refused, by time of issue."""
    return layout.directory.path / "gateway" / "revoked-users"


def _server_tls(folder: Path) -> tuple[str, ...]:
    files = {"cert": "tls.crt", "key": "tls.key", "ca-cert": "ca.crt"}
    return tuple(part for flag, name in files.items() for part in (f"--ssl-{flag}file", str(folder / name)))


def _client_tls(layout: LocalLayout, roots: Path) -> tuple[str, ...]:
    return ("--insecure",) if layout.plan.insecure else ("--root-certificates", str(roots))


def _environment(
    layout: LocalLayout, folder: Path, declared: Mapping[str, str], component: Component | None = None
) -> dict[str, str]:
    temporary = folder / "tmp"
    short = len(str(temporary).encode()) <= LONGEST_TMPDIR
    return {
        **declared,
        **FLOWER_ENVIRONMENT,
        **sparing_loopback(declared.get("NO_PROXY", layout.no_proxy)),
        "FLWR_HOME": str(folder / "flwr"),
        **({"TMPDIR": str(temporary)} if short else {}),
        # Flower starts app processes by name: they are to come from the same environment.
        **({"PATH": _search_path(layout, component)} if component in layout.environments else {}),
        **_mark(layout),
    }


def execution_file(folder: Path) -> Path:
    """Return the file in which a SuperExec says how it starts app processes (`flower/start/warm.py`)."""
    return folder / "execution"


def start_folder(layout: LocalLayout) -> Path:
    """Return the folder on PYTHONPATH with what Flower's processes load at their start."""
    return layout.directory.path / "python"


def _additions(layout: LocalLayout, folder: Path, declared: Mapping[str, str]) -> dict[str, str]:
    """Return what adds to Flower's process and to those that it starts (`flower/start/sitecustomize.py`)."""
    path = declared.get("PYTHONPATH", layout.python_path)
    return {
        "PYTHONPATH": f"{start_folder(layout)}:{path}" if path else str(start_folder(layout)),
        "FLOWERBED_RUN_FOLDERS": str(folder / "runs"),
        "FLOWERBED_RUN_FOLDERS_MB": str(RUN_FOLDERS_MB),
        "FLOWERBED_STARTS": str(layout.directory.path / "starts"),
        "FLOWERBED_EXECUTION": layout.plan.execution,
        "FLOWERBED_EXECUTION_STATE": str(execution_file(folder)),
        "FLOWERBED_PRELOAD": ",".join(layout.plan.preload),
        "FLOWERBED_PULL_INTERVAL": f"{len(layout.plan.nodes) / PULLS_PER_SECOND:.2f}",
    }


def _search_path(layout: LocalLayout, component: Component | None) -> str:
    return (
        f"{layout.environments[component].parent}:{layout.search_path}" if component else layout.search_path
    )


def _mark(layout: LocalLayout) -> dict[str, str]:
    name, _, value = layout.directory.mark.partition("=")
    return {name: value}
