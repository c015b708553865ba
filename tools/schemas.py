"""Write JSON Schemas for kubeconform from Kubernetes' own OpenAPI document and from projects' CRDs.

The sources come as Go modules, which the Go command checks against its checksum database. Strict: a key
that Kubernetes does not know is refused.

    schemas.py FOLDER  ->  FOLDER/v1.30.14/deployment-apps-v1.json, FOLDER/crds/tlsroute-gateway-v1.json, ...
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]
Json = Any  # a schema, or any part of one

# The oldest and the newest Kubernetes that the charts are for.
KUBERNETES = ("1.30.14", "1.37.2")
# Module, version, and the folder of its CRDs.
CRDS = (
    ("sigs.k8s.io/gateway-api", "v1.6.3", "config/crd/"),
    ("github.com/cert-manager/cert-manager", "v1.21.2", "deploy/crds/"),
    (
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
    ),
)
REF = "#/definitions/"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
# Parts of a schema that say nothing that kubeconform checks.
WORDS = frozenset({"description", "format", "properties"})
NUMBER_OR_TEXT: Schema = {"type": ["string", "number"]}


def main(arguments: list[str]) -> int:
    """Write every schema below the folder named by the only argument; return the exit code."""
    folder = Path(arguments[0])
    for version in KUBERNETES:
        write_kubernetes(folder / f"v{version}", module_zip("k8s.io/kubernetes", f"v{version}"))
    for module, version, below in CRDS:
        write_crds(folder / "crds", module_zip(module, version), below)
    return 0


def module_zip(module: str, version: str) -> Path:
    """Return the downloaded zip of a Go module."""
    command = ["go", "mod", "download", "-json", f"{module}@{version}"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Path(answer["Zip"])


def members(archive: Path, below: str) -> Iterator[bytes]:
    """Yield the files of a module's zip whose path in the module begins with `below`."""
    with zipfile.ZipFile(archive) as opened:
        for name in sorted(opened.namelist()):
            path = name.partition("@")[2].partition("/")[2]
            if path.startswith(below) and path.endswith((".yaml", ".json")):
                yield opened.read(name)


def write_kubernetes(folder: Path, archive: Path) -> None:
    """Write a schema for each kind in api/openapi-spec/swagger.json."""
    (text,) = members(archive, "api/openapi-spec/swagger.json")
    definitions = {name: strict(schema) for name, schema in json.loads(text)["definitions"].items()}
    definitions[QUANTITY] = NUMBER_OR_TEXT
    for name, schema in definitions.items():
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        if len(kinds) == 1:  # more than one: DeleteOptions and its likes, which nobody applies
            required = {"apiVersion", "kind", *schema.get("required", ())}
            whole = {"definitions": closure(name, definitions), **schema, "required": sorted(required)}
            write(folder, kinds[0], whole)


def write_crds(folder: Path, archive: Path, below: str) -> None:
    """Write a schema for each version of each CustomResourceDefinition in a module's folder."""
    for text in members(archive, below):
        if b"CustomResourceDefinition" not in text:
            continue
        for document in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if document and document["kind"] == "CustomResourceDefinition":
                spec = document["spec"]
                for version in spec["versions"]:
                    schema = strict(version["schema"]["openAPIV3Schema"])
                    schema["properties"]["metadata"] = {"type": "object"}
                    kind = {"group": spec["group"], "version": version["name"], "kind": spec["names"]["kind"]}
                    write(folder, kind, schema)


def write(folder: Path, kind: Schema, schema: Schema) -> None:
    """Write a schema under the name by which kubeconform asks for it."""
    group = kind["group"].partition(".")[0]
    name = "-".join(part for part in (kind["kind"], group, kind["version"]) if part).lower()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(schema, separators=(",", ":")))


def strict(schema: Json) -> Json:
    """Return the schema with closed objects, and with the types that OpenAPI only hints at."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return {"type": ["string", "integer"]}
    result = {key: strict(value) for key, value in schema.items() if key not in WORDS}
    if schema.get("properties"):
        result["properties"] = {key: strict(value) for key, value in schema["properties"].items()}
        result.setdefault("additionalProperties", bool(schema.get("x-kubernetes-preserve-unknown-fields")))
    return result


def closure(name: str, definitions: Schema) -> Schema:
    """Return the definitions that `name` refers to, directly or through others."""
    found: Schema = {}
    waiting = list(references(definitions[name]))
    while waiting:
        reached = waiting.pop()
        if reached not in found:
            found[reached] = definitions[reached]
            waiting.extend(references(definitions[reached]))
    return found


def references(schema: Json) -> Iterator[str]:
    """Yield the names that a schema refers to."""
    if isinstance(schema, list):
        for item in schema:
            yield from references(item)
    elif isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.removeprefix(REF)
        for value in schema.values():
            yield from references(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
