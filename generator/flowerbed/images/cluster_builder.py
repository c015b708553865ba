"""Images built inside a cluster: a Job in which buildah runs, followed here, and removed at its end."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from flowerbed.cluster.objects import Container, Pod
from flowerbed.cluster.programs import Command, Programs, find_program
from flowerbed.errors import FlowerbedError, UsageError
from flowerbed.images import cluster_job
from flowerbed.images.builders import Recipe, base_failure, build_failure, push_failure, short, step_of
from flowerbed.images.cluster_job import BUILD, BUILD_TIMEOUT, DOWNLOAD, PUSHING, JobSettings
from flowerbed.images.processes import CompletedProcess, Tell, run
from flowerbed.images.reference import parse_reference

_POLL_INTERVAL = 0.5
# Seconds in which a cluster finds room for a pod, and pulls its images.
_START_TIMEOUT = 300.0
_CANNOT_PULL = {"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_CONFINED = re.compile(r"^error.*(unshare|mount.*(permission denied|not permitted))", re.IGNORECASE)
_LEVEL = "pod-security.kubernetes.io/enforce"


class ClusterBuilder:
    """Builds and pushes images by Jobs in a namespace; everything of a build is removed at its end.

    Raises what `cluster.programs` raises where the cluster is not reached or refuses.
    """

    program = "buildah in the cluster"
    needs_wheels = False

    def __init__(self, settings: JobSettings) -> None:
        self._settings = settings
        self._programs = Programs(helm="", kubectl=find_program("kubectl"))
        self._digests: dict[str, str] = {}

    def has(self, image: str) -> bool:  # noqa: ARG002
        """Return False: what was built before is known by the record, and nothing is kept here."""
        return False

    def pinned(self, base: str, platform: str, tell: Tell) -> str:
        """Return a base image by digest, as the cluster's registry tells. Raises FlowerbedError."""
        name = parse_reference(base)
        if name.registry == "localhost":
            remedy = "push it to a registry, and name it there"
            raise UsageError(f"the cluster does not see the base image {base}", remedy=remedy)
        if name.digest:
            return base
        tell(f"asking the cluster for the digest of {base}")
        said: list[str] = []
        with self._job(lambda job: cluster_job.pulling(self._settings, job, base, platform), {}, {}) as job:
            state = self._follow(job, None, said.append, tell)
        if state.code or not (digest := state.message.strip()):
            raise self._confined(said) or base_failure(base, CompletedProcess(state.code, tuple(said)))
        return f"{name.name}@{digest}"

    def build(self, recipe: Recipe, tell: Tell) -> None:
        """Build an image and push it. Raises FlowerbedError with the instruction that failed."""
        data = cluster_job.context_data(recipe)
        if cluster_job.too_large(data):
            remedy = "split the image's packages, or build on a machine"
            raise UsageError("Containerfile and lock are too large for a ConfigMap", remedy=remedy)
        values = cluster_job.secrets_of(recipe, os.environ)
        steps: list[str] = []
        said: list[str] = []

        def follow(line: str) -> None:
            said.append(line)
            if step := PUSHING if line == PUSHING else step_of(line):
                steps.append(step)
                tell(f"  {short(step)}")

        with self._job(lambda job: cluster_job.building(self._settings, job, recipe), data, values) as job:
            state = self._follow(job, recipe.log, follow, tell)
        if not state.code and state.message:
            self._digests[recipe.image] = state.message.strip()
            return
        outcome = CompletedProcess(state.code, tuple(said[-400:]))
        if state.container == DOWNLOAD:
            raise recipe.download.explain(outcome.text)
        if error := self._confined(said):
            raise error
        if steps and steps[-1] == PUSHING:
            error = push_failure(recipe.image, recipe.log, outcome)
            error.remedy = (
                f"name the registry's login with --registry-secret (a Secret in the {self._settings.where})"
            )
            raise error
        raise build_failure(recipe, steps, outcome)

    def push(self, image: str, log: Path) -> str:  # noqa: ARG002
        """Return the digest under which `build` pushed an image."""
        return self._digests[image]

    @contextmanager
    def _job(
        self,
        described: Callable[[str], Mapping[str, Any]],
        data: Mapping[str, str],
        values: Mapping[str, bytes],
    ) -> Iterator[str]:
        """Start a Job with what it reads, and remove all of it afterwards, whatever happens."""
        name = f"flowerbed-build-{secrets.token_hex(5)}"
        try:
            made = json.loads(
                self._demand("create", "--filename", "-", "--output", "json", said=described(name))
            )
            self._demand("create", "--filename", "-", said=cluster_job.given(name, made, data, values))
            self._demand("patch", "job", name, "--patch", '{"spec": {"suspend": false}}')
            yield name
        finally:
            # With the Job go its pod, its ConfigMap and its Secret, which it owns.
            self._programs.run(self._kubectl("delete", "job", name, "--ignore-not-found", "--wait=false"))

    def _follow(self, job: str, log: Path | None, tell: Tell, narrate: Tell) -> _End:
        """Follow the Job's pod to its end; the builder's lines go to `tell` and to the end of `log`."""
        pod = self._started(job, narrate)
        ended = _ended(pod)
        if ended is None or ended.container == BUILD:
            command = self._kubectl("logs", pod.metadata.name, "--container", BUILD, "--follow")
            run(command, log=log, tell=tell)
        limit = time.monotonic() + BUILD_TIMEOUT
        while (ended := _ended(self._pod(job) or pod)) is None:
            if time.monotonic() > limit:
                raise FlowerbedError(
                    f"the build did not end within {BUILD_TIMEOUT} s", where=self._settings.where
                )
            time.sleep(_POLL_INTERVAL)
        if ended.container == DOWNLOAD:
            run(self._kubectl("logs", pod.metadata.name, "--container", DOWNLOAD), log=log, tell=tell)
        return ended

    def _started(self, job: str, narrate: Tell) -> Pod:
        """Wait until the builder runs, or the pod has ended. Raises FlowerbedError with what keeps it."""
        limit = time.monotonic() + _START_TIMEOUT
        told = ""
        while True:
            pod = self._pod(job)
            if pod and (_ended(pod) or _runs(pod)):
                return pod
            now = _waits_for(pod) if pod else self._refused(job)
            if now and now != told:
                narrate(f"  {now}")
                told = now
            if time.monotonic() > limit and not (pod and _downloads(pod)):
                why = f": {told}" if told else ""
                what = f"the build's pod did not start within {_START_TIMEOUT:.0f} s{why}"
                remedy = f"`kubectl --namespace {self._settings.namespace} get events` shows more"
                raise FlowerbedError(what, where=self._settings.where, remedy=remedy)
            time.sleep(_POLL_INTERVAL)

    def _refused(self, job: str) -> str:
        """Raise if the namespace refuses the pod; else return ""."""
        picked = ("--field-selector", f"involvedObject.name={job},reason=FailedCreate", "--output", "json")
        events = json.loads(self._demand("get", "events", *picked))["items"]
        if not events:
            return ""
        what = f"the namespace refuses the build's pod: {events[-1].get('message', '')}"
        remedy = ""
        if "PodSecurity" in what:
            level = "privileged" if self._settings.unconfined else "baseline"
            remedy = f"build in a namespace of its own: kubectl label namespace NAME {_LEVEL}={level}"
        raise FlowerbedError(what, where=self._settings.where, remedy=remedy)

    def _confined(self, said: list[str]) -> FlowerbedError | None:
        """Return the error for a builder that is not let into a user namespace, if that is what it said."""
        found = next((line for line in said if _CONFINED.match(line)), "")
        if self._settings.unconfined or not found:
            return None
        what = f"the machine confines the builder: {short(found)}"
        remedy = "--unconfined takes that away, in a namespace of the level `privileged`"
        return FlowerbedError(what, where=self._settings.where, remedy=remedy)

    def _pod(self, job: str) -> Pod | None:
        found = self._demand(
            "get", "pods", "--selector", f"{cluster_job.BUILD_LABEL}={job}", "--output", "json"
        )
        pods = msgspec.json.decode(found, type=_Pods).items
        return pods[0] if pods else None

    def _demand(self, *words: str, said: object = None) -> str:
        text = None if said is None else json.dumps(said)
        return self._programs.check_output(self._kubectl(*words), where=self._settings.where, text=text)

    def _kubectl(self, *words: str) -> Command:
        context = ["--context", self._settings.context] if self._settings.context else []
        return [self._programs.kubectl, *context, "--namespace", self._settings.namespace, *words]


