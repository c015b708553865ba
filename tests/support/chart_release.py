"""Render a chart as Helm does, and hold each object against Kubernetes' own strict schema."""

from __future__ import annotations

import base64
import functools
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flowerbed.declaration import load_plan
from support.needed import require
from support.paths import CHARTS, ROOT

# Release name and namespace under which each chart is rendered here, unless a test says otherwise.
PLACES = {
    "superlink": ("hospitals-superlink", "hospitals"),
    "supernode": ("hospitals-north", "north"),
    "app": ("digits", "analysts"),
}
HELMS = ("helm", "helm3")
# The oldest and the newest Kubernetes that the charts are for: tools/schemas.py.
KUBERNETES = ("1.30.14", "1.37.2")
Object = dict[str, Any]
# What stands in the values of values/ where a user's own certificate or key belongs.
MARK = "FILL IN: "


class Refused(Exception):  # noqa: N818
    """Helm rendered nothing; the text is its message."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod that a release makes or has made: `owner` is its object, as in StatefulSet/hospitals-north."""

    owner: str
    namespace: str
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: Object

    @property
    def containers(self) -> list[Object]:
        """Return init containers and containers."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def container(self, name: str) -> Object:
        """Return the container of that name."""
        (found,) = [container for container in self.containers if container["name"] == name]
        return found


@dataclass(frozen=True, slots=True)
class Release:
    """What Helm would apply."""

    chart: str
    name: str
    namespace: str
    objects: tuple[Object, ...]

    def of(self, kind: str) -> list[Object]:
        """Return the objects of a kind, in Helm's order."""
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> Object:
        """Return the only object of a kind, or the one of that name."""
        found = [item for item in self.of(kind) if name in {None, item["metadata"]["name"]}]
        assert len(found) == 1, f"{kind} {name or ''}: {[item['metadata']['name'] for item in found]}"
        return found[0]

    @property
    def identities(self) -> set[tuple[str, str]]:
        """Return (kind, name) of every object."""
        return {(found["kind"], found["metadata"]["name"]) for found in self.objects}

    def pods(self) -> list[Pod]:
        """Return every pod: of workloads, of hooks, and those that Flower's executor is told to make."""
        return [*self._own_pods(), *self.task_pods()]

    def _own_pods(self) -> Iterator[Pod]:
        for found in self.objects:
            template = found if found["kind"] == "Pod" else found.get("spec", {}).get("template")
            if isinstance(template, dict) and "containers" in template.get("spec", {}):
                meta = template.get("metadata", {})
                yield Pod(
                    owner=f"{found['kind']}/{found['metadata']['name']}",
                    namespace=found["metadata"]["namespace"],
                    labels=meta.get("labels", {}),
                    annotations=meta.get("annotations", {}),
                    spec=template["spec"],
                )

    def task_pods(self) -> list[Pod]:
        """Return a pod for each configuration of Flower's Kubernetes executor, as Flower builds it."""
        configs = {
            (found["metadata"]["name"], key): yaml.safe_load(text)
            for found in self.of("ConfigMap")
            for key, text in (found.get("data") or {}).items()
            if found["metadata"]["name"].endswith("-executor")
        }
        return [_task_pod(f"{name}/{key}", config) for (name, key), config in configs.items()]


def _task_pod(owner: str, config: Object) -> Pod:
    """Return the pod of a task (flwr 1.41: supercore/superexec/executor/kubernetes_executor.py)."""
    container = {
        "name": "taskexecutor",
        "image": config["image"],
        "imagePullPolicy": config["image-pull-policy"],
        "env": config["env"],
        "resources": config["resources"],
        "securityContext": config["container-security-context"],
        "volumeMounts": config["volume-mounts"],
    }
    own = {"app.kubernetes.io/name": "flower", "app.kubernetes.io/component": "taskexecutor"}
    return Pod(
        owner=f"task pods of {owner}",
        namespace=config["namespace"],
        labels={**config["labels"], **own},
        annotations=config.get("annotations", {}),
        spec={
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "securityContext": config["pod-security-context"],
            "containers": [container],
            "volumes": config["volumes"],
        },
    )


