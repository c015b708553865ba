"""What runs on one node of a built cluster: containerd, kubelet, kube-proxy, kube-network-policies."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import cgroups, network
from .components import Programs
from .daemons import Daemons
from .images import PAUSE_IMAGE
from .pki import Authority
from .shell import run

CNI = ("/usr/lib/cni", "/opt/cni/bin")
SERVICES = "10.96.0.0/16"
DNS = "10.96.0.10"


@dataclass(frozen=True, slots=True)
class Node:
    """Node 1, 2, ... of a cluster; `folder` holds its files."""

    cluster: str
    number: int
    index: int
    folder: Path

    @property
    def name(self) -> str:
        """Return what Kubernetes calls it."""
        return f"{self.cluster}-{self.index}"

    @property
    def address(self) -> str:
        """Return its IP address."""
        return network.node_address(self.number, self.index)

    @property
    def run(self) -> Path:
        """Return the folder of its sockets: short, because a socket's path must be."""
        return network.RUN / self.cluster / str(self.index)

    @property
    def socket(self) -> Path:
        """Return containerd's socket."""
        return self.run / "c.sock"

    def link_images(self, template: Path) -> None:
        """Make containerd's root with all images in it: hard links, but for the data bases."""
        self.folder.mkdir(parents=True, exist_ok=True)
        root = self.folder / "containerd"
        run("cp", "-al", template, root)
        for data in (
            "io.containerd.metadata.v1.bolt/meta.db",
            "io.containerd.snapshotter.v1.overlayfs/metadata.db",
        ):
            (root / data).unlink()
            shutil.copy2(template / data, root / data)

    def start_containerd(self, daemons: Daemons) -> None:
        """Start containerd and its network plugins' configuration."""
        plugins = self.folder / "cni"
        plugins.mkdir(parents=True)
        self.run.mkdir(parents=True, exist_ok=True)
        ranges = [[{"subnet": f"10.244.{self.index}.0/24"}]]
        addresses: dict[str, Any] = {
            "type": "host-local",
            "dataDir": f"{self.folder}/addresses",
            "ranges": ranges,
        }
        addresses["routes"] = [{"dst": "0.0.0.0/0"}]
        # ptp routes every packet, also between pods of one node: what filters must see it.
        steps = [
            {"type": "ptp", "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ]
        (plugins / "10-pods.conflist").write_text(
            json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": steps})
        )
        programs = next((folder for folder in CNI if Path(folder, "ptp").exists()), CNI[0])
        config = f"""\
version = 2
root = "{self.folder}/containerd"
state = "{self.run}/state"
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Without CAP_SYS_RESOURCE no process may lower its oom_score_adj.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{programs}"
    conf_dir = "{plugins}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{self.folder}/registries"
"""
        (self.folder / "containerd.toml").write_text(config)
        daemons.start(
            f"containerd-{self.index}", self.index, "containerd", "-c", self.folder / "containerd.toml"
        )

    def containerd_answers(self) -> bool:
        """Tell whether containerd serves kubelets, which end where its socket is there but it is not."""
        import grpc

        with grpc.insecure_channel(f"unix://{self.socket}") as channel:
            version = channel.unary_unary("/runtime.v1.RuntimeService/Version")
            try:
                version(b"", timeout=2)
            except grpc.RpcError:
                return False
        return True

    def start(self, daemons: Daemons, programs: Programs, authority: Authority, server: str) -> None:
        """Start the rest: it needs the API server."""
        group = f"node{self.index}"
        user = f"system:node:{self.name}"
        kubelet = authority.kubeconfig(
            self.folder / f"kubelet-{self.index}.kubeconfig", server, "c", user, ("system:nodes",)
        )
        certificate, key = authority.issue(
            f"kubelet-{self.index}-server", user, ("system:nodes",), (self.name, self.address)
        )
        (self.folder / "resolv.conf").write_text(f"nameserver {DNS}\n")
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": cgroups.path(self.cluster, group),
            "failCgroupV1": False,
            "failSwapOn": False,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(authority.file)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "tlsCertFile": str(certificate),
            "tlsPrivateKeyFile": str(key),
            "clusterDNS": [DNS],
            "clusterDomain": "cluster.local",
            "podLogsDir": f"{self.folder}/podlogs",
            "resolvConf": f"{self.folder}/resolv.conf",
            "enforceNodeAllocatable": [],
            "evictionHard": {
                "nodefs.available": "1%",
                "imagefs.available": "1%",
                "memory.available": "200Mi",
            },
            "serializeImagePulls": False,
            "nodeStatusUpdateFrequency": "2s",
            "syncFrequency": "10s",
        }
        self._write("kubelet.yaml", config)
        node = (programs.node, "kubelet", "--config", self.folder / "kubelet.yaml", "--kubeconfig", kubelet)
        more = (
            "--root-dir",
            self.folder / "kubelet",
            f"--hostname-override={self.name}",
            f"--node-ip={self.address}",
        )
        daemons.start(f"kubelet-{self.index}", self.index, *node, *more)
        self._start_network(daemons, programs, authority, server)

    def _start_network(self, daemons: Daemons, programs: Programs, authority: Authority, server: str) -> None:
        proxy = authority.kubeconfig(
            self.folder / f"proxy-{self.index}.kubeconfig", server, "c", "system:kube-proxy"
        )
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clusterCIDR": network.PODS,
            "hostnameOverride": self.name,
            "clientConnection": {"kubeconfig": str(proxy)},
            "conntrack": {"maxPerCore": 0, "min": 0},
        }
        self._write("proxy.yaml", config)
        daemons.start(
            f"kube-proxy-{self.index}",
            self.index,
            programs.node,
            "kube-proxy",
            "--config",
            self.folder / "proxy.yaml",
        )
        policies = self.folder / f"policies-{self.index}.kubeconfig"
        authority.kubeconfig(policies, server, "c", "policies", ("system:masters",))
        # Closed when it fails: a policy that is not enforced must not look enforced.
        flags = ("-kubeconfig", policies, "-hostname-override", self.name, "-disable-nri", "-fail-open=false")
        daemons.start(f"policies-{self.index}", self.index, programs.policies, *flags)

    def _write(self, name: str, config: object) -> None:
        (self.folder / name).write_text(yaml.safe_dump(config))
