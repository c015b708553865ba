"""Declarations, small and full, and their plans, for the tests of resolving."""

from __future__ import annotations

from pathlib import Path

from flowerbed.declaration import load_plan
from flowerbed.plan import Plan

SMALL = "version: 1\nname: hospitals\ntenants: [{name: north, nodes: 2}]\n"
FULL = """\
version: 1
name: hospitals
flower: "1.41"
admission: open
superlink:
  namespace: hub-space
  context: hub
  cluster-domain: corp.local
  exposure:
    fleet: {type: load-balancer, host: Fleet.Example.org, port: 443, class: public}
    control: {type: gateway-api, host: control.example.org, class: infra/public}
  tls:
    source: cert-manager
    issuer: ClusterIssuer/ca
    names: [10.1.2.3, "*.example.org", "2001:DB8::1"]
    days: 30
  storage: {size: 1.5Ti, class: fast}
  executor: sidecar
  profile: small
  resources: {limits: {memory: 4Gi}}
  env: {B: own}
  secrets: [{name: registry, mount: /secret}]
tenants:
  - name: north
    namespace: north-space
    context: north-cluster
    nodes: [{config: {batch-size: 64}}, {}]
    config: {site: "Hôpital Nord", batch-size: 32}
    isolation: process
    executor: kubernetes
    data: [{claim: scans, mount: /data}, {claim: out, mount: /out, read-only: false}]
    node-selector: {disk: ssd}
    tolerations: [{key: gpu, operator: Exists, effect: NoExecute, toleration-seconds: 60}]
  - {name: south, nodes: 1, isolation: process}
users: [{name: analyst}, {name: boss, role: operator}]
profiles:
  small:
    resources: {requests: {cpu: 0.5, memory: 1Gi}, limits: {memory: 2Gi, nvidia.com/gpu: 1}}
    node-selector: {zone: a}
    env: {A: profile, B: profile}
    tolerations: [{key: spot}]
local: {ports: {fleet: 9092}}
"""


def plan_of(text: str, folder: Path) -> Plan:
    file = folder / "federation.yaml"
    file.write_text(text)
    return load_plan(file)
