"""What the benches run on: declarations of any size, and NVFLARE projects of as many sites."""

from __future__ import annotations

from pathlib import Path

_HEAD = """version: 1
name: many
flower: "1.41"
superlink:
  namespace: many
  context: hub
  exposure:
    fleet: {type: load-balancer, host: fleet.example.org, port: 443}
tenants:
"""
_TENANT = """  - name: t{0:05d}
    context: cluster-{0:05d}
    nodes: {1}
    config: {{site: "Hôpital {0}", batch-size: {2}}}
    data: [{{claim: scans, mount: /data, read-only: true}}]
    resources: {{requests: {{cpu: 500m, memory: 1Gi}}, limits: {{memory: 2Gi}}}}
"""
_TAIL = """users:
  - {name: analyst, role: submitter}
  - {name: lead, role: operator}
"""
_PROJECT = """api_version: 3
name: many
description: as many sites as the declaration has tenants
participants:
  - {name: server1, type: server, org: many, fed_learn_port: 8002}
  - {name: admin@many.example.org, type: admin, org: many, role: project_admin}
  - {name: lead@many.example.org, type: admin, org: many, role: lead}
"""
# The builders of NVFLARE's own sample project (`nvflare provision -g`, 2.9.0).
_BUILDERS = """builders:
  - path: nvflare.lighter.impl.workspace.WorkspaceBuilder
    args: {template_file: [master_template.yml, aws_template.yml, azure_template.yml]}
  - path: nvflare.lighter.impl.static_file.StaticFileBuilder
    args: {config_folder: config}
  - path: nvflare.lighter.impl.cert.CertBuilder
  - path: nvflare.lighter.impl.signature.SignatureBuilder
"""


def write_declaration(path: Path, tenants: int, nodes: int = 2, changed: tuple[int, int] = (0, 32)) -> Path:
    """Write a declaration of `tenants` tenants with `nodes` nodes each, two users and TLS; return its path.

    `changed` gives the tenant in the middle so many more nodes, and this batch-size.
    """
    more, batch_size = changed
    middle = tenants // 2
    body = (
        _TENANT.format(index, nodes + more * (index == middle), batch_size if index == middle else 32)
        for index in range(tenants)
    )
    path.write_text(_HEAD + "".join(body) + _TAIL, encoding="utf-8")
    return path


def write_project(path: Path, sites: int) -> Path:
    """Write an NVFLARE project with one server, two admins and `sites` clients; return its path."""
    clients = "".join(f"  - {{name: site-{index}, type: client, org: many}}\n" for index in range(sites))
    path.write_text(_PROJECT + clients + _BUILDERS)
    return path
