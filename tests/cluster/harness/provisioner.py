"""Volumes for claims and addresses for Services of type LoadBalancer: what a cloud would add to a cluster."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import network
from .api import Api
from .cache import say
from .shell import run

# Claims of `standard` get a folder; those of `limited` a tmpfs of exactly their size, which can be full.
CLASSES = {"standard": "folder", "limited": "tmpfs"}
PROVISIONER = "flowerbed.test/folders"


def storage_classes() -> list[dict[str, Any]]:
    """Return the StorageClasses; `standard` is the default."""
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": name,
                "annotations": {
                    "storageclass.kubernetes.io/is-default-class": str(name == "standard").lower()
                },
            },
            "provisioner": PROVISIONER,
            "reclaimPolicy": "Delete",
        }
        for name in CLASSES
    ]


@dataclass(slots=True)
class Provisioner:
    """Looks at the cluster twice a second, in a thread of its own, until `ended`."""

    api: Api
    folder: Path
    number: int
    space: str
    ended: threading.Event = field(default_factory=threading.Event)
    _balancers: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Serve until told to end; an API server that is away is asked again."""
        told = ""
        while not self.ended.wait(0.5):
            try:
                self._volumes()
                self._addresses()
            except OSError as error:
                if str(error) != told:
                    say(f"volumes and addresses wait: {error}")
                told = str(error)

    def _volumes(self) -> None:
        volumes = self.api.ask("/api/v1/persistentvolumes")["items"]
        held = {volume["spec"].get("claimRef", {}).get("uid") for volume in volumes}
        for claim in self.api.ask("/api/v1/persistentvolumeclaims")["items"]:
            kind = CLASSES.get(claim["spec"].get("storageClassName", ""))
            if kind and claim["status"].get("phase") == "Pending" and claim["metadata"]["uid"] not in held:
                self._provide(claim, kind)
        for volume in volumes:
            if volume["status"].get("phase") in ("Released", "Failed"):
                self._remove(volume)

    def _provide(self, claim: dict[str, Any], kind: str) -> None:
        meta, spec = claim["metadata"], claim["spec"]
        folder = self.folder / f"{meta['namespace']}.{meta['name']}.{meta['uid'][:8]}"
        folder.mkdir(parents=True, exist_ok=True)
        size = spec["resources"]["requests"]["storage"]
        if kind == "tmpfs" and not folder.is_mount():
            run("mount", "-t", "tmpfs", "-o", f"size={size_bytes(size)},mode=0777", "flowerbed", folder)
        folder.chmod(0o777)  # kubelet does not hand hostPath volumes to the pod's fsGroup
        reference = {"kind": "PersistentVolumeClaim", "apiVersion": "v1"}
        reference |= {key: meta[key] for key in ("namespace", "name", "uid")}
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": f"pvc-{meta['uid']}",
                "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
            },
            "spec": {
                "capacity": {"storage": size},
                "accessModes": spec["accessModes"],
                "storageClassName": spec["storageClassName"],
                "persistentVolumeReclaimPolicy": "Delete",
                "claimRef": reference,
                "hostPath": {"path": str(folder)},
            },
        }
        self.api.create("/api/v1/persistentvolumes", volume)

    def _remove(self, volume: dict[str, Any]) -> None:
        folder = Path(volume["spec"]["hostPath"]["path"])
        if self.folder in folder.parents:
            if folder.is_mount():
                run("umount", "-l", folder)
            shutil.rmtree(folder, ignore_errors=True)
        self.api.delete(f"/api/v1/persistentvolumes/{volume['metadata']['name']}")

    def _addresses(self) -> None:
        services = [
            item
            for item in self.api.ask("/api/v1/services")["items"]
            if item["spec"].get("type") == "LoadBalancer"
        ]
        for gone in set(self._balancers) - {item["metadata"]["uid"] for item in services}:
            address = self._balancers.pop(gone)
            run("ip", "-n", self.space, "address", "del", f"{address}/32", "dev", "node0", check=False)
        for service in services:
            if service["status"].get("loadBalancer", {}).get("ingress"):
                continue
            meta = service["metadata"]
            free = (f"198.19.{self.number}.{last}" for last in network.BALANCERS)
            address = self._balancers.get(meta["uid"]) or next(
                one for one in free if one not in self._balancers.values()
            )
            self._balancers[meta["uid"]] = address
            network.add_address(self.space, address)
            status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
            self.api.merge(f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}/status", status)


def size_bytes(quantity: str) -> int:
    """Return the bytes of a Kubernetes quantity such as 32Mi."""
    for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1):
        if quantity.endswith(unit):
            return int(quantity.removesuffix(unit)) * 1024**power
    for power, unit in enumerate(("k", "M", "G", "T"), start=1):
        if quantity.endswith(unit):
            return int(quantity.removesuffix(unit)) * 1000**power
    return int(quantity)
