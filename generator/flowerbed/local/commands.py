"""The command lines of a local federation's parts: the same flags as the charts render.

Pure: a plan, ports and paths give arguments and environment. Nothing is read, written or started here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowerbed.flower.proxy import sparing_loopback
from flowerbed.local.ports import HOST
from flowerbed.local.state import StateFolder
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
# What working folders of ended runs may take together, of each node and of all ServerApps.
RUN_FOLDERS_MB = 5_000


@dataclass(frozen=True, slots=True)
class Command:
    """How a part starts: arguments, environment on top of the caller's, working folder."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = Path()


@dataclass(frozen=True, slots=True)
class Site:
    """Where a plan runs on this machine. `ports` by purpose: audiences, `superlink`, and node names.

    `flower` is the directory of the package's Flower side, `python` the interpreter that has flwr.
    `environments` are the interpreters of components whose images bring packages; `search_path` is the PATH,
    `no_proxy` the hosts that this machine reaches without a proxy, `python_path` the PYTHONPATH.
    """

    plan: Plan
    state: StateFolder
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
        return self.state.path / "superlink" / "tls"

    @property
    def superlink(self) -> str:
        """Return the address of the SuperLink itself."""
        return f"{HOST}:{self.ports['superlink']}"

    @property
    def root_certificates(self) -> Path:
        """Return the CA that parties trust: the federation's at the gateway, else the SuperLink's own."""
        return (self.state.path / "gateway" if self.gateway else self.loopback) / "ca.crt"

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


def superlink(site: Site) -> Command:
    """Return the SuperLink, which listens on loopback only."""
    plan, folder = site.plan, site.state.path / "superlink"
    tls = ("--insecure",) if plan.insecure else _server_tls(site.loopback)
    listed = plan.admission == "listed" and not plan.insecure
    arguments = (
        "flower-superlink",
        *("--host", HOST, "--port", str(site.ports["superlink"])),
        *tls,
        *(("--enable-supernode-auth",) if listed else ()),
        *("--database", str(site.state.database)),
        *("--isolation", "process", "--superexec-auth-secret-file", str(secret_file(site))),
        "--disable-runtime-dependency-installation",
    )
    environment = _environment(site, folder, plan.superlink.pod.env, "superlink")
    return Command("superlink", arguments, environment, folder)


def gateway(site: Site) -> Command:
    """Return the gateway. Its files are named relative to its folder, so any path will do for that."""
    ports = {f"GATEWAY_{name.upper()}_PORT": str(site.ports[name]) for name in _GATEWAY_PORTS}
    environment = {
        "GATEWAY_HOST": HOST,
        "GATEWAY_INSECURE": str(site.plan.insecure).lower(),
        "GATEWAY_ADMISSION": site.plan.admission,
        "GATEWAY_CERTIFICATE": "tls.crt",
        "GATEWAY_CLIENT_CA": "ca.crt",
        "GATEWAY_USERS": "users",
        "GATEWAY_REVOKED": "revoked-users",
        "GATEWAY_REVOKED_KEPT": "../revoked/users",
        "GATEWAY_ADMITTED": "admitted-keys",
        "GATEWAY_LOOPBACK_CA": "loopback-ca.crt",
        **ports,
        **_mark(site),
    }
    arguments = ("haproxy", "-W", "-db", "-f", str(site.gateway_config))
    return Command("gateway", arguments, environment, site.state.path / "gateway")


_GATEWAY_PORTS = ("fleet", "control", "runtime", "readiness", "metrics", "superlink")


def registrar(site: Site) -> Command:
    """Return the registrar, which speaks to the SuperLink past the gateway."""
    folder = site.state.path / "superlink"
    arguments = (
        str(site.python),
        *_program(site, "registrar"),
        *("--nodes", str(nodes_file(site)), "--revoked", str(revoked_file(site))),
        *("--revoked-users", str(revoked_users_file(site)), "--kept", str(site.state.revoked)),
        *("--superlink", site.superlink, "--root-certificates", str(site.loopback / "ca.crt")),
        *("--admission", site.plan.admission),
    )
    return Command("registrar", arguments, _environment(site, folder, {}), folder)


def _program(site: Site, name: str) -> tuple[str, str]:
    """Return the arguments of an interpreter, which may be an environment's of its own, for a program."""
    return str(site.flower / "launch.py"), name


def superexec(site: Site) -> Command:
    """Return the SuperExec that runs ServerApps; as a sidecar it dials the SuperLink itself."""
    folder = site.state.path / "superexec"
    sidecar = site.plan.superlink.executor == "sidecar"
    address = site.superlink if sidecar else site.address("runtime")
    roots = site.loopback / "ca.crt" if sidecar else site.root_certificates
    arguments = (
        "flower-superexec",
        *("--runtime-api-address", address),
        *_client_tls(site, roots),
        *("--superexec-auth-secret-file", str(secret_file(site))),
    )
    declared = site.plan.superlink.pod.env
    environment = _environment(site, folder, declared, "superexec") | _additions(site, folder, declared)
    if site.plan.superlink.max_runs:
        environment["FLOWERBED_MAX_RUNS"] = str(site.plan.superlink.max_runs)
    return Command("superexec", arguments, environment, folder / "work")


