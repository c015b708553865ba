"""The plan: a declaration with every default, name and address filled in.

Everything behind the declaration (identities, values, bundles, the local federation) reads the plan
and nothing else. A plan is plain data: equal declarations give equal plans, and `plan.json` is its
deterministic text.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from flowerbed import names

Audience = Literal["fleet", "control"]
ExposureType = Literal["cluster", "load-balancer", "node-port", "gateway-api", "ingress"]
Executor = Literal["sidecar", "deployment", "kubernetes"]
Isolation = Literal["subprocess", "process"]
Role = Literal["viewer", "submitter", "operator"]
Admission = Literal["listed", "open"]
Execution = Literal["fast", "stock"]
KeySource = Literal["generated", "brought"]
Component = Literal["superlink", "supernode", "superexec"]
Platform = Literal["linux/amd64", "linux/arm64"]
TlsSource = Literal["generated", "existing-secret", "cert-manager"]
# What a node config may hold: what Flower's ConfigRecord takes from TOML (flwr 1.41, no lists, no dates).
Scalar = bool | int | float | str


def may_submit(role: Role) -> bool:
    """Return whether a user of this role may run code on every node: all but viewers."""
    return role != "viewer"


class Frozen(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", gc=False):
    """Base of all plan objects: immutable, compared by value, keys in kebab-case like the declaration's."""


class Resources(Frozen, frozen=True):
    """Kubernetes quantities by resource name, as written."""

    requests: dict[str, str] = {}
    limits: dict[str, str] = {}


class Pod(Frozen, frozen=True):
    """What a party may say of its pods; profiles are already merged in."""

    resources: Resources = Resources()
    node_selector: dict[str, str] = {}
    tolerations: tuple[dict[str, str | int], ...] = ()
    env: dict[str, str] = {}


class SecretUse(Frozen, frozen=True):
    """An existing Secret of the party: as environment (`env`) or as files under `mount`."""

    name: str
    env: bool = False
    mount: str = ""


class DataVolume(Frozen, frozen=True):
    """An existing PersistentVolumeClaim with the tenant's data."""

    claim: str
    mount: str
    read_only: bool = True


class Endpoint(Frozen, frozen=True):
    """How one audience reaches the SuperLink: `host` and `port` are what its parties dial.

    `service` is the Service inside the coordinator's cluster; `listen_port` the gateway's own port.
    `networks` are the CIDRs behind `host` that may be dialled, none where they are not declared.
    """

    type: ExposureType
    host: str
    port: int
    service: str
    listen_port: int
    class_name: str = ""
    networks: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Return `host:port` as Flower's `--superlink` takes it (IPv6 in brackets)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ServerTls(Frozen, frozen=True):
    """Where the gateway's certificate comes from and what it must say. `days` is its life.

    It and users' certificates are renewed `renew_hours` before their end.

    `ca` are the CA certificates (PEM) by which parties know it; "" for the source `generated` and for public
    CAs.
    """

    source: TlsSource
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    days: int
    renew_hours: int
    secret: str
    issuer: str = ""
    ca: str = ""

    @property
    def issuer_reference(self) -> tuple[str, str]:
        """Return kind and name of cert-manager's issuer; `Issuer` is the kind where none is declared."""
        kind, _, name = self.issuer.rpartition("/")
        return kind or "Issuer", name


class Storage(Frozen, frozen=True):
    """The SuperLink's claim: a Kubernetes quantity and a StorageClass ("" is the cluster's default)."""

    size: str
    storage_class: str


class SuperLink(Frozen, frozen=True):
    """The coordinator's release. `max_runs`: how many runs go on at once, 0 where nothing is declared.

    `values` are the party's own, for its chart.
    """

    release: str
    namespace: str
    context: str
    cluster_domain: str
    fleet: Endpoint
    control: Endpoint
    runtime: Endpoint
    tls: ServerTls
    superexec_secret: str
    storage: Storage
    executor: Executor
    max_runs: int
    pod: Pod
    secrets: tuple[SecretUse, ...] = ()
    values: dict[str, Any] = {}


