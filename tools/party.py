"""Install, upgrade, render, inspect or remove one party of a declaration with Helm, from this repository.

    party.py install|upgrade|template|status|uninstall FEDERATION.yaml PARTY

PARTY is `coordinator` or a tenant's name. Each command is printed before it runs, and is what the party's
INSTALL.md says. Ends with the exit code of the first command that fails, 2 for wrong input.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowerbed.bundles import generate
from flowerbed.declaration import load_plan
from flowerbed.errors import FlowerbedError, UsageError
from flowerbed.plan import Plan

ROOT = Path(__file__).resolve().parent.parent
VERBS = ("install", "upgrade", "template", "status", "uninstall")
Command = list[str]


@dataclass(frozen=True, slots=True)
class Party:
    """One party's release: where it goes, and the folder of its bundle."""

    chart: Path
    release: str
    namespaces: tuple[str, ...]
    context: str
    bundle: Path

    @property
    def helm(self) -> Command:
        """Return the beginning of every Helm command."""
        context = ["--kube-context", self.context] if self.context else []
        return [os.environ.get("HELM", "helm"), *context]

    @property
    def kubectl(self) -> Command:
        """Return the beginning of every kubectl command."""
        return [os.environ.get("KUBECTL", "kubectl"), *(["--context", self.context] if self.context else [])]


def main(arguments: list[str]) -> int:
    """Run one verb for one party; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("federation", type=Path, help="the declaration")
    parser.add_argument("party", help="coordinator, or a tenant's name")
    options = parser.parse_args(arguments)
    try:
        plan = load_plan(options.federation)
        bundles = options.federation.resolve().parent / "bundles" / plan.name
        party = find(plan, options.party, bundles)
        if options.verb in {"install", "upgrade", "template"}:
            generate(plan, bundles)
        return run(commands(options.verb, party))
    except FlowerbedError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def find(plan: Plan, name: str, bundles: Path) -> Party:
    """Return the party of that name. Raises UsageError that lists those there are."""
    if name == "coordinator":
        superlink = plan.superlink
        apart = superlink.executor == "kubernetes"
        spaces = namespaces(superlink.namespace, apart=apart)
        bundle = bundles / "coordinator"
        return Party(ROOT / "charts/superlink", superlink.release, spaces, superlink.context, bundle)
    for tenant in plan.tenants:
        if tenant.name == name:
            apart = tenant.isolation == "process" and tenant.executor == "kubernetes"
            spaces = namespaces(tenant.namespace, apart=apart)
            bundle = bundles / "tenants" / name
            return Party(ROOT / "charts/supernode", tenant.release, spaces, tenant.context, bundle)
    known = ", ".join(["coordinator", *(tenant.name for tenant in plan.tenants)])
    raise UsageError(f"{name!r} is no party of {plan.name}", remedy=f"PARTY is one of: {known}")


def namespaces(namespace: str, *, apart: bool) -> tuple[str, ...]:
    """Return the party's namespace and, where tasks are pods, theirs."""
    return (namespace, f"{namespace}-tasks") if apart else (namespace,)


def commands(verb: str, party: Party) -> Iterator[Command]:
    """Yield the commands of a verb in their order."""
    there = ["--namespace", party.namespaces[0]]
    values = ["--values", str(party.bundle / "values.yaml")]
    secrets = party.bundle / "secrets.yaml"
    match verb:
        case "template":
            yield [*party.helm, "template", party.release, str(party.chart), *there, *values]
        case "status":
            yield [*party.helm, "status", party.release, *there]
            yield [*party.kubectl, "get", "pods", *there, "-l", f"app.kubernetes.io/instance={party.release}"]
        case "uninstall":
            yield [*party.helm, "uninstall", party.release, *there, "--wait"]
        case _:
            for name in party.namespaces if verb == "install" else ():
                yield [*party.kubectl, "create", "namespace", name]
            if secrets.exists():
                yield [*party.kubectl, "apply", "--server-side", *there, "--filename", str(secrets)]
            # A tenant's nodes get ready only once the coordinator runs, so nothing waits for them here.
            wait = ["--wait", "--timeout", "10m"] if party.chart.name == "superlink" else []
            release = [party.release, str(party.chart), *there, *values, *wait]
            yield [*party.helm, "upgrade", *(["--install"] if verb == "install" else []), *release]


def run(wanted: Iterator[Command]) -> int:
    """Print and run each command; return the exit code of the first that fails, else 0."""
    for command in wanted:
        if not shutil.which(command[0]):
            raise UsageError(
                f"{command[0]} is not on the PATH", remedy="`tools/build` builds Helm; see README"
            )
        print(f"$ {shlex.join(command)}", file=sys.stderr, flush=True)
        if "create" in command and exists(command):
            print("  it is there", file=sys.stderr)
            continue
        if code := subprocess.run(command, check=False).returncode:
            return code
    return 0


def exists(create: Command) -> bool:
    """Return whether the namespace that a command would create is there."""
    get = ["get" if word == "create" else word for word in create]
    return subprocess.run(get, check=False, capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
