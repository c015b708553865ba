"""Small plans for the tests of identities."""

from __future__ import annotations

from typing import Any

import msgspec

from flowerbed import names
from flowerbed.plan import (
    Endpoint,
    KeySource,
    LocalPorts,
    Node,
    Plan,
    Pod,
    Role,
    ServerTls,
    Storage,
    SuperLink,
    Tenant,
    User,
)

FEDERATION = "hospitals"
RELEASE = names.superlink_release(FEDERATION)


def endpoint(audience: str, port: int) -> Endpoint:
    service = names.service_name(RELEASE, audience)
    return Endpoint(type="cluster", host=service, port=port, service=service, listen_port=port)


def superlink() -> SuperLink:
    tls = ServerTls(
        source="generated",
        dns_names=names.service_names(f"{RELEASE}-fleet", "hub", "cluster.local"),
        ip_addresses=("127.0.0.1", "2001:db8::1"),
        days=365,
        renew_hours=365 * 24 // 3,
        secret=names.server_tls_secret(RELEASE),
    )
    return SuperLink(
        release=RELEASE,
        namespace="hub",
        context="",
        cluster_domain="cluster.local",
        fleet=endpoint("fleet", 9092),
        control=endpoint("control", 9093),
        runtime=endpoint("runtime", 9091),
        tls=tls,
        superexec_secret=names.superexec_secret(RELEASE),
        storage=Storage(size="1Gi", storage_class=""),
        executor="sidecar",
        max_runs=0,
        pod=Pod(),
    )


def tenant(name: str, nodes: int = 2, *, keys: KeySource = "generated", namespace: str = "") -> Tenant:
    release = names.tenant_release(FEDERATION, name)
    public_key = "-----BEGIN PUBLIC KEY-----\nbrought\n" if keys == "brought" else ""
    return Tenant(
        name=name,
        release=release,
        namespace=namespace or name,
        context="",
        fleet_address=f"{RELEASE}-fleet:9092",
        nodes=tuple(
            Node(name=names.node_name(release, i), ordinal=i, config={}, public_key=public_key)
            for i in range(nodes)
        ),
        keys=keys,
        keys_secret=names.node_keys_secret(release),
        isolation="subprocess",
        executor="sidecar",
        pod=Pod(),
    )


def federation(*tenants: Tenant, role: Role = "submitter", insecure: bool = False) -> Plan:
    return Plan(
        version=1,
        name=FEDERATION,
        flower="1.41",
        admission="listed",
        insecure=insecure,
        superlink=superlink(),
        tenants=tenants or (tenant("north"), tenant("south", 1)),
        users=(User(name="analyst", role=role),),
        local=LocalPorts(),
    )


def with_tls(plan: Plan, **changes: Any) -> Plan:  # noqa: ANN401  (whatever ServerTls takes)
    tls = msgspec.structs.replace(plan.superlink.tls, **changes)
    return msgspec.structs.replace(plan, superlink=msgspec.structs.replace(plan.superlink, tls=tls))
