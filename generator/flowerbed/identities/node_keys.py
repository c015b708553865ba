"""Node keys, and the Secrets of a tenant (`tenants/NAME/secrets.yaml`): its keys, and its SuperExecs' secret.

A private key is in OpenSSH's PEM form, the only one that `flower-supernode --auth-supernode-private-key`
reads. A public key is SubjectPublicKeyInfo PEM exactly as `cryptography` writes it: the SuperLink compares
public keys byte by byte (flwr 1.41).

A key whose node left the plan moves to `retired-keys.yaml` beside it and never comes back: once the registrar
has unregistered a key, that SuperLink refuses it for good (flwr 1.41), so a node that returns gets a new one.
"""

from __future__ import annotations

import binascii
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flowerbed.errors import IdentityError
from flowerbed.identities.coordinator import SUPEREXEC_ENTRY
from flowerbed.identities.secret_manifest import OPAQUE, Secret
from flowerbed.identities.store import (
    Event,
    Tell,
    foreign_secret,
    ignore,
    locked,
    read_secrets,
    write_secrets,
)
from flowerbed.plan import Plan, Tenant

FORM = "Flower reads EC keys as `ssh-keygen -t ecdsa -b 384 -N ''` writes them"
_POINT = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
_NIST_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_LEFT = "left the plan; a node that returns under that name gets a new key"


@dataclass(frozen=True, slots=True)
class NodeKey:
    """A SuperNode's key pair: `private` is OpenSSH PEM, `public` is SubjectPublicKeyInfo PEM."""

    private: bytes = field(repr=False)
    public: bytes

    @classmethod
    def generate(cls) -> Self:
        """Return a new key on P-384, the curve that Flower's own tools make."""
        key = ec.generate_private_key(ec.SECP384R1())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        return cls(private, _spki(key.public_key()))

    @classmethod
    def from_private(cls, private: bytes, where: str = "node key", remedy: str = FORM) -> Self:
        """Return the pair of an OpenSSH key on a NIST curve, or raise IdentityError with place and remedy."""
        key = _parsed(private)
        if isinstance(key, str):
            raise IdentityError(key, where=where, remedy=remedy)
        return cls(private, _spki(key.public_key()))


def _parsed(private: bytes) -> ec.EllipticCurvePrivateKey | str:
    """Return the key, or what is wrong with it."""
    try:
        key = serialization.load_ssh_private_key(private, None)
    except TypeError:
        return "this node key has a passphrase, which a SuperNode cannot enter"
    except (ValueError, UnsupportedAlgorithm):
        return "this is not an OpenSSH private key, or it is damaged"
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, _NIST_CURVES):
        return "this node key is not on one of the curves P-256, P-384 and P-521"
    # `cryptography` derives the public half and does not look at the one that the file names.
    if key.public_key().public_bytes(*_POINT) not in _unarmoured(private):
        return "the private half of this node key does not belong to its public half"
    return key


def _unarmoured(pem: bytes) -> bytes:
    try:
        return binascii.a2b_base64(b"".join(pem.strip().splitlines()[1:-1]))
    except binascii.Error:
        return b""


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def ensure_node_keys(plan: Plan, tenant: Tenant, folder: Path, tell: Tell = ignore) -> dict[str, NodeKey]:
    """Return a tenant's keys by node name, in the plan's order: kept ones, and new ones for new nodes.

    Empty for a tenant that brings its keys, whose private halves stay there, and for an insecure federation,
    which leaves keys that were made before as they are. Beside them lies the secret that SuperNodes and
    SuperExecs share, where these have pods of their own. Raises IdentityError when a kept key is damaged.
    """
    path = _path(folder, tenant)
    wanted = [node.name for node in tenant.nodes] if makes_keys(plan, tenant) else []
    with locked(folder):
        kept, shared = _entries(path, tell)
        keys = {name: _key(kept, name, path) if name in kept else NodeKey.generate() for name in wanted}
        entries = kept if plan.insecure else {name: key.private for name, key in keys.items()}
        _retire(tenant, path, {name: pem for name, pem in kept.items() if name not in entries}, tell)
        _keep(tenant, path, entries, shared)
    new = [name for name in keys if name not in kept]
    if new:
        tell(Event("made", _count(new), path, ", ".join(new)))
    return keys


