"""From a plan to bundles: every party's identity, then its texts, then the record of it all.

The order makes it safe to be killed at any time: keys are there before the coordinator's list speaks of them,
and the record, by which the next generation passes over what is done, comes last.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flowerbed import __version__, identities
from flowerbed.bundles.leaving import leave_or_prune
from flowerbed.bundles.record import RECORD_FILE, Certificate, read_record, record_text
from flowerbed.bundles.report import GenerateReport
from flowerbed.bundles.texts import coordinator_texts, tenant_texts, user_texts
from flowerbed.bundles.workshop import Facts, Workshop
from flowerbed.identities.events import Event, Tell, ignore
from flowerbed.identities.kept import locked
from flowerbed.identities.revocations import (
    Revocations,
    add_revocations,
    key_fingerprint,
    read_revocations,
)
from flowerbed.identities.trust import server_authorities, trusted
from flowerbed.plan import Plan, Tenant, User
from flowerbed.values import fingerprint, neighbours

if TYPE_CHECKING:  # it imports `cryptography`, which a generation that issues nothing does without
    from flowerbed.identities.authority import CertificateAuthority
    from flowerbed.identities.certificates import KeyPair

# What identities may write, by name in the party's folder, and whether it is secret.
_AUTHORITY = {"ca.crt": False, "ca.key": True}
_COORDINATOR = {"secrets.yaml": True}
_TENANT = {"secrets.yaml": True, "retired-keys.yaml": True}
_USER = {"client.crt": False, "client.key": True, "ca.crt": False}
# Time stamps of files move in steps, of 10 ms where they are largest.
_TICK = 0.01


def generate(plan: Plan, folder: Path, *, prune: bool = False, tell: Tell = ignore) -> GenerateReport:
    """Bring the bundles in `folder` (`bundles/NAME`) in line with the plan, and return what was done.

    Files whose bytes stay equal are not written; keys and certificates that serve are kept. Bundles of
    parties that are declared no longer stay, or go with `prune`. `tell` hears of every identity that is made
    or needs a look. Takes time linear in the number of nodes; generations in one folder take turns.
    Raises IdentityError for keys and certificates that are damaged or expired, UsageError when the folder is
    another federation's, FlowerbedError when something cannot be written. What was done until then stays, and
    the next generation goes on from there.
    """
    with locked(folder):
        shop = Workshop(folder, read_record(plan, folder))
        shop.tidy("")
        _Generation(plan, shop, tell).run()
        gone = leave_or_prune(shop, prune=prune)
        if shop.changed:
            # The record has to be younger than every file that it speaks of.
            time.sleep(_TICK)
        shop.write(RECORD_FILE, record_text(plan, shop.parties | gone.parties))
    return GenerateReport(
        created=tuple(shop.created),
        updated=tuple(shop.updated),
        unchanged=tuple(shop.unchanged),
        removed=tuple(shop.removed),
        removed_keys=tuple(gone.removed_keys),
        left=tuple(gone.left),
    )


class _Generation:
    """One walk over the plan's parties."""

    def __init__(self, plan: Plan, shop: Workshop, tell: Tell) -> None:
        self._plan = plan
        self._shop = shop
        self._tell = tell
        # What texts may read of the plan besides their own party, and so what their fingerprints cover.
        self._head = msgspec.structs.replace(plan, tenants=(), users=())
        self._revoked = Revocations()
        self._seed = hashlib.sha256(f"{__version__} {fingerprint()}".encode())

    def run(self) -> None:
        """Make every party's identity and texts, the coordinator's last: they speak of all the others."""
        self._seed.update(self._authority_fingerprint().encode())
        self._seed.update(b"" if self._plan.insecure else trusted(self._shop.folder))
        self._forget_leavers()
        self._seed.update(msgspec.msgpack.encode(self._head))
        public_keys: dict[str, str] = {}
        for tenant in self._plan.tenants:
            public_keys |= self._tenant(tenant)
        users = {user.name: user.role for user in self._plan.users if self._user(user)}
        self._coordinator(public_keys, users)

    def _authority_fingerprint(self) -> str:
        digest = self._digest(self._plan.name, self._plan.insecure)
        part = self._shop.identity("ca", digest, _AUTHORITY, lambda: ({}, _facts(self._authority)))
        return part.certificate.sha256 if part.certificate else ""

    def _tenant(self, tenant: Tenant) -> dict[str, str]:
        party = f"tenants/{tenant.name}"
        names = [node.name for node in tenant.nodes]
        secrets = (tenant.keys, tenant.keys_secret, tenant.superexec_secret)
        digest = self._digest(names, secrets, tenant.namespace)
        part = self._shop.identity(party, digest, _TENANT, lambda: self._node_keys(tenant, party))
        public_keys = part.public_keys
        if tenant.keys == "brought" and not self._plan.insecure:
            public_keys = {node.name: node.public_key for node in tenant.nodes}
        self._shop.texts(
            party,
            self._digest(tenant, public_keys),
            lambda: tenant_texts(self._head, tenant, public_keys, self._authority_text),
        )
        return {name: pem for name, pem in public_keys.items() if not self._is_revoked(name, pem)}

    def _is_revoked(self, node: str, public_key: str) -> bool:
        if key_fingerprint(public_key) not in self._revoked.keys:
            return False
        reason = "not admitted; give the node a new key, or take it out of the declaration"
        self._tell(Event("revoked", f"key of node {node}", self._shop.folder / "revoked.json", reason))
        return True

    def _node_keys(self, tenant: Tenant, party: str) -> Facts:
        folder, tell = self._shop.folder, self._tell
        if self._shop.last(party).left:
            # Its keys may have been unregistered while it was away, which is final: set them aside.
            identities.ensure_node_keys(self._plan, msgspec.structs.replace(tenant, nodes=()), folder, tell)
        keys = identities.ensure_node_keys(self._plan, tenant, folder, tell)
        return {name: key.public.decode() for name, key in keys.items()}, None

    def _user(self, user: User) -> bool:
        """Make a user's bundle, and return whether the certificate in it counts."""
        party = f"users/{user.name}"
        part = self._shop.identity(
            party, self._digest(user), _USER, lambda: ({}, _facts(self._certificate(user, party)))
        )
        self._shop.texts(party, self._digest("connection"), lambda: user_texts(self._head))
        if part.certificate is None or part.certificate.sha256 not in self._revoked.certificates:
            return True
        reason = "let in no longer; renew it, or take the user out of the declaration"
        file = self._shop.folder / party / "client.crt"
        self._tell(Event("revoked", f"certificate of user {user.name}", file, reason))
        return False

    def _certificate(self, user: User, party: str) -> KeyPair | None:
        # Leaving revoked the last one, also where its files were left.
        renew = "the last one was revoked when the user left" if self._shop.last(party).left else ""
        folder, authority = self._shop.folder, self._authority
        return identities.ensure_user(self._plan, user, folder, authority, self._tell, renew=renew)

    def _forget_leavers(self) -> None:
        """Revoke the certificates of users who left, before anything says that they did."""
        here = {f"users/{user.name}" for user in self._plan.users}
        left = {
            part.certificate.sha256: party.removeprefix("users/")
            for party, part in self._shop.recorded("users/")
            if part.certificate and party not in here
        }
        add_revocations(self._shop.folder, certificates=left)
        self._revoked = read_revocations(self._shop.folder)

    def _coordinator(self, public_keys: dict[str, str], users: Mapping[str, str]) -> None:
        self._shop.identity("coordinator", self._digest("secrets"), _COORDINATOR, self._coordinator_facts)
        revoked = {
            "certificates": sorted(self._revoked.certificates),
            "keys": sorted(self._revoked.keys),
        }
        near = neighbours(self._plan)
        self._shop.texts(
            "coordinator",
            self._digest(users, public_keys, near, revoked),
            lambda: coordinator_texts(self._head, users, public_keys, near, self._authority_text, revoked),
        )

    def _coordinator_facts(self) -> Facts:
        made = identities.ensure_coordinator(self._plan, self._shop.folder, self._authority, self._tell)
        return {}, _facts(made.server)

    def _digest(self, *parts: object) -> str:
        digest = self._seed.copy()
        digest.update(msgspec.msgpack.encode(parts))
        return digest.hexdigest()

    @cached_property
    def _authority(self) -> CertificateAuthority | None:
        return identities.ensure_authority(self._plan, self._shop.folder, self._tell)

    @cached_property
    def _authority_text(self) -> str:
        """The CAs that certify the SuperLink (PEM), "" where nobody said: read without parsing."""
        return server_authorities(self._plan, self._shop.folder).decode("ascii")


def _facts(pair: KeyPair | None) -> Certificate | None:
    if pair is None:
        return None
    from cryptography.hazmat.primitives.hashes import SHA256

    certificate = pair.parsed
    return Certificate(
        sha256=certificate.fingerprint(SHA256()).hex(), not_after=certificate.not_valid_after_utc.isoformat()
    )
