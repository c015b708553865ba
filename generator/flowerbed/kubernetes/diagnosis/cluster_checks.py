"""What `flowerbed doctor` looks at in each party's cluster."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from flowerbed.cluster.session import POD_SECURITY, Cluster
from flowerbed.kubernetes.diagnosis.findings import Finding, problem
from flowerbed.names import STATE_FOLDER
from flowerbed.plan import Plan

OLDEST, NEWEST = (1, 30), (1, 37)
# A signature counts from 5 s before its time (flwr 1.41); the API server's header tells whole seconds.
SKEW_SECONDS = 4.0
FULL_PERCENT = 85
_CLOCK_TIMEOUT = 5.0
# What a release is made of; an admin of the namespace may do all of it.
_RIGHTS = (
    ("create", "secrets"),
    ("create", "configmaps"),
    ("create", "services"),
    ("create", "serviceaccounts"),
    ("create", "statefulsets.apps"),
    ("create", "networkpolicies.networking.k8s.io"),
    ("get", "pods"),
    ("get", "pods/log"),
)
# cert-manager's issuers, as cert-manager.io/v1 has them (cert-manager 1.0 and newer).
_INSTALL = "install cert-manager (https://cert-manager.io/docs/installation), or declare another `tls.source`"
_OWN_CA = "use an issuer with a CA of your own (kind CA or Vault), and declare its certificate as `tls.ca`"
# Hosts of the directories of CAs that certify public DNS names alone (CA/Browser Forum BR 7.1.4.2.1).
_PUBLIC = re.compile(r"(letsencrypt\.org|zerossl\.com|buypass\.(com|no)|pki\.goog|ssl\.com|digicert\.com)$")
_ISSUERS = {"Issuer": "issuers.cert-manager.io", "ClusterIssuer": "clusterissuers.cert-manager.io"}
_LONGEST_MESSAGE = 300  # characters of an issuer's own message


def check(cluster: Cluster, plan: Plan) -> Iterator[Finding]:
    """Yield what every check finds. Raises UnreachableError, NotAllowedError or FlowerbedError."""
    yield from reach(cluster)
    yield from rights(cluster)
    yield from namespace(cluster)
    yield from policies(cluster)
    yield from storage_class(cluster, plan)
    yield from issuer(cluster, plan)
    yield from images(cluster)
    yield from clock(cluster)


def reach(cluster: Cluster) -> Iterator[Finding]:
    """Ask the API server for its version. Raises UnreachableError or NotAllowedError."""
    out = cluster.check_output(cluster.commands.kubectl("version", "--output", "json"))
    server = json.loads(out).get("serverVersion", {})
    match = re.match(r"v?(\d+)\.(\d+)", str(server.get("gitVersion", "")))
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    where = f"{cluster.party.name}: Kubernetes"
    if version < OLDEST:
        yield problem(f"version {server.get('gitVersion')} is too old", where=where, remedy="upgrade to 1.30")
    elif version > NEWEST:
        what = f"version {server.get('gitVersion')} is newer than what the charts are tried with (1.37)"
        yield Finding(level="warning", what=what, where=where)
    else:
        yield Finding(level="ok", what=f"version {server['gitVersion']}", where=where)


def rights(cluster: Cluster) -> Iterator[Finding]:
    """Look whether this account may install the release, and look into it."""
    party = cluster.party
    where = f"{party.name}: rights"
    wanted = [*_RIGHTS, *([("create", "pods/portforward")] if party.is_coordinator else [])]
    lacking = [f"{verb} {kind}" for verb, kind in wanted if not _can(cluster, verb, kind)]
    if not lacking:
        yield Finding(level="ok", what=f"enough in namespace {party.namespace}", where=where)
        return
    what = f"you may not {', '.join(lacking)} in namespace {party.namespace}"
    yield problem(what, where=where, remedy="ask for the role `admin` in this namespace")


def _can(cluster: Cluster, verb: str, kind: str) -> bool:
    resource, _, part = kind.partition("/")
    more = ["--subresource", part] if part else []
    return cluster.in_namespace("auth", "can-i", verb, resource, *more).out.strip() == "yes"


def namespace(cluster: Cluster) -> Iterator[Finding]:
    """Look whether the namespaces are there, and which Pod Security they enforce."""
    party = cluster.party
    for name in party.namespaces:
        where = f"{party.name}: namespace {name}"
        done = cluster.kubectl("get", "namespace", name, "--output", "json")
        if done.forbidden:
            yield Finding(level="warning", what="may not be looked at", where=where)
        elif done.missing and _can(cluster, "create", "namespaces"):
            yield Finding(level="ok", what="is not there yet; `flowerbed apply` creates it", where=where)
        elif done.missing:
            yield problem(
                "is not there, and you may not create it", where=where, remedy="ask an admin of the cluster"
            )
        else:
            yield _security(json.loads(done.out), where)


def _security(found: dict[str, Any], where: str) -> Finding:
    key, _, wanted = POD_SECURITY[0].partition("=")
    level = found["metadata"].get("labels", {}).get(key, "")
    if level == wanted:
        return Finding(level="ok", what=f"Pod Security {level} is enforced", where=where)
    what = f"Pod Security {level or 'restricted'} is {'' if level else 'not '}enforced"
    remedy = (
        f"`kubectl label namespace {found['metadata']['name']} {POD_SECURITY[0]}`: the charts' pods pass it"
    )
    return Finding(level="warning", what=what, where=where, remedy=remedy)


def policies(cluster: Cluster) -> Iterator[Finding]:
    """Look for what enforces NetworkPolicies: no API tells, so known enforcers' names are looked for."""
    known = "calico|cilium|antrea|kube-network-policies|kube-router|weave|canal|ovn|romana|azure-npm"
    done = cluster.kubectl("get", "daemonsets", "--all-namespaces", "--output", "name")
    where = f"{cluster.party.name}: network policies"
    names = sorted(set(re.findall(known, done.out)))
    if names:
        yield Finding(level="ok", what=f"{', '.join(names)} is there to enforce them", where=where)
    else:
        what = "nothing was found that is known to enforce them"
        remedy = (
            "the charts' rules need a network plugin that enforces NetworkPolicies; ask who runs the cluster"
        )
        yield Finding(level="warning", what=what, where=where, remedy=remedy)


