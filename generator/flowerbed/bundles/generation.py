"""From a plan to bundles: every party's identity, then its texts, then the manifest of it all.

The order makes it safe to be killed at any time: keys are there before the coordinator's list speaks of them,
and the manifest, by which the next generation passes over what is done, comes last.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flowerbed import __version__, identities
from flowerbed.bundles.bundle_writer import BundleWriter, Facts
from flowerbed.bundles.manifest import (
    MANIFEST_FILE,
    CertificateEntry,
    PartEntry,
    manifest_text,
    read_manifest,
)
from flowerbed.bundles.removed import keep_or_prune, removed_users
from flowerbed.bundles.render import coordinator_texts, tenant_texts, user_texts
from flowerbed.bundles.report import GenerateReport
from flowerbed.errors import FlowerbedError, IdentityError, UnreadableError
from flowerbed.files import PUBLIC_MODE, read_file
from flowerbed.identities.ca_bundle import server_authorities, trusted
from flowerbed.identities.issued import FILE as ISSUED_FILE
from flowerbed.identities.issued import latest_beginning, read_issued
from flowerbed.identities.revocations import FILE as REVOKED_FILE
from flowerbed.identities.revocations import (
    Revocations,
    add_revocations,
    key_fingerprint,
    read_revocations,
    revoke_users,
    time_text,
)
from flowerbed.identities.store import Event, Tell, ignore, locked
from flowerbed.identities.validity import authority_notice
from flowerbed.plan import Plan, Tenant, User
from flowerbed.values.rendering import fingerprint
from flowerbed.values.supernode import neighbours

if TYPE_CHECKING:  # it imports `cryptography`, which a generation that issues nothing does without
    from flowerbed.identities.authority import CertificateAuthority
    from flowerbed.identities.certificates import KeyPair

# What identities may write, by name in the party's folder, and whether it is secret.
_AUTHORITY = {"ca.crt": False, "ca.key": True}
_COORDINATOR = {"secrets.yaml": True}
_TENANT = {"secrets.yaml": True, "retired-keys.yaml": True}
_USER = {"client.crt": False, "client.key": True, "ca.crt": False}
# Time stamps of files move in steps, of 10 ms where they are largest.
_TIMESTAMP_STEP = 0.01


def generate(plan: Plan, folder: Path, *, prune: bool = False, tell: Tell = ignore) -> GenerateReport:
    """Bring the bundles in `folder` (`bundles/NAME`) in line with the plan, and return what was done.

    Files whose bytes stay equal are not written; keys and certificates that serve are kept. Bundles of
    parties that are declared no longer stay, or go with `prune`. `tell` hears of every identity that is made
    or needs a look. Takes time linear in the number of nodes; generations in one folder take turns.
    Keys and certificates that are damaged, or expired and not renewed, are troubles of their party in what is
    returned: they stay as they are, and all other parties' bundles and the coordinator's lists are written.
    Raises IdentityError for a damaged `revoked.json`, UsageError when the folder is another federation's,
    FlowerbedError when something cannot be written. What was done until then stays, and the next generation
    goes on from there.
    """
    with locked(folder):
        writer = BundleWriter(folder, read_manifest(plan, folder))
        writer.tidy("")
        with writer.watched(ISSUED_FILE, REVOKED_FILE):
            _Generation(plan, writer, tell).run()
        gone = keep_or_prune(writer, prune=prune)
        if writer.changed:
            # The manifest has to be younger than every file that it speaks of.
            time.sleep(_TIMESTAMP_STEP)
        writer.write(MANIFEST_FILE, manifest_text(plan, writer.parties | gone.parties))
    return GenerateReport(
        created=tuple(writer.created),
        updated=tuple(writer.updated),
        unchanged=tuple(writer.unchanged),
        removed=tuple(writer.removed),
        removed_keys=tuple(gone.removed_keys),
        left=tuple(gone.left),
        troubles=tuple(writer.troubles),
    )


class _Generation:
    """One walk over the plan's parties."""

    def __init__(self, plan: Plan, writer: BundleWriter, tell: Tell) -> None:
        self._plan = plan
        self._writer = writer
        self._tell = tell
        # What texts may read of the plan besides their own party, and so what their fingerprints cover.
        self._head = msgspec.structs.replace(plan, tenants=(), users=())
        self._revoked = Revocations()
        self._seed = hashlib.sha256(f"{__version__} {fingerprint()}".encode())

    def run(self) -> None:
        """Make every party's identity and texts, the coordinator's last: they speak of all the others."""
        self._seed.update(self._authority_fingerprint().encode())
        self._seed.update(b"" if self._plan.insecure else self._trusted)
        self._check_issued()
        self._revoke_removed_users()
        self._seed.update(msgspec.msgpack.encode(self._head))
        public_keys: dict[str, str] = {}
        for tenant in self._plan.tenants:
            public_keys |= self._tenant(tenant)
        users = {user.name: user.role for user in self._plan.users if self._user(user)}
        self._coordinator(public_keys, users)

    def _check_issued(self) -> None:
        try:
            read_issued(self._writer.folder, strict=True)
        except IdentityError as error:
            self._writer.trouble("ca/issued.json", error)

    def _authority_fingerprint(self) -> str:
        digest = self._digest(self._plan.name, self._plan.insecure)
        notice = authority_notice(self._plan)
        part = self._writer.identity("ca", digest, _AUTHORITY, self._authority_facts, notice=notice)
        return part.certificate.sha256 if part.certificate else ""

    def _tenant(self, tenant: Tenant) -> dict[str, str]:
        party = f"tenants/{tenant.name}"
        names = [node.name for node in tenant.nodes]
        secrets = (tenant.keys, tenant.keys_secret, tenant.superexec_secret)
        digest = self._digest(names, secrets, tenant.namespace)
        part = self._writer.identity(party, digest, _TENANT, lambda: self._node_keys(tenant, party))
        public_keys = part.public_keys or (self._admitted_before(names) if not part.input else {})
        if tenant.keys == "brought" and not self._plan.insecure:
            public_keys = {node.name: node.public_key for node in tenant.nodes}
        self._writer.texts(
            party,
            self._digest(tenant, public_keys),
            lambda: tenant_texts(self._head, tenant, public_keys, self._authority_text),
        )
        return {name: pem for name, pem in public_keys.items() if not self._is_revoked(name, pem)}

    def _admitted_before(self, nodes: list[str]) -> dict[str, str]:
        """Return keys of the coordinator's last values: nobody is unregistered because a file is damaged."""
        file = read_file(self._writer.folder / "coordinator" / "values.yaml", PUBLIC_MODE)
        if file is None:
            return {}
        import yaml

        try:
            admitted = yaml.safe_load(file.data)["admission"]["nodes"]
            return {name: admitted[name]["publicKey"] for name in nodes if name in admitted}
        except (yaml.YAMLError, KeyError, TypeError):
            return {}

    def _is_revoked(self, node: str, public_key: str) -> bool:
        if key_fingerprint(public_key) not in self._revoked.keys:
            return False
        reason = "not admitted; give the node a new key, or take it out of the declaration"
        self._tell(Event("revoked", f"key of node {node}", self._writer.folder / "revoked.json", reason))
        return True

    def _node_keys(self, tenant: Tenant, party: str) -> Facts:
        folder, tell = self._writer.folder, self._tell
        if self._writer.last(party).left:
            # Its keys may have been unregistered while it was away, which is final: set them aside.
            identities.ensure_node_keys(self._plan, msgspec.structs.replace(tenant, nodes=()), folder, tell)
        keys = identities.ensure_node_keys(self._plan, tenant, folder, tell)
        return {name: key.public.decode() for name, key in keys.items()}, None

    def _user(self, user: User) -> bool:
        """Make a user's bundle, and return whether the certificate in it counts."""
        party = f"users/{user.name}"
        part = self._writer.identity(
            party,
            self._digest(user),
            _USER,
            lambda: ({}, _facts(self._certificate(user, party))),
            notice=self._notice,
        )
        self._writer.texts(party, self._digest("connection"), lambda: user_texts(self._head))
        begin = self._beginning(user, part)
        revoked = self._revoked.covers(user.name, begin) if begin else user.name in self._revoked.users
        if self._plan.insecure or not revoked:
            return True
        reason = "let in no longer; renew it, or take the user out of the declaration"
        file = self._writer.folder / party / "client.crt"
        self._tell(Event("revoked", f"certificate of user {user.name}", file, reason))
        return False

    def _beginning(self, user: User, part: PartEntry) -> datetime | None:
        if part.certificate and part.certificate.not_before:
            return datetime.fromisoformat(part.certificate.not_before)
        if part.input:
            return None
        return latest_beginning(self._writer.folder, user.name, read_issued(self._writer.folder))

    def _certificate(self, user: User, party: str) -> KeyPair | None:
        # Leaving revoked the last one, also where its files were left; who has none here may have left.
        returns = self._writer.last(party).left or not self._writer.knows(party)
        renew = "the last one was revoked when the user left" if returns else ""
        folder, authority = self._writer.folder, self._authority
        return identities.ensure_user(self._plan, user, folder, authority, self._tell, renew=renew)

    def _revoke_removed_users(self) -> None:
        """Revoke the certificates of users who left, before anything says that they did."""
        revoke_users(self._writer.folder, removed_users(self._writer, self._plan))
        # What an older version wrote is carried over, also where nobody leaves.
        add_revocations(self._writer.folder)
        self._revoked = read_revocations(self._writer.folder)

    def _coordinator(self, public_keys: dict[str, str], users: Mapping[str, str]) -> None:
        digest = self._digest("secrets")
        make = self._coordinator_facts
        self._writer.identity("coordinator", digest, _COORDINATOR, make, notice=self._notice)
        revoked: dict[str, object] = {
            "users": {name: time_text(time) for name, time in self._revoked.users.items()},
            "keys": sorted(self._revoked.keys),
        }
        same_cluster = neighbours(self._plan)
        self._writer.texts(
            "coordinator",
            self._digest(users, public_keys, same_cluster, revoked),
            lambda: coordinator_texts(
                self._head, users, public_keys, same_cluster, self._authority_text, revoked
            ),
        )

    def _coordinator_facts(self) -> Facts:
        identity = identities.ensure_coordinator(self._plan, self._writer.folder, self._authority, self._tell)
        return {}, _facts(identity.server)

    def _digest(self, *parts: object) -> str:
        digest = self._seed.copy()
        digest.update(msgspec.msgpack.encode(parts))
        return digest.hexdigest()

    @property
    def _notice(self) -> timedelta:
        return timedelta(hours=self._plan.superlink.tls.renew_hours)

    def _authority_facts(self) -> Facts:
        if isinstance(self._loaded, FlowerbedError):
            raise self._loaded
        return {}, _facts(self._loaded)

    @cached_property
    def _loaded(self) -> CertificateAuthority | FlowerbedError | None:
        try:
            return identities.ensure_authority(self._plan, self._writer.folder, self._tell)
        except (IdentityError, UnreadableError) as error:
            return error

    @property
    def _authority(self) -> CertificateAuthority | None:
        """The CA, None where it cannot be used, which is a trouble of its own."""
        if isinstance(self._loaded, FlowerbedError):
            self._writer.trouble("ca", self._loaded)
            return None
        return self._loaded

    @cached_property
    def _trusted(self) -> bytes:
        """The CAs that parties trust (PEM), unparsed; those of before while the CA cannot be used."""
        folder = self._writer.folder
        if any(trouble.party == "ca" for trouble in self._writer.troubles):
            from flowerbed.identities.coordinator import kept_authorities

            with contextlib.suppress(FlowerbedError):
                return kept_authorities(folder) or trusted(folder)
        return trusted(folder)

    @cached_property
    def _authority_text(self) -> str:
        """The CAs that certify the SuperLink (PEM), "" where nobody said."""
        return server_authorities(self._plan, self._trusted).decode("ascii")


def _facts(pair: KeyPair | None) -> CertificateEntry | None:
    if pair is None:
        return None
    from cryptography.hazmat.primitives.hashes import SHA256

    certificate = pair.parsed
    return CertificateEntry(
        sha256=certificate.fingerprint(SHA256()).hex(),
        not_after=certificate.not_valid_after_utc.isoformat(),
        not_before=certificate.not_valid_before_utc.isoformat(),
    )
