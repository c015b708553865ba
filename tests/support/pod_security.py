"""Pod Security `restricted` as code (Kubernetes 1.37: the Pod Security Standards), one rule a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from support.chart_release import Object, Pod

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
    "secret",
}  # fmt: skip
SECCOMP = {"RuntimeDefault", "Localhost"}
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}  # fmt: skip
Found = Iterator[str]


def context(container: Object) -> Object:
    """Return a container's security context."""
    return dict(container.get("securityContext") or {})


def host(pod: Pod) -> Found:
    """Host namespaces and ports stay out."""
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(key):
            yield f"{key} is set"
    for container in pod.containers:
        if any(port.get("hostPort") for port in container.get("ports", [])):
            yield f"{container['name']} has a hostPort"


def privileges(pod: Pod) -> Found:
    """Nothing is privileged, nothing escalates, every capability is dropped and none is added."""
    for container in pod.containers:
        settings = context(container)
        capabilities = settings.get("capabilities") or {}
        if settings.get("privileged"):
            yield f"{container['name']} is privileged"
        if settings.get("allowPrivilegeEscalation") is not False:
            yield f"{container['name']} may escalate"
        if capabilities.get("drop") != ["ALL"] or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            yield f"{container['name']} has capabilities"
        if settings.get("procMount", "Default") != "Default":
            yield f"{container['name']} has another procMount"


def user(pod: Pod) -> Found:
    """Nobody is root."""
    whole = pod.spec.get("securityContext") or {}
    for container in pod.containers:
        settings = {**whole, **context(container)}
        if settings.get("runAsNonRoot") is not True:
            yield f"{container['name']} may run as root"
        if settings.get("runAsUser") == 0:
            yield f"{container['name']} runs as user 0"


def profiles(pod: Pod) -> Found:
    """Seccomp filters; SELinux, AppArmor and sysctls are left alone."""
    whole = pod.spec.get("securityContext") or {}
    for container in pod.containers:
        settings = {**whole, **context(container)}
        if (settings.get("seccompProfile") or {}).get("type") not in SECCOMP:
            yield f"{container['name']} has no seccomp profile"
        if {"seLinuxOptions", "appArmorProfile"} & set(settings):
            yield f"{container['name']} sets SELinux or AppArmor"
    for sysctl in whole.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"


def volumes(pod: Pod) -> Found:
    """Volumes are of the allowed kinds."""
    for volume in pod.spec.get("volumes", []):
        if kinds := set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is a {', '.join(kinds)}"


RESTRICTED: tuple[Callable[[Pod], Found], ...] = (host, privileges, user, profiles, volumes)


def violations(pod: Pod) -> list[str]:
    """Return everything for which Pod Security would refuse the pod."""
    return [found for rule in RESTRICTED for found in rule(pod)]
