"""What kubectl tells of a release's workloads, pods, claims, Services and events: only what is looked at.

Field names are Kubernetes' own (API reference, v1 and apps/v1), in Python's spelling.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from flowerbed.cluster.session import Cluster

INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
KINDS = "statefulsets,deployments,pods,persistentvolumeclaims,services"
LONG_AGO = datetime.fromtimestamp(0, UTC)


class Object(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base: unknown fields are passed over."""


class Meta(Object, frozen=True):
    """metadata."""

    name: str = ""
    namespace: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    deletion_timestamp: datetime | None = None


class Waiting(Object, frozen=True):
    """state.waiting of a container."""

    reason: str = ""
    message: str = ""


class Terminated(Object, frozen=True):
    """state.terminated of a container."""

    reason: str = ""
    message: str = ""
    exit_code: int = 0
    finished_at: datetime = LONG_AGO


class Running(Object, frozen=True):
    """state.running of a container."""

    started_at: datetime = LONG_AGO


class State(Object, frozen=True):
    """state of a container: one of the three."""

    running: Running | None = None

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class Container(Object, frozen=True):
    """An entry of containerStatuses; `image` is as the pod names it."""

    name: str
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    state: State = State()
    last_state: State = State()


class Condition(Object, frozen=True):
    """A condition of a pod or workload."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class ContainerSpec(Object, frozen=True):
    """An entry of spec.containers."""

    name: str
    image: str = ""


class PodSpec(Object, frozen=True):
    """spec of a pod."""

    containers: tuple[ContainerSpec, ...] = ()


class PodStatus(Object, frozen=True):
    """status of a pod."""

    phase: str = ""
    conditions: tuple[Condition, ...] = ()
    init_container_statuses: tuple[Container, ...] = ()
    container_statuses: tuple[Container, ...] = ()


class Pod(Object, frozen=True):
    """A pod."""

    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def ready(self) -> bool:
        """Return whether the pod is ready, and meant to stay."""
        there = self.metadata.deletion_timestamp is None
        return there and any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)

    @property
    def restarts(self) -> int:
        """Return how often its containers were started again."""
        return sum(container.restart_count for container in self.status.container_statuses)


class WorkloadSpec(Object, frozen=True):
    """spec of a StatefulSet or Deployment."""

    replicas: int = 1


class WorkloadStatus(Object, frozen=True):
    """status of a StatefulSet or Deployment."""

    observed_generation: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Workload(Object, frozen=True):
    """A StatefulSet or Deployment."""

    kind: str
    metadata: Meta
    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()

    @property
    def done(self) -> bool:
        """Return whether every replica is of the latest template and ready, and no old one is left."""
        status, wanted = self.status, self.spec.replicas
        counts = (status.replicas, status.updated_replicas, status.ready_replicas)
        return status.observed_generation >= self.metadata.generation and counts == (wanted,) * 3


class ClaimStatus(Object, frozen=True):
    """status of a PersistentVolumeClaim."""

    phase: str = ""


class Claim(Object, frozen=True):
    """A PersistentVolumeClaim."""

    metadata: Meta
    status: ClaimStatus = ClaimStatus()


class Address(Object, frozen=True):
    """Where a load balancer listens."""

    ip: str = ""
    hostname: str = ""


class LoadBalancer(Object, frozen=True):
    """status.loadBalancer of a Service."""

    ingress: tuple[Address, ...] = ()


class ServiceStatus(Object, frozen=True):
    """status of a Service."""

    load_balancer: LoadBalancer = LoadBalancer()


class ServiceSpec(Object, frozen=True):
    """spec of a Service."""

    type: str = "ClusterIP"


class Service(Object, frozen=True):
    """A Service."""

    metadata: Meta
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class Involved(Object, frozen=True):
    """Whom an event is about."""

    kind: str = ""
    name: str = ""


class Series(Object, frozen=True):
    """How often and when last an event came."""

    last_observed_time: datetime | None = None


class Event(Object, frozen=True):
    """A warning of Kubernetes about an object."""

    metadata: Meta
    involved_object: Involved
    reason: str = ""
    message: str = ""
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: Series | None = None

    @property
    def last(self) -> datetime:
        """Return when it came last."""
        series = self.series.last_observed_time if self.series else None
        return series or self.last_timestamp or self.event_time or LONG_AGO


class Objects(msgspec.Struct, frozen=True, kw_only=True):
    """All that is there of a release. `events` are the namespace's warnings, the latest first."""

    workloads: tuple[Workload, ...] = ()
    pods: tuple[Pod, ...] = ()
    claims: tuple[Claim, ...] = ()
    services: tuple[Service, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def ready(self) -> bool:
        """Return whether all workloads are there as they should be."""
        return bool(self.workloads) and all(workload.done for workload in self.workloads)


class _Kind(msgspec.Struct):
    kind: str


class _List(msgspec.Struct):
    items: list[msgspec.Raw]


_TYPES: dict[str, tuple[str, Any]] = {
    "StatefulSet": ("workloads", Workload),
    "Deployment": ("workloads", Workload),
    "Pod": ("pods", Pod),
    "PersistentVolumeClaim": ("claims", Claim),
    "Service": ("services", Service),
    "Event": ("events", Event),
}


def parse_objects(*texts: str) -> Objects:
    """Return the objects of kubectl's JSON lists; kinds that nobody looks at are passed over."""
    found: dict[str, list[Any]] = {field: [] for field, _ in _TYPES.values()}
    for text in texts:
        for raw in msgspec.json.decode(text, type=_List).items if text else ():
            kind = msgspec.json.decode(raw, type=_Kind).kind
            if kind in _TYPES:
                field, struct = _TYPES[kind]
                found[field].append(msgspec.json.decode(raw, type=struct))
    found["pods"] = [pod for pod in found["pods"] if pod.metadata.labels.get(COMPONENT) != "test"]
    found["events"].sort(key=lambda event: event.last, reverse=True)
    return Objects(**{field: tuple(items) for field, items in found.items()})


def read_objects(cluster: Cluster, *, events: bool = True) -> Objects:
    """Return what is there of a party's release. Raises UnreachableError, NotAllowedError, FlowerbedError.

    Events are left out where they may not be read: they explain, and decide nothing.
    """
    selector = f"{INSTANCE}={cluster.party.release}"
    get = cluster.commands.in_namespace("get", KINDS, "--selector", selector, "--output", "json")
    objects = cluster.check_output(get)
    warnings = ""
    if events:
        asked = ("get", "events", "--field-selector", "type=Warning", "--output", "json")
        done = cluster.in_namespace(*asked)
        warnings = done.out if done.code == 0 else ""
    return parse_objects(objects, warnings)
