"""Why workloads and pods are not ready, in Kubernetes' and Flower's own words.

A fact counts only for what is not ready now: events outlive what they speak of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flowerbed.cluster.objects import (
    COMPONENT,
    INSTANCE,
    LONG_AGO,
    Container,
    Event,
    Objects,
    Pod,
    Terminated,
    Workload,
)
from flowerbed.cluster.session import Cluster
from flowerbed.flower.programs.kept_revocations import DAMAGED
from flowerbed.flower.programs.registrar_lists import HELD_BACK, NOT_KEPT, OVER
from flowerbed.flower.text import colorless

# A container that ended so often, the last time so lately, will end again: one that runs for ten minutes is
# restarted without delay the next time (Kubernetes, Concepts: pod lifecycle).
_AGAIN = 3
_LATELY = timedelta(minutes=10)
_LOG_TIMEOUT = 10.0
# How `flower/programs/supernode.py` begins its lines, and those that say why it waits.
SUPERNODE = "supernode: "
WAITING = f"{SUPERNODE}waiting: "
# A line of `kubectl logs --prefix`: the pod's name, and what it said.
_LOG_LINE = re.compile(r"\[pod/([^/]+)/[^]]+\] (.*)")
# Reasons of waiting containers that pass by themselves.
_TRANSIENT = {"", "ContainerCreating", "PodInitializing"}
# What controllers put before the reason.
_PREFACE = re.compile(
    r"^(\(combined from similar events\): )?"
    r"(Error creating: |[Cc]reate Pod \S+ in StatefulSet \S+ failed error: )?"
)
_PROBE = re.compile(r"(?:Readiness|Startup) probe failed: (.*)", re.DOTALL)
# What the charts' `observer.py` says of a node that was online: that is over a minute ago.
_LOST = "no heartbeat for"
# Whatever else keeps such a node from being ready, nothing of it will ever matter.
REVOKED = "its key is permanently revoked"
# What `flower/programs/registrar.py` says of a list as a whole, until it says that it is over.
_OF_LISTS = {
    DAMAGED,
    NOT_KEPT,
    HELD_BACK,
    "list not usable",
    "list empty or damaged",
    "limit not usable",
    "refused",
}
_MOUNTS = {"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"}
_CREATION = {"FailedCreate", "FailedScheduling", "ProvisioningFailed", "FailedBinding"}


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of something that is not ready: its name, and why; `transient`: it may be over soon."""

    where: str
    text: str
    transient: bool = False


def gather_facts(objects: Objects, cluster: Cluster) -> list[Fact]:
    """Return a fact for each pod that is not ready, or ends again and again, and each workload without pods.

    Of a node whose key was revoked that is the fact, whatever becomes of its pod.
    Reads the logs of SuperNodes that wait, which say why; where these may not be read, events do.
    """
    found = list(_of_workloads(objects))
    reasons = _reasons(objects, cluster)
    for pod in objects.pods:
        if pod.metadata.name in cluster.party.revoked:
            found.append(Fact(pod.metadata.name, REVOKED))
        elif pod.ready:
            found += _of_restarts(pod)
        else:
            found.append(_of_pod(pod, objects, reasons))
    found += [
        Fact(service.metadata.name, "the load balancer has no address yet")
        for service in objects.services
        if service.spec.type == "LoadBalancer" and not service.status.load_balancer.ingress
    ]
    return found


def _of_workloads(objects: Objects) -> Iterator[Fact]:
    for workload in objects.workloads:
        if workload.spec.replicas == 0:
            yield Fact(workload.metadata.name, "is scaled to 0, so it has no pod")
        if workload.done:
            continue
        lacking = workload.spec.replicas - workload.status.replicas
        text = _creation(workload, objects) if lacking > 0 else ""
        if text:
            yield Fact(workload.metadata.name, text)
        elif all(pod.ready for pod in objects.pods):
            # Else the pods tell more.
            state = f"{workload.status.ready_replicas} of {workload.spec.replicas} ready"
            yield Fact(workload.metadata.name, f"{state}, rolling out", transient=True)


def _creation(workload: Workload, objects: Objects) -> str:
    for condition in workload.status.conditions:
        if condition.type == "ReplicaFailure" and condition.status == "True":
            return _PREFACE.sub("", condition.message)
    for event in objects.events:
        about = event.involved_object
        # A Deployment's pods are made by its ReplicaSets, which carry its name and a hash.
        name = about.name.rpartition("-")[0] if about.kind == "ReplicaSet" else about.name
        if event.reason in _CREATION and name == workload.metadata.name:
            return _PREFACE.sub("", event.message)
    return ""


def _of_pod(pod: Pod, objects: Objects, reasons: dict[str, str]) -> Fact:
    name = pod.metadata.name
    if pod.metadata.deletion_timestamp:
        return Fact(name, "the pod before it is ending", transient=True)
    events = [event for event in objects.events if event.involved_object.name == name]
    if text := _unscheduled(pod, objects) or _broken(pod, events):
        return Fact(name, text)
    running = [c for c in pod.status.container_statuses if not c.state.waiting and not c.ready]
    if _running(pod, "supernode") and name in reasons:
        return Fact(name, reasons[name])
    if running:
        return _unready(name, running[0], events)
    return Fact(name, "its containers are being created", transient=True)


