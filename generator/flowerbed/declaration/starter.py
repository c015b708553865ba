"""The file that `flowerbed init` writes: small, commented, and accepted by `flowerbed check`."""

from __future__ import annotations

from pathlib import Path

from flowerbed.errors import UsageError
from flowerbed.files import write_atomic

STARTER = """\
# A Flower federation: one SuperLink, its tenants and its users. `flowerbed check` reports every error in it.
# To let your editor complete it: `flowerbed schema > federation.schema.json`, and as this file's first line
#   # yaml-language-server: $schema=federation.schema.json
version: 1
name: hospitals                 # every release and Service name begins with it
flower: "1.41"                  # minor line of flwr
admission: listed               # only SuperNodes with a declared key may join; open: any

superlink:
  namespace: hospitals
  # context: hub                # kubeconfig context of its cluster; left out: the current one
  # exposure:                   # left out: reached inside its own cluster only
  #   fleet: {type: load-balancer, host: fleet.example.org, port: 443}
  #   control: {type: load-balancer, host: control.example.org, port: 443}
  storage: {size: 10Gi}

tenants:
  - name: north
    namespace: north
    nodes: 2                    # SuperNodes, each with its own key and its own partition of the data
    config: {site: "Hôpital Nord", batch-size: 32}    # what the app sees as its node config
    isolation: process          # apps run beside the node and cannot read its key; subprocess: within it
    # data: [{claim: scans, mount: /data}]            # an existing PersistentVolumeClaim, read-only
    # resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 2Gi}}
  - name: south
    namespace: south
    nodes: 1
    isolation: process

users:
  - {name: analyst, role: submitter}    # viewer reads; submitter also runs apps; operator also manages nodes
"""


def write_starter(path: Path, *, force: bool = False) -> None:
    """Write the starting file whole, or not at all.

    Raises UsageError if there is something already and `force` is not set, or if there is no such directory.
    """
    if not path.parent.is_dir():
        raise UsageError("there is no such directory", where=str(path.parent), remedy="make it first")
    if path.is_dir():
        raise UsageError("this is a directory", where=str(path), remedy="name a file in it")
    if not force and (path.exists() or path.is_symlink()):
        remedy = "choose another name, or write over it with --force"
        raise UsageError("there is a file already", where=str(path), remedy=remedy)
    write_atomic(path, STARTER.encode())
