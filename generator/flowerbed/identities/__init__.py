"""Identities: the CA, certificates, node keys and the SuperExec secret. Made once, kept in the bundle folder.

The nouns are `CertificateAuthority`, `ServerCertificate`, `ClientCertificate` and `NodeKey`. The `ensure_...`
functions load or create them, one party at a time; `load` reads all of them and makes none.

Names are resolved on first use: importing `cryptography` costs more time than `flowerbed check` may take.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowerbed.identities.authority import CertificateAuthority
    from flowerbed.identities.authority_store import ensure_authority
    from flowerbed.identities.certificates import ClientCertificate, ServerCertificate
    from flowerbed.identities.coordinator import CoordinatorIdentity, ensure_coordinator
    from flowerbed.identities.loading import Identities, load
    from flowerbed.identities.node_keys import NodeKey, ensure_node_keys
    from flowerbed.identities.store import Event, Tell
    from flowerbed.identities.users import ensure_user

_HOMES = {
    "CertificateAuthority": "authority",
    "ensure_authority": "authority_store",
    "ClientCertificate": "certificates",
    "ServerCertificate": "certificates",
    "CoordinatorIdentity": "coordinator",
    "ensure_coordinator": "coordinator",
    "Event": "store",
    "Tell": "store",
    "Identities": "loading",
    "load": "loading",
    "NodeKey": "node_keys",
    "ensure_node_keys": "node_keys",
    "ensure_user": "users",
}

__all__ = [
    "CertificateAuthority",
    "ClientCertificate",
    "CoordinatorIdentity",
    "Event",
    "Identities",
    "NodeKey",
    "ServerCertificate",
    "Tell",
    "ensure_authority",
    "ensure_coordinator",
    "ensure_node_keys",
    "ensure_user",
    "load",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