def _of_restarts(pod: Pod) -> Iterator[Fact]:
    """Yield which containers of a pod that is ready for now end again and again, and how."""
    for container in pod.status.container_statuses:
        ended = container.last_state.terminated
        if container.restart_count < _AGAIN or not ended or not ended.exit_code:
            continue
        if datetime.now(UTC) - ended.finished_at < _LATELY:
            yield Fact(pod.metadata.name, f"{container.name} keeps ending: {_end(ended)}")


def _broken(pod: Pod, events: list[Event]) -> str:
    """Return what keeps a container from starting, or how one ended; "" while nothing does."""
    containers = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    for container in containers:
        if text := _ended(container):
            return f"{container.name}: {text}"
    mount = next((event.message for event in events if event.reason in _MOUNTS), "")
    if mount and any(container.state.waiting for container in containers):
        return mount
    return "the pod has failed" if pod.status.phase == "Failed" else ""


def _unscheduled(pod: Pod, objects: Objects) -> str:
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            about = {claim.metadata.name for claim in objects.claims if claim.status.phase != "Bound"}
            more = [e.message for e in objects.events if e.involved_object.name in about]
            return "; ".join([condition.message, *more[:1]])
    return ""


def _ended(container: Container) -> str:
    """Return why a container waits, or how it ended; "" while nothing is wrong with it."""
    waiting, ended = container.state.waiting, container.state.terminated
    last = ended or container.last_state.terminated
    if waiting and waiting.reason not in _TRANSIENT:
        if waiting.reason == "CrashLoopBackOff" and last:
            return f"CrashLoopBackOff: {_end(last)}"
        return f"{waiting.reason}: {waiting.message}"
    if ended and (ended.exit_code or ended.reason == "OOMKilled"):
        return _end(ended)
    return ""


def _end(ended: Terminated) -> str:
    """Return how a container ended, with the last that it said."""
    words = f"; last words: {_last_lines(ended.message)}" if ended.message else ""
    return f"{ended.reason}, exit code {ended.exit_code}{words}"


def _last_lines(message: str) -> str:
    lines = [line.strip() for line in colorless(message).splitlines() if line.strip()]
    return " | ".join(lines[-3:])[-400:]


def _reasons(objects: Objects, cluster: Cluster) -> dict[str, str]:
    """Return why SuperNodes wait, by pod, from their logs' last lines, where these may be read."""
    if not any(_running(pod, "supernode") for pod in objects.pods):
        return {}
    selector = f"{INSTANCE}={cluster.party.release},{COMPONENT}=supernode"
    options = ("--container", "supernode", "--tail", "2", "--prefix", "--ignore-errors")
    done = cluster.in_namespace("logs", "--selector", selector, *options, timeout=_LOG_TIMEOUT)
    last: dict[str, str] = {}
    for line in done.out.splitlines():
        if match := _LOG_LINE.match(line):
            last[match[1]] = match[2]
    return {pod: line.removeprefix(WAITING) for pod, line in last.items() if line.startswith(WAITING)}


def _running(pod: Pod, name: str) -> bool:
    """Return whether a container runs and is not ready."""
    return any(c.name == name and not c.ready and not c.state.waiting for c in pod.status.container_statuses)


def _unready(name: str, container: Container, events: list[Event]) -> Fact:
    last = container.last_state.terminated
    restarted = f"; before, it ended: {_end(last)}" if last else ""
    # What the probe said of the container before this one is over.
    since = container.state.running.started_at if container.state.running else LONG_AGO
    said = next((e.message for e in events if e.reason == "Unhealthy" and e.last >= since), "")
    if probed := _PROBE.search(said):
        words = probed[1].strip().removeprefix("waiting: ").removeprefix(WAITING)
        if words:
            transient = not restarted and _LOST not in words
            return Fact(name, f"{container.name}: {words}{restarted}", transient=transient)
    return Fact(name, f"{container.name} is starting{restarted}", transient=not restarted)


def registrar_troubles(log: str) -> list[str]:
    """Return what the registrar could not do, from its log's JSON lines.

    That is the last word on each node, and what is wrong with a list as a whole.
    """
    last: dict[str, str] = {}
    whole: dict[str, str] = {}
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(node := entry.get("node"), str):
            bad = entry.get("event") in {"not registered", "not unregistered"}
            last[node] = f"{entry['event']}: {entry.get('reason', '')}" if bad else ""
        elif isinstance(entry, dict) and entry.get("event") == OVER:
            whole.pop(str(entry.get("of")), None)
        elif isinstance(entry, dict) and entry.get("event") in _OF_LISTS:
            whole[entry["event"]] = f"{entry['event']}: {entry.get('reason', '')}"
    return [*whole.values(), *(f"{node}: {text}" for node, text in sorted(last.items()) if text)]
