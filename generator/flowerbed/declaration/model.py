"""The declaration as types: what `federation.yaml` may say, each field with its meaning.

The types give the shapes and the words; what fields may not say together is in `rules`. The JSON Schema and
the field reference are generated from here, so a description is written once.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from flowerbed.declaration import grammar
from flowerbed.declaration.image_model import Images
from flowerbed.declaration.pod_model import (
    DataVolume,
    DeclaredParty,
    Model,
    Profile,
    Storage,
    TenantProxy,
    number,
    text,
)
from flowerbed.plan import (
    Admission,
    Execution,
    Executor,
    ExposureType,
    Isolation,
    KeySource,
    Role,
    Scalar,
    TlsSource,
)

FLOWER_LINES = ("1.41",)
"""Minor lines of flwr that this version of Flowerbed knows."""

MAX_NODES = 1000
"""Most nodes of a tenant: their keys share one Secret, which Kubernetes limits to 1 MiB."""

NodeConfig = Annotated[
    dict[str, Scalar],
    Meta(
        description="What the app sees as its node config: text, whole numbers, numbers, true or false. "
        "`partition-id` and `num-partitions` are added by Flowerbed.",
        extra_json_schema={"propertyNames": {"pattern": f"^(?:{grammar.CONFIG_KEY})$"}},
    ),
]


class Exposure(Model, frozen=True, kw_only=True):
    """How one audience reaches the SuperLink from outside, or inside its cluster."""

    type: Annotated[
        ExposureType,
        Meta(
            description="`cluster` reaches no further than the SuperLink's own cluster; the others expose it "
            "outside, and TLS always ends at the gateway."
        ),
    ] = "cluster"
    host: Annotated[
        str, text("DNS name or IP address that this audience dials. Not for `cluster`.", "", 253)
    ] = ""
    port: Annotated[
        int | UnsetType,
        number(
            "Port that this audience dials. Default: the gateway's own for `load-balancer` (9092 fleet, 9093 "
            "control), 443 for `gateway-api` and `ingress`; `node-port` needs one from 30000 to 32767.",
            1,
            65535,
        ),
    ] = UNSET
    class_: Annotated[
        str,
        text(
            "The ingress or load-balancer class; for `gateway-api` the Gateway: `NAME` or `NAMESPACE/NAME`.",
            "",
            253,
        ),
    ] = msgspec.field(default="", name="class")


class FleetExposure(Exposure, frozen=True, kw_only=True):
    """How the SuperNodes reach the SuperLink, and where their NetworkPolicies let them dial."""

    networks: Annotated[
        tuple[str, ...],
        Meta(
            description="CIDRs of the addresses behind `host`, as in 203.0.113.7/32: nodes may dial these "
            "alone. Empty: a `host` that is an address is the only one; behind a name, any address. "
            "Not for `cluster`."
        ),
    ] = ()


class Exposures(Model, frozen=True, kw_only=True):
    """One entry per audience; left out, it is reached inside the cluster only."""

    fleet: Annotated[FleetExposure, Meta(description="For the SuperNodes.")] = FleetExposure()
    control: Annotated[Exposure, Meta(description="For the users, with their client certificates.")] = (
        Exposure()
    )


class Tls(Model, frozen=True, kw_only=True):
    """The gateway's certificate."""

    source: Annotated[
        TlsSource,
        Meta(
            description="`generated`: by Flowerbed's own CA. `existing-secret`: a kubernetes.io/tls Secret "
            "that is there already. `cert-manager`: cert-manager makes it."
        ),
    ] = "generated"
    names: Annotated[
        tuple[str, ...],
        Meta(
            description="More DNS names or IP addresses for the certificate; those of the Services and the "
            "hosts of `exposure` are in it anyway."
        ),
    ] = ()
    days: Annotated[int, number("Life of this and of users' certificates in days.", 1, 3650)] = 365
    renew_before: Annotated[
        int,
        number(
            "Renew these certificates so many days before they end; fewer than `days`. 0: a third of `days`.",
            0,
            3649,
        ),
    ] = 0
    secret: Annotated[
        str,
        text("Name of the Secret, for `existing-secret` (needed) and `cert-manager`.", grammar.DNS_NAME, 253),
    ] = ""
    issuer: Annotated[
        str,
        text("The issuer, for `cert-manager`: `NAME` or `Issuer/NAME`, or `ClusterIssuer/NAME`.", "", 270),
    ] = ""
    ca: Annotated[
        str,
        text(
            "CA certificates (PEM) by which tenants and users know the gateway, for `existing-secret` and "
            "`cert-manager`. Empty: the CAs that their systems trust."
        ),
    ] = ""