class _Pods(msgspec.Struct, frozen=True):
    items: tuple[Pod, ...] = ()


class _End(msgspec.Struct, frozen=True):
    """How a build ended: which container was last, its exit code, and its last words."""

    container: str
    code: int
    message: str = ""


def _ended(pod: Pod) -> _End | None:
    for one in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        ended = one.state.terminated
        if ended and (one.name == BUILD or ended.exit_code):
            return _End(one.name, ended.exit_code, ended.message)
    # Evicted, or its machine is gone.
    return _End(BUILD, 1) if pod.status.phase == "Failed" else None


def _runs(pod: Pod) -> bool:
    return any(one.name == BUILD and one.state.running for one in pod.status.container_statuses)


def _downloads(pod: Pod) -> bool:
    return any(one.state.running for one in pod.status.init_container_statuses)


def _waits_for(pod: Pod) -> str:
    """Return what a pod waits for, in words. Raises FlowerbedError where an image cannot be pulled."""
    statuses: tuple[Container, ...] = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    for one in statuses:
        waits = one.state.waiting
        if waits and waits.reason in _CANNOT_PULL:
            what = f"the cluster cannot pull {one.image}: {short(waits.message or waits.reason)}"
            remedy = "correct the name, or name the registry's login with --registry-secret"
            raise FlowerbedError(what, where=f"pod {pod.metadata.name}", remedy=remedy)
    if _downloads(pod):
        return "downloading wheels"
    unplaced = [one.message for one in pod.status.conditions if one.reason == "Unschedulable"]
    return f"no machine has room yet: {short(unplaced[0])}" if unplaced else ""
