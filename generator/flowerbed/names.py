"""The one home of names, ports and file names, as the charts render them.

`charts/*/templates/_names.tpl` holds the same rules; `tests/charts` compares the two.
"""

from __future__ import annotations

# Ports of the gateway, by audience (design: the SuperLink pod).
FLEET_PORT = 9092
CONTROL_PORT = 9093
RUNTIME_PORT = 9091
# Port of a SuperNode's own Runtime API (flwr 1.41: `flower-supernode --port`).
SUPERNODE_RUNTIME_PORT = 9094

# Where the SuperLink's container keeps its state.
STATE_FOLDER = "/state"
STATE_DATABASE = f"{STATE_FOLDER}/state.db"

# Helm allows 53 characters in a release name; a StatefulSet's pods carry its name and an ordinal, and
# the label `controller-revision-hash` adds 11 characters to it, which leaves 52.
RELEASE_NAME_LIMIT = 52
DNS_LABEL_LIMIT = 63

# Second words of the coordinator's own objects: no tenant may have one as its name.
RESERVED_TENANT_NAMES = frozenset(
    {"superlink", "superexec", "gateway", "registrar", "fleet", "control", "runtime"}
)

# The release of flwr that images carry, by its line: the charts' appVersion.
FLOWER_RELEASES = {"1.41": "1.41.0"}
# The Python of Flower's own images where nothing else is said.
IMAGE_PYTHON = "3.13"
# Flower's images run as this account; pods may have any other.
IMAGE_USER = 49999

# Flower's only federation in the open-source SuperLink (flwr 1.41).
FLOWER_FEDERATION = "@none/default"


def superlink_release(federation: str) -> str:
    """Return the Helm release of the coordinator: `hospitals-superlink`."""
    return f"{federation}-superlink"


def tenant_release(federation: str, tenant: str) -> str:
    """Return the Helm release of a tenant, which is also its StatefulSet's name: `hospitals-north`."""
    return f"{federation}-{tenant}"


def node_name(release: str, ordinal: int) -> str:
    """Return a node's name, which is its pod's: `hospitals-north-0`."""
    return f"{release}-{ordinal}"


def service_name(release: str, audience: str) -> str:
    """Return the Service of an audience (`fleet`, `control`, `runtime`): `hospitals-superlink-fleet`."""
    return f"{release}-{audience}"


def service_names(service: str, namespace: str, cluster_domain: str) -> tuple[str, ...]:
    """Return every DNS name under which a Service is dialled, the short one first."""
    return (
        service,
        f"{service}.{namespace}",
        f"{service}.{namespace}.svc",
        f"{service}.{namespace}.svc.{cluster_domain}",
    )


def server_tls_secret(release: str) -> str:
    """Return the Secret (kubernetes.io/tls, with ca.crt) of the gateway's certificate."""
    return f"{release}-tls"


def client_ca_secret(release: str) -> str:
    """Return the Secret with the CA of the users, where the server's certificate comes from elsewhere."""
    return f"{release}-client-ca"


def superexec_secret(release: str) -> str:
    """Return the Secret that holds the SuperExec authentication secret under the key `secret`."""
    return f"{release}-superexec"


def node_keys_secret(release: str) -> str:
    """Return the Secret with one entry per node, each named as the node's pod."""
    return f"{release}-node-keys"


def base_image(component: str, flower: str, python: str) -> str:
    """Return Flower's own image of a component (`superexec`) for a release of flwr and a Python line."""
    return f"docker.io/flwr/{component}:{flower}-py{python}-ubuntu24.04"