def storage_class(cluster: Cluster, plan: Plan) -> Iterator[Finding]:
    """Look whether the StorageClass of the SuperLink's claim is there."""
    if not cluster.party.is_coordinator:
        return
    wanted = plan.superlink.storage.storage_class
    where = f"{cluster.party.name}: storage"
    done = cluster.kubectl("get", "storageclasses", "--output", "json")
    if done.code:
        yield Finding(level="warning", what="StorageClasses may not be looked at", where=where)
        return
    classes = {
        item["metadata"]["name"]: item["metadata"].get("annotations", {})
        for item in json.loads(done.out)["items"]
    }
    default = [
        name
        for name, notes in classes.items()
        if notes.get("storageclass.kubernetes.io/is-default-class") == "true"
    ]
    if wanted in classes or (not wanted and default):
        yield Finding(level="ok", what=f"StorageClass {wanted or default[0]}", where=where)
        return
    what = f"StorageClass {wanted!r} is not there" if wanted else "the cluster has no default StorageClass"
    remedy = f"declare `superlink.storage.class` as one of: {', '.join(sorted(classes)) or 'none is there'}"
    yield Finding(level="problem", what=what, where=where, symptom="claim-unbound", remedy=remedy)


def images(cluster: Cluster) -> Iterator[Finding]:
    """Look whether the cluster's machines have the images that the release needs."""
    where = f"{cluster.party.name}: images"
    if not (cluster.party.bundle / "values.yaml").exists():
        yield Finding(level="ok", what="not looked at before `flowerbed generate`", where=where)
        return
    rendered = cluster.check_output(cluster.commands.template())
    wanted = sorted(set(re.findall(r"^\s*(?:- )?image: \"?([^\"\s]+)", rendered, flags=re.MULTILINE)))
    done = cluster.kubectl("get", "nodes", "--output", "json")
    if done.code:
        yield Finding(level="ok", what=f"needed are {', '.join(wanted)}", where=where)
        return
    held = [
        {name for image in node["status"].get("images", []) for name in image.get("names", [])}
        for node in json.loads(done.out)["items"]
    ]
    lacking = [image for image in wanted if not all(image in names for names in held)]
    if lacking:
        what = f"some machine has to pull {', '.join(lacking)} first"
        remedy = "make sure that the cluster's machines reach the registry, or load the images there"
        yield Finding(level="warning", what=what, where=where, remedy=remedy)
    else:
        yield Finding(level="ok", what="every machine has them", where=where)