class SuperLink(DeclaredParty, frozen=True, kw_only=True):
    """The coordinator's part."""

    namespace: Annotated[
        str, text("Namespace of the SuperLink. Default: the federation's name.", grammar.DNS_LABEL, 63)
    ] = ""
    context: Annotated[str, text("kubeconfig context of its cluster. Default: the current one.")] = ""
    cluster_domain: Annotated[str, text("DNS domain of its cluster.", grammar.DNS_NAME, 253)] = (
        "cluster.local"
    )
    exposure: Annotated[
        Exposures, Meta(description="How parties outside its cluster reach the SuperLink.")
    ] = Exposures()
    tls: Annotated[Tls, Meta(description="The certificate that SuperNodes and users check.")] = Tls()
    storage: Annotated[Storage, Meta(description="Where runs, nodes and models are kept.")] = Storage()
    executor: Annotated[
        Executor | UnsetType,
        Meta(
            description="Where ServerApps run: `sidecar` in the SuperLink's pod, `deployment` in one pod for "
            "all, `kubernetes` in one Pod per task, which alone keeps runs of different users apart. "
            "Default: `kubernetes` if more than one user may submit (`submitter`, `operator`), "
            "else `deployment`."
        ),
    ] = UNSET
    max_runs: Annotated[
        int | UnsetType,
        Meta(
            description="How many runs run at once; the others wait, the oldest first. Default: 4 with "
            "executor `kubernetes`, else as many as come.",
            extra_json_schema={"minimum": 1},
        ),
    ] = UNSET


class NodeSpec(Model, frozen=True, kw_only=True):
    """One node, where the nodes of a tenant differ."""

    config: NodeConfig = msgspec.field(default_factory=dict)
    public_key: Annotated[str, text("The node's public key, for `keys: brought`.")] = ""


class Tenant(DeclaredParty, frozen=True, kw_only=True):
    """The parties that run SuperNodes."""

    name: Annotated[
        str, text("DNS label; with the federation's name it makes the release.", grammar.DNS_LABEL, 50)
    ]
    nodes: Annotated[
        Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_NODES})] | tuple[NodeSpec, ...],
        Meta(description="How many SuperNodes, or a list with one entry each where they differ."),
    ]
    namespace: Annotated[
        str, text("Namespace of the tenant. Default: the tenant's name.", grammar.DNS_LABEL, 63)
    ] = ""
    context: Annotated[str, text("kubeconfig context of its cluster. Default: the SuperLink's.")] = ""
    config: NodeConfig = msgspec.field(default_factory=dict)
    keys: Annotated[
        KeySource,
        Meta(
            description="`generated`: Flowerbed makes the node keys. `brought`: the tenant makes them, and "
            "only their public halves are declared."
        ),
    ] = "generated"
    public_keys: Annotated[
        tuple[str, ...],
        Meta(
            description="For `keys: brought`: one public key per node, in the nodes' order, as an OpenSSH "
            "line (`ecdsa-sha2-nistp384 …`) or as PEM."
        ),
    ] = ()
    isolation: Annotated[
        Isolation,
        Meta(
            description="`subprocess`: ClientApps run in the SuperNode's container, where each can read the "
            "node's private key. `process`: an executor runs them, and they cannot."
        ),
    ] = "subprocess"
    executor: Annotated[
        Executor | UnsetType,
        Meta(
            description="For `isolation: process`, where ClientApps run: `sidecar` (the default), "
            "`deployment`, or `kubernetes` for one Pod per task."
        ),
    ] = UNSET
    data: Annotated[tuple[DataVolume, ...], Meta(description="Claims with the tenant's data.")] = ()
    proxy: Annotated[TenantProxy, Meta(description="The HTTP proxy of its nodes and apps.")] = TenantProxy()


