"""What `flowerbed doctor` looks at of the cert-manager issuer that is to certify the gateway.

Its kinds are read as cert-manager.io/v1 has them (cert-manager 1.0 and newer).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from flowerbed.cluster.session import Cluster
from flowerbed.kubernetes.diagnosis.findings import Finding, problem
from flowerbed.plan import Plan

_INSTALL = "install cert-manager (https://cert-manager.io/docs/installation), or declare another `tls.source`"
_OWN_CA = "use an issuer with a CA of your own (kind CA or Vault), and declare its certificate as `tls.ca`"
# Hosts of the directories of CAs that certify public DNS names alone (CA/Browser Forum BR 7.1.4.2.1).
_PUBLIC = re.compile(r"(letsencrypt\.org|zerossl\.com|buypass\.(com|no)|pki\.goog|ssl\.com|digicert\.com)$")
_KINDS = {"Issuer": "issuers.cert-manager.io", "ClusterIssuer": "clusterissuers.cert-manager.io"}
_SAID = 300  # characters of an issuer's own message


def issuer(cluster: Cluster, plan: Plan) -> Iterator[Finding]:
    """Look whether the declared issuer is there, is ready, and can certify names inside the cluster."""
    tls = plan.superlink.tls
    if not cluster.party.is_coordinator or plan.insecure or tls.source != "cert-manager":
        return
    kind, name = tls.issuer_reference
    where = f"{cluster.party.name}: {kind} {name}"
    done = cluster.in_namespace("get", _KINDS[kind], name, "--output", "json")
    if done.forbidden:
        yield Finding(level="warning", what="may not be looked at", where=where)
    elif done.code and "resource type" in done.err:
        yield problem("the cluster knows no cert-manager", where=where, remedy=_INSTALL)
    elif done.missing:
        place = f" in namespace {cluster.party.namespace}" if kind == "Issuer" else ""
        remedy = f"create it, or declare another `tls.issuer`; `kubectl get {_KINDS[kind]}` lists them"
        yield problem(f"is not there{place}", where=where, remedy=remedy)
    elif done.code:
        yield Finding(level="warning", what=f"cannot be read: {done.err.strip()[:_SAID]}", where=where)
    else:
        yield from _looked_at(json.loads(done.out), where)


def _looked_at(found: dict[str, Any], where: str) -> Iterator[Finding]:
    conditions = found.get("status", {}).get("conditions", [])
    ready: dict[str, Any] = next((one for one in conditions if one.get("type") == "Ready"), {})
    if ready.get("status") != "True":
        said = str(ready.get("message", ""))[:_SAID] or "cert-manager has not looked at it yet"
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