def supernode(site: Site, tenant: Tenant, node: Node) -> Command:
    """Return a SuperNode, in the program that waits for its admission."""
    folder = site.state.node(node.name)
    key = () if site.plan.insecure else ("--auth-supernode-private-key", str(folder / "key"))
    process = tenant.isolation == "process"
    secret = ("--superexec-auth-secret-file", str(folder / "secret")) if process else ()
    arguments = (
        str(site.python_of("supernode")),
        *_program(site, "supernode"),
        *("--state", str(folder)),
        *("--superlink", site.address("fleet")),
        *_client_tls(site, site.root_certificates),
        *key,
        *("--node-config", str(folder / "node.toml")),
        *("--host", HOST, "--port", str(site.ports[node.name])),
        *("--isolation", tenant.isolation, *secret),
    )
    declared = tenant.pod.env
    environment = _environment(site, folder, declared, "supernode") | _additions(site, folder, declared)
    return Command(node.name, arguments, environment, folder / "work")


def node_superexec(site: Site, tenant: Tenant, node: Node) -> Command:
    """Return the SuperExec that runs a node's ClientApps when its tenant's isolation is `process`."""
    folder = site.state.node(node.name)
    arguments = (
        "flower-superexec",
        *("--runtime-api-address", f"{HOST}:{site.ports[node.name]}", "--insecure"),
        *("--superexec-auth-secret-file", str(folder / "secret")),
    )
    declared = tenant.pod.env
    environment = _environment(site, folder, declared, "superexec") | _additions(site, folder, declared)
    return Command(f"{node.name}-superexec", arguments, environment, folder / "work")


def secret_file(site: Site) -> Path:
    """Return the file with the secret that SuperLink and SuperExec share."""
    return site.state.path / "superexec" / "secret"


def nodes_file(site: Site) -> Path:
    """Return the registrar's list."""
    return site.state.path / "superlink" / "nodes.json"


def revoked_file(site: Site) -> Path:
    """Return the registrar's list of keys that never count again."""
    return site.state.path / "superlink" / "revoked"


def revoked_users_file(site: Site) -> Path:
    """Return the gateway's list of users whose certificates are refused, by time of issue."""
    return site.state.path / "gateway" / "revoked-users"


def _server_tls(folder: Path) -> tuple[str, ...]:
    files = {"cert": "tls.crt", "key": "tls.key", "ca-cert": "ca.crt"}
    return tuple(part for flag, name in files.items() for part in (f"--ssl-{flag}file", str(folder / name)))


def _client_tls(site: Site, roots: Path) -> tuple[str, ...]:
    return ("--insecure",) if site.plan.insecure else ("--root-certificates", str(roots))


def _environment(
    site: Site, folder: Path, declared: Mapping[str, str], component: Component | None = None
) -> dict[str, str]:
    temporary = folder / "tmp"
    short = len(str(temporary).encode()) <= LONGEST_TMPDIR
    return {
        **declared,
        **FLOWER_ENVIRONMENT,
        **sparing_loopback(declared.get("NO_PROXY", site.no_proxy)),
        "FLWR_HOME": str(folder / "flwr"),
        **({"TMPDIR": str(temporary)} if short else {}),
        # Flower starts app processes by name: they are to come from the same environment.
        **({"PATH": _search_path(site, component)} if component in site.environments else {}),
        **_mark(site),
    }


def start_folder(site: Site) -> Path:
    """Return the folder on PYTHONPATH with what Flower's processes load at their start."""
    return site.state.path / "python"


def _additions(site: Site, folder: Path, declared: Mapping[str, str]) -> dict[str, str]:
    """Return what adds to Flower's process and to those that it starts (`flower/start/sitecustomize.py`)."""
    path = declared.get("PYTHONPATH", site.python_path)
    return {
        "PYTHONPATH": f"{start_folder(site)}:{path}" if path else str(start_folder(site)),
        "FLOWERBED_RUN_FOLDERS": str(folder / "runs"),
        "FLOWERBED_RUN_FOLDERS_MB": str(RUN_FOLDERS_MB),
        "FLOWERBED_STARTS": str(site.state.path / "starts"),
    }


def _search_path(site: Site, component: Component | None) -> str:
    return f"{site.environments[component].parent}:{site.search_path}" if component else site.search_path


def _mark(site: Site) -> dict[str, str]:
    name, _, value = site.state.mark.partition("=")
    return {name: value}