@functools.cache
def tools() -> Path:
    """Return the folder of the pinned tools, built if need be."""
    require("go")
    built = subprocess.run([ROOT / "tools/build"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())


def run_helm(helm: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of the two Helms, away from this machine's own Helm settings."""
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "PATH": "/usr/bin:/bin", "KUBECONFIG": "/dev/null"}
        command = [tools() / helm, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


class _Quoted(yaml.SafeDumper):
    """Quotes every string: PyYAML leaves some bare, such as 1e3, that Go's reader takes for a number."""


_Quoted.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def dump(value: Any) -> str:  # noqa: ANN401
    """Return YAML that PyYAML and Go read alike."""
    return str(yaml.dump(value, Dumper=_Quoted, allow_unicode=True, width=1000))


def render(
    chart: str,
    *values: Mapping[str, Any] | Path,
    helm: str = "helm",
    release: tuple[str, str] | None = None,
) -> Release:
    """Return a chart rendered with values, later ones over earlier ones.

    Raises Refused; AssertionError for what Kubernetes refuses.
    """
    name, namespace = release or PLACES[chart]
    texts = (one.read_text(encoding="utf-8") if isinstance(one, Path) else dump(dict(one)) for one in values)
    return _render(chart, tuple(texts), helm, name, namespace)


@functools.lru_cache(maxsize=256)
def _render(chart: str, values: tuple[str, ...], helm: str, name: str, namespace: str) -> Release:
    with tempfile.TemporaryDirectory() as folder:
        words: list[str | Path] = []
        for number, text in enumerate(values):
            file = Path(folder, f"{number}.yaml")
            file.write_text(text, encoding="utf-8")
            words += ["--values", file]
        done = run_helm(helm, "template", name, CHARTS / chart, "--namespace", namespace, *words)
        if done.returncode:
            raise Refused(done.stderr)
    # Helm 3 and 4 differ in blank lines.
    objects = tuple(found for found in yaml.safe_load_all(done.stdout) if found)
    check_schemas("---\n".join(dump(found) for found in objects))
    return Release(chart, name, namespace, objects)


@functools.lru_cache(maxsize=256)
def check_schemas(manifest: str) -> None:
    """Raise AssertionError for what the oldest or the newest Kubernetes would refuse, strictly read."""
    checks = [(version, _kubeconform(version)) for version in KUBERNETES]
    answers = [(version, check, check.communicate(manifest)) for version, check in checks]
    for version, check, (said, errors) in answers:
        assert check.returncode == 0, f"Kubernetes {version}: {said}{errors}"


def _kubeconform(version: str) -> subprocess.Popen[str]:
    """Start a strict check against the schemas of a Kubernetes and of the CRDs; it reads its input."""
    schemas = tools() / "schemas"
    command = [str(tools() / "kubeconform"), "-strict", "-kubernetes-version", version]
    for folder in (f"v{version}", "crds"):
        command += ["-schema-location", f"{schemas}/{folder}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"]
    pipe = subprocess.PIPE
    return subprocess.Popen([*command, "-"], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@dataclass(frozen=True, slots=True)
class Case:
    """A values file that is shipped, with the chart and the release that it is for."""

    chart: str
    file: Path
    release: tuple[str, str]

    def __str__(self) -> str:
        return f"{self.chart}:{self.file.relative_to(ROOT)}"

    @property
    def values(self) -> Object:
        """Return the values, with what is marked filled in."""
        values = yaml.safe_load(self.file.read_text(encoding="utf-8")) or {}
        return dict(filled_in(values, str(self)))

    def render(self, helm: str = "helm") -> Release:
        """Return the release."""
        return render(self.chart, self.values, helm=helm, release=self.release)


def filled_in(value: Any, path: str) -> Any:  # noqa: ANN401
    """Return values with each mark replaced by what it asks for; every public key is another one."""
    if isinstance(value, dict):
        return {key: filled_in(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item, f"{path}.{index}") for index, item in enumerate(value)]
    if not isinstance(value, str) or not value.startswith(MARK):
        return value
    kind = "CERTIFICATE" if "certificate" in value else "PUBLIC KEY"
    body = base64.b64encode(path.encode()).decode()
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n"


def _own_cases() -> Iterator[Case]:
    """Yield what each chart is tried with, beside the chart."""
    for chart, place in PLACES.items():
        for file in sorted((CHARTS / chart / "ci").glob("*.yaml")):
            yield Case(chart, file, place)


def generated_cases() -> Iterator[Case]:
    """Yield the generated values of every setup in values/, under the names of its plan."""
    for declaration in sorted(ROOT.glob("values/*/federation.yaml")):
        plan = load_plan(declaration)
        folder, superlink = declaration.parent, plan.superlink
        yield Case("superlink", folder / "coordinator/values.yaml", (superlink.release, superlink.namespace))
        for tenant in plan.tenants:
            file = folder / "tenants" / tenant.name / "values.yaml"
            yield Case("supernode", file, (tenant.release, tenant.namespace))


CASES = (*_own_cases(), *generated_cases())