def clock(cluster: Cluster) -> Iterator[Finding]:
    """Compare this machine's clock with the API server's, as its Date header tells."""
    where = f"{cluster.party.name}: clock"
    view = ("config", "view", "--minify", "--output", "jsonpath={.clusters[0].cluster.server}")
    server = cluster.kubectl(*view).out.strip()
    try:
        ahead = _ahead(server)
    except (OSError, ValueError, http.client.HTTPException) as error:
        yield Finding(level="warning", what=f"cannot be compared with {server}: {error}", where=where)
        return
    if abs(ahead) <= SKEW_SECONDS:
        yield Finding(level="ok", what=f"within {SKEW_SECONDS:g} s of the cluster's", where=where)
        return
    way = "ahead of" if ahead > 0 else "behind"
    yield problem(f"clock skew: this machine is {abs(ahead):.0f} s {way} the API server", where=where)


def _ahead(server: str) -> float:
    """Return how far this clock is ahead (s). Nothing is sent but a request without credentials."""
    parts = urlsplit(server)
    # Whoever answers says what time it is there: a guess for a diagnosis, and nothing is trusted further.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host = parts.hostname or ""
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, parts.port or 443, timeout=_CLOCK_TIMEOUT, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port or 80, timeout=_CLOCK_TIMEOUT)
    try:
        connection.request("GET", "/version")
        said = connection.getresponse().headers.get("date")
    finally:
        connection.close()
    if not said:
        raise ValueError("it reports no time")
    # The header is cut to whole seconds: half a second is its mean error.
    return (datetime.now(UTC) - parsedate_to_datetime(said)).total_seconds() - 0.5


def storage(cluster: Cluster) -> Iterator[Finding]:
    """Look how full the SuperLink's volume is, by `df` in its own container."""
    pod = f"{cluster.party.release}-0"
    where = f"{cluster.party.name}: storage"
    done = cluster.in_namespace("exec", pod, "--container", "superlink", "--", "df", "-P", STATE_FOLDER)
    match = re.search(r"(\d+)% /\S*$", done.out.strip())
    if done.code or not match:
        what = "how full the SuperLink's volume is cannot be seen (needs `create pods/exec`)"
        yield Finding(level="warning", what=what, where=where)
    elif int(match[1]) >= FULL_PERCENT:
        what = f"the SuperLink's volume is {match[1]}% full"
        remedy = "enlarge it: `superlink.storage.size`, if the StorageClass allows it"
        yield Finding(level="problem", what=what, where=where, symptom="storage-full", remedy=remedy)
    else:
        yield Finding(level="ok", what=f"the SuperLink's volume is {match[1]}% full", where=where)


def issuer(cluster: Cluster, plan: Plan) -> Iterator[Finding]:
    """Look whether the declared issuer is there, is ready, and can certify names inside the cluster."""
    tls = plan.superlink.tls
    if not cluster.party.is_coordinator or plan.insecure or tls.source != "cert-manager":
        return
    kind, name = tls.issuer_reference
    where = f"{cluster.party.name}: {kind} {name}"
    done = cluster.in_namespace("get", _ISSUERS[kind], name, "--output", "json")
    if done.forbidden:
        yield Finding(level="warning", what="may not be looked at", where=where)
    elif done.code and "resource type" in done.err:
        yield problem("the cluster knows no cert-manager", where=where, remedy=_INSTALL)
    elif done.missing:
        place = f" in namespace {cluster.party.namespace}" if kind == "Issuer" else ""
        remedy = f"create it, or declare another `tls.issuer`; `kubectl get {_ISSUERS[kind]}` lists them"
        yield problem(f"is not there{place}", where=where, remedy=remedy)
    elif done.code:
        what = f"cannot be read: {done.err.strip()[:_LONGEST_MESSAGE]}"
        yield Finding(level="warning", what=what, where=where)
    else:
        yield from _issuer_findings(json.loads(done.out), where)


def _issuer_findings(found: dict[str, Any], where: str) -> Iterator[Finding]:
    conditions = found.get("status", {}).get("conditions", [])
    ready: dict[str, Any] = next((one for one in conditions if one.get("type") == "Ready"), {})
    if ready.get("status") != "True":
        said = str(ready.get("message", ""))[:_LONGEST_MESSAGE] or "cert-manager has not looked at it yet"
        remedy = f"`kubectl describe {found['kind'].lower()} {found['metadata']['name']}` has more"
        yield problem(f"is not ready: {said}", where=where, remedy=remedy)
        return
    acme = found.get("spec", {}).get("acme")
    if acme is None:
        yield Finding(level="ok", what="is ready", where=where)
        return
    server = urlsplit(str(acme.get("server", ""))).hostname or ""
    if _PUBLIC.search(server):
        yield problem(
            f"is the public CA at {server}: it certifies no internal names", where=where, remedy=_OWN_CA
        )
    else:
        what = f"asks {server or 'a CA'} by ACME, which gives no ca.crt and may certify no internal names"
        yield Finding(level="warning", what=what, where=where, remedy=_OWN_CA)