class User(Model, frozen=True, kw_only=True):
    """The people who use the federation."""

    name: Annotated[str, text("DNS label; the name in the client certificate.", grammar.DNS_LABEL, 63)]
    role: Annotated[
        Role,
        Meta(
            description="`viewer` reads; `submitter` also starts and stops runs; `operator` also manages "
            "nodes."
        ),
    ] = "submitter"


class Ports(Model, frozen=True, kw_only=True):
    """Ports on this machine; 0 takes any free one."""

    fleet: Annotated[int, number("For the SuperNodes.", 0, 65535)] = 0
    control: Annotated[int, number("For the users.", 0, 65535)] = 0
    runtime: Annotated[int, number("For the SuperExec.", 0, 65535)] = 0


class Local(Model, frozen=True, kw_only=True):
    """What only the local federation (`flowerbed up`) reads."""

    ports: Annotated[Ports, Meta(description="Ports on this machine; 0 takes any free one.")] = Ports()


class Declaration(Model, frozen=True, kw_only=True):
    """A Flower federation: one SuperLink, its tenants and its users."""

    version: Annotated[int, Meta(description="Version of this format.", extra_json_schema={"const": 1})]
    name: Annotated[
        str,
        text(
            "The federation's name: a DNS label that begins with a letter; release names start with it.",
            grammar.SERVICE_LABEL,
            42,
        ),
    ]
    flower: Annotated[
        str,
        Meta(description="Minor line of flwr, in quotes.", extra_json_schema={"enum": list(FLOWER_LINES)}),
    ] = "1.41"
    admission: Annotated[
        Admission | UnsetType,
        Meta(
            description="Which SuperNodes may join: `listed`, those with a declared key (the default), or "
            "`open`, any (the only choice with `insecure`)."
        ),
    ] = UNSET
    insecure: Annotated[bool, Meta(description="No TLS and no node keys, for tests inside one cluster.")] = (
        False
    )
    execution: Annotated[
        Execution,
        Meta(
            description="How `flowerbed up` runs apps. `fast`: app processes are forked from one that has "
            "imported Flower, and Flower's processes wait briefly while there is work. `stock`: Flower's own "
            "way, as on Kubernetes."
        ),
    ] = "fast"
    preload: Annotated[
        tuple[Annotated[str, Meta(extra_json_schema={"pattern": f"^(?:{grammar.MODULE})$"})], ...],
        Meta(
            description="With `execution: fast`, modules that are imported before app processes are forked: "
            "those of the libraries that apps import, such as `sklearn.linear_model`."
        ),
    ] = ()
    superlink: Annotated[SuperLink, Meta(description="The coordinator's part.")] = SuperLink()
    tenants: Annotated[tuple[Tenant, ...], Meta(description="The parties that run SuperNodes.")] = ()
    users: Annotated[tuple[User, ...], Meta(description="The people who use the federation.")] = ()
    profiles: Annotated[
        dict[str, Profile], Meta(description="Named bases for pods, used by `profile: NAME`.")
    ] = msgspec.field(default_factory=dict)
    images: Annotated[Images, Meta(description="Images with what apps need, made by `flowerbed build`.")] = (
        Images()
    )
    local: Annotated[Local, Meta(description="What only `flowerbed up` reads.")] = Local()