class Node(Frozen, frozen=True):
    """One SuperNode: `name` is its pod's name, `ordinal` its index in the StatefulSet.

    `config` is what the declaration says, the tenant's and the node's own merged; `public_key` is set for
    keys that the tenant brought (canonical SubjectPublicKeyInfo PEM), else "".
    """

    name: str
    ordinal: int
    config: dict[str, Scalar]
    public_key: str = ""


class TenantProxy(Frozen, frozen=True):
    """The HTTP proxy of a tenant: `https` its address, `no_proxy` what is reached without it.

    `secret` names a Secret with the address and a password; `networks` (CIDRs) and `namespace` say where it
    is.
    """

    https: str
    no_proxy: tuple[str, ...] = ()
    secret: str = ""
    networks: tuple[str, ...] = ()
    namespace: str = ""


class Tenant(Frozen, frozen=True):
    """One tenant's release: all its nodes. `values` are the party's own, for its chart."""

    name: str
    release: str
    namespace: str
    context: str
    fleet_address: str
    nodes: tuple[Node, ...]
    keys: KeySource
    keys_secret: str
    isolation: Isolation
    executor: Executor
    pod: Pod
    data: tuple[DataVolume, ...] = ()
    secrets: tuple[SecretUse, ...] = ()
    proxy: TenantProxy | None = None
    values: dict[str, Any] = {}

    @property
    def superexec_secret(self) -> str:
        """Return the Secret that SuperNodes and SuperExecs share, "" where they share a pod: it makes one."""
        own_pods = self.isolation == "process" and self.executor != "sidecar"
        return names.superexec_secret(self.release) if own_pods else ""

    def node_config(self, node: Node) -> dict[str, Scalar]:
        """Return what the node's app sees: partition-id, num-partitions, then the declared keys."""
        return {"partition-id": node.ordinal, "num-partitions": len(self.nodes), **node.config}


class User(Frozen, frozen=True):
    """Who submits apps: the certificate's CN is `name`, its OU is `role`."""

    name: str
    role: Role


class LocalPorts(Frozen, frozen=True):
    """Ports that the local federation must use; 0 means: any free one."""

    fleet: int = 0
    control: int = 0
    runtime: int = 0


class BuildSecret(Frozen, frozen=True):
    """A secret for `RUN --mount=type=secret,id=ID` while an image is built: a variable or a file here."""

    id: str
    env: str = ""
    file: str = ""


class BuiltImage(Frozen, frozen=True):
    """An image in a registry, by digest (`sha256:…`)."""

    registry: str
    repository: str
    digest: str


class Image(Frozen, frozen=True):
    """What an image is built from. Paths are as declared: relative to the declaration's folder.

    `built` is the image of the last pushed build, None before the first.
    """

    base: str
    python: str
    dependencies: tuple[str, ...] = ()
    requirements: str = ""
    app: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    build_args: dict[str, str] = {}
    build_secrets: tuple[BuildSecret, ...] = ()
    index: str = ""
    extra_index: tuple[str, ...] = ()
    wheelhouse: str = ""
    platform: Platform = "linux/amd64"
    repository: str = ""
    pull_secret: str = ""
    built: BuiltImage | None = None


class Plan(Frozen, frozen=True):
    """A whole federation. `images` are those that are built, by component; the rest are Flower's own.

    `execution`: how app processes start; `preload` are modules that are imported before they do.
    """

    version: int
    name: str
    flower: str
    admission: Admission
    insecure: bool
    superlink: SuperLink
    tenants: tuple[Tenant, ...]
    users: tuple[User, ...]
    local: LocalPorts = LocalPorts()
    images: dict[Component, Image] = {}
    execution: Execution = "fast"
    preload: tuple[str, ...] = ()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Return every node of every tenant, in the order of the declaration."""
        return tuple(node for tenant in self.tenants for node in tenant.nodes)

    @property
    def submitters(self) -> tuple[User, ...]:
        """Return the users who may submit, in the order of the declaration."""
        return tuple(user for user in self.users if may_submit(user.role))