def replace_node_keys(tenant: Tenant, nodes: Iterable[str], folder: Path, tell: Tell = ignore) -> None:
    """Give these of a tenant's nodes new keys, and set the old ones aside. Raises IdentityError.

    The tenant's keys have to be made here. The new ones are written in one step, once the old ones are safe.
    """
    path = _path(folder, tenant)
    with locked(folder):
        kept, shared = _entries(path, tell)
        old = {name: kept[name] for name in nodes if name in kept}
        _retire(tenant, path, old, tell, "got a new one; the SuperLink never takes the old one again")
        _keep(tenant, path, kept | {name: NodeKey.generate().private for name in old}, shared)


def read_node_keys(plan: Plan, tenant: Tenant, folder: Path, tell: Tell = ignore) -> dict[str, NodeKey]:
    """Return those of a tenant's keys that are kept, by node name; nothing is made."""
    if not makes_keys(plan, tenant):
        return {}
    path = _path(folder, tenant)
    kept, _ = _entries(path, tell)
    names = [node.name for node in tenant.nodes if node.name in kept]
    return {name: _key(kept, name, path) for name in names}


def makes_keys(plan: Plan, tenant: Tenant) -> bool:
    """Return whether the tenant's node keys are made here."""
    return not plan.insecure and tenant.keys == "generated"


def _path(folder: Path, tenant: Tenant) -> Path:
    return folder / "tenants" / tenant.name / "secrets.yaml"


def _key(kept: dict[str, bytes], name: str, path: Path) -> NodeKey:
    remedy = (
        "put the file back as it was; where no copy is left, delete this node's entry and run"
        " `flowerbed generate` again, which makes a new key"
    )
    return NodeKey.from_private(kept[name], f"{path}: {name}", remedy)


def _count(names: list[str]) -> str:
    return "node key" if len(names) == 1 else f"{len(names)} node keys"


def _entries(path: Path, tell: Tell) -> tuple[dict[str, bytes], bytes | None]:
    """Return a manifest's node keys and, where it has one, the SuperExecs' secret."""
    kept = read_secrets(path, tell)
    shared = [
        secret.entries[SUPEREXEC_ENTRY] for secret in kept if tuple(secret.entries) == (SUPEREXEC_ENTRY,)
    ]
    keys = [secret.entries for secret in kept if SUPEREXEC_ENTRY not in secret.entries]
    whole = len(shared) <= 1 and len(keys) <= 1 and len(shared) + len(keys) == len(kept)
    if not whole or any(secret.type != OPAQUE for secret in kept):
        raise foreign_secret(path)
    return (keys[0] if keys else {}), (shared[0] if shared else None)


def _keep(tenant: Tenant, path: Path, entries: dict[str, bytes], shared: bytes | None) -> None:
    wanted = [Secret(tenant.keys_secret, tenant.namespace, OPAQUE, entries)] if entries else []
    if tenant.superexec_secret:
        entry = {SUPEREXEC_ENTRY: shared or secrets.token_urlsafe(32).encode()}
        wanted.append(Secret(tenant.superexec_secret, tenant.namespace, OPAQUE, entry))
    if wanted:
        write_secrets(path, wanted, replaces_keys=path.exists())
    else:
        path.unlink(missing_ok=True)


def _retire(tenant: Tenant, manifest: Path, leaving: dict[str, bytes], tell: Tell, why: str = _LEFT) -> None:
    # Before the manifest is written again: an interruption leaves the key in both files, not in none.
    if not leaving:
        return
    path = manifest.with_name("retired-keys.yaml")
    retired, _ = _entries(path, tell)
    retired |= {f"{name}.{hashlib.sha256(pem).hexdigest()[:12]}": pem for name, pem in leaving.items()}
    secret = Secret(f"{tenant.keys_secret}-retired", tenant.namespace, OPAQUE, dict(sorted(retired.items())))
    write_secrets(path, [secret], replaces_keys=True)
    tell(Event("retired", _count(list(leaving)), path, f"{', '.join(leaving)} {why}"))
