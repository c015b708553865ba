"""The control plane of a built cluster, on its first node, and what is in the cluster from the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import network
from .components import Programs
from .daemons import Daemons
from .images import DNS_IMAGE
from .node import DNS, SERVICES
from .pki import Authority
from .provisioner import storage_classes

# Names outside the cluster are those of `add_host` alone; every other name does not exist.
COREFILE = """\
cluster.local in-addr.arpa {
  errors
  cache 2
  kubernetes cluster.local in-addr.arpa
}
. {
  errors
  hosts /dns/hosts {
    reload 1s
    ttl 1
    fallthrough
  }
  file /dns/empty.zone .
}
"""
ZONE = """\
$ORIGIN .
@ 5 IN SOA none.invalid. none.invalid. 1 3600 600 3600 5
@ 5 IN NS none.invalid.
"""


def start(daemons: Daemons, programs: Programs, authority: Authority, folder: Path, address: str) -> None:
    """Start etcd and the API server, which serves at `address`:6443."""
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    daemons.start(
        *("etcd", 1, programs.node, "etcd", "--data-dir", folder / "etcd"),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *(
            "--listen-peer-urls",
            peer,
            "--initial-advertise-peer-urls",
            peer,
            "--initial-cluster",
            f"default={peer}",
        ),
        "--unsafe-no-fsync",  # a cluster of tests does not outlive its machine
    )
    names = (
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    )
    certificate, key = authority.issue(
        "server", "kube-apiserver", (), (*names, "127.0.0.1", address, "10.96.0.1")
    )
    kubelet_certificate, kubelet_key = authority.issue("to-kubelets", "kube-apiserver", ("system:masters",))
    accounts = authority.service_accounts
    daemons.start(
        *("kube-apiserver", 1, programs.node, "kube-apiserver", f"--etcd-servers={client}"),
        *(f"--service-cluster-ip-range={SERVICES}", f"--advertise-address={address}", "--secure-port=6443"),
        *(
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={authority.file}",
        ),
        *(f"--kubelet-client-certificate={kubelet_certificate}", f"--kubelet-client-key={kubelet_key}"),
        *(
            f"--kubelet-certificate-authority={authority.file}",
            "--kubelet-preferred-address-types=InternalIP",
        ),
        *(f"--service-account-key-file={accounts}", f"--service-account-signing-key-file={accounts}"),
        *("--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=Node,RBAC"),
        *("--enable-admission-plugins=NodeRestriction", "--allow-privileged=true"),
    )


def start_controllers(
    daemons: Daemons, programs: Programs, authority: Authority, folder: Path, server: str
) -> None:
    """Start controller manager and scheduler; they wait for the API server."""
    manager = authority.kubeconfig(
        folder / "manager.kubeconfig", server, "c", "system:kube-controller-manager"
    )
    scheduler = authority.kubeconfig(folder / "scheduler.kubeconfig", server, "c", "system:kube-scheduler")
    daemons.start(
        *("kube-controller-manager", 1, programs.node, "kube-controller-manager", f"--kubeconfig={manager}"),
        *(
            f"--service-account-private-key-file={authority.service_accounts}",
            f"--root-ca-file={authority.file}",
        ),
        *("--use-service-account-credentials", "--leader-elect=false", f"--cluster-cidr={network.PODS}"),
    )
    command = (programs.node, "kube-scheduler", f"--kubeconfig={scheduler}", "--leader-elect=false")
    daemons.start("kube-scheduler", 1, *command)


def _dns(folder: Path) -> list[dict[str, Any]]:
    labels = {"k8s-app": "kube-dns"}
    meta = {"name": "coredns", "namespace": "kube-system"}
    subject = {"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}
    rules = [
        {
            "apiGroups": [""],
            "resources": ["endpoints", "services", "pods", "namespaces"],
            "verbs": ["list", "watch"],
        },
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    container = {
        "name": "coredns",
        "image": DNS_IMAGE,
        "args": ["-conf", "/dns/Corefile"],
        "volumeMounts": [{"name": "dns", "mountPath": "/dns", "readOnly": True}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    }
    pod = {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "terminationGracePeriodSeconds": 0,
        "priorityClassName": "system-cluster-critical",
        "containers": [container],
        "volumes": [{"name": "dns", "hostPath": {"path": str(folder)}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    ports = [{"name": f"dns-{kind.lower()}", "port": 53, "protocol": kind} for kind in ("UDP", "TCP")]
    service = {"clusterIP": DNS, "selector": labels, "ports": ports}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "coredns"}
    access = "rbac.authorization.k8s.io/v1"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": access, "kind": "ClusterRole", "metadata": {"name": "coredns"}, "rules": rules},
        {
            "apiVersion": access,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "coredns"},
            "roleRef": role,
            "subjects": [subject],
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system"},
            "spec": service,
        },
    ]


def objects(folder: Path) -> list[dict[str, Any]]:
    """Return what a cluster holds from the start; `folder` gets the DNS server's files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Corefile").write_text(COREFILE)
    (folder / "empty.zone").write_text(ZONE)
    (folder / "hosts").touch()
    return [*storage_classes(), *_dns(folder)]
