"""`rotate`, `revoke`: new certificates, CAs and keys, and an end to what must end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from flowerbed import identities
from flowerbed.bundles import generate, read_manifest
from flowerbed.bundles.manifest import NO_PARTY
from flowerbed.cli.common import FileOption, JsonOption, declaration_file, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.notices import warn_of_troubles
from flowerbed.cli.verbs import Verbs
from flowerbed.declaration import load_plan
from flowerbed.errors import IdentityError, UsageError
from flowerbed.identities.authority_store import rotate_authority
from flowerbed.identities.issued import kept_certificate
from flowerbed.identities.node_keys import makes_keys, read_node_keys, replace_node_keys
from flowerbed.identities.revocations import add_revocations, key_fingerprint, read_revocations, revoke_users
from flowerbed.identities.store import locked
from flowerbed.plan import Plan, Tenant
from flowerbed.project import Project

rotate_command = Verbs(
    no_args_is_help=True,
    help="Replace a certificate, the CA or node keys in the bundles; `flowerbed apply` installs them.",
)
revoke_command = Verbs(
    no_args_is_help=True,
    help="Permanently revoke a tenant, a node or a user; `flowerbed apply` puts it into effect.",
)

NODES = "NODE is `north/0` or the node's full name, `hospitals-north-0`."


@rotate_command.command("certificate")
def rotate_certificate(
    file: FileOption = None,
    user: Annotated[str | None, typer.Option("--user", help="Rotate the certificate of this user.")] = None,
    server: Annotated[bool, typer.Option("--server", help="Rotate the certificate of the gateway.")] = False,
    revoke_old: Annotated[
        bool,
        typer.Option(
            "--revoke-old", help="Revoke the user's previous certificate instead of letting it expire."
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Issue a new certificate for the gateway or for a user.

    The gateway reloads its certificate while runs continue. A user's previous certificate remains valid
    until it expires, or until --revoke-old.
    """

    if bool(user) == server or (revoke_old and server):
        raise typer.BadParameter("--server or --user NAME is required; --revoke-old is for --user")
    plan, folder = _loaded(file)
    if plan.insecure or (server and plan.superlink.tls.source != "generated"):
        raise UsageError("that certificate is not made here", where=plan.name)
    with locked(folder):
        authority = identities.ensure_authority(plan, folder)
        if server:
            identities.ensure_coordinator(plan, folder, authority, _tell, renew="asked for")
        else:
            found = next((each for each in plan.users if each.name == user), None)
            if found is None:
                raise _unknown("user", str(user), [each.name for each in plan.users])
            if revoke_old:
                _revoke_user(folder, found.name)
            identities.ensure_user(plan, found, folder, authority, _tell, renew="asked for")
        _finish(plan, folder, json=json)


@rotate_command.command("ca")
def rotate_ca(
    file: FileOption = None,
    distributed: Annotated[
        bool, typer.Option("--distributed", help="Confirm that every party has installed the previous step.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Replace the CA, in three steps: run it three times, with `flowerbed apply` after each.

    Step 1: every party trusts the old and a new CA. Step 2: the new CA signs. Step 3: the old CA is removed.
    Steps 2 and 3 would lock out a party that has not installed the previous step: they need --distributed.
    """

    plan, folder = _loaded(file)
    with locked(folder):
        step = rotate_authority(plan, folder, distributed=distributed, tell=_tell)
        narrate(f"step {step} of 3 is done in the bundles")
        _finish(plan, folder, json=json, step=step)


@rotate_command.command("key")
def rotate_key(
    target: Annotated[str, typer.Argument(metavar="TENANT[/NODE]", help="All nodes of a tenant, or one.")],
    file: FileOption = None,
    json: JsonOption = False,
) -> None:
    """Give nodes new keys. Each node restarts, offline for seconds; its old key is never accepted again."""

    plan, folder = _loaded(file)
    tenant, nodes = _nodes(plan, target)
    if not makes_keys(plan, tenant):
        raise UsageError(
            f"the keys of {tenant.name} are not made here",
            remedy="let the tenant make a new pair (`ssh-keygen -t ecdsa -b 384 -N ''`), declare its public"
            " half in place of the last one under public-keys, and run `flowerbed apply`",
        )
    with locked(folder):
        replace_node_keys(tenant, nodes, folder, _tell)
        _finish(plan, folder, json=json)


@revoke_command.command("tenant")
def revoke_tenant(
    name: Annotated[str, typer.Argument(metavar="TENANT")],
    file: FileOption = None,
    json: JsonOption = False,
) -> None:
    """Revoke all nodes of a tenant. Their keys are never accepted again: `rotate key` readmits them."""
    plan, folder = _loaded(file)
    if "/" in name:
        raise UsageError(
            "a tenant has no slash in its name", remedy="`flowerbed revoke node` takes TENANT/NODE"
        )
    tenant, nodes = _nodes(plan, name)
    _revoke_keys(plan, tenant, nodes, folder, json=json)


@revoke_command.command("node")
def revoke_node(
    name: Annotated[str, typer.Argument(metavar="NODE", help=NODES)],
    file: FileOption = None,
    json: JsonOption = False,
) -> None:
    """Revoke one node. Its key is never accepted again: `rotate key` readmits it."""
    plan, folder = _loaded(file)
    if "/" not in name:
        owner = next((each for each in plan.tenants if any(node.name == name for node in each.nodes)), None)
        if owner is None:
            raise _unknown("node", name, [node.name for node in plan.nodes])
        _revoke_keys(plan, owner, [name], folder, json=json)
        return
    tenant, nodes = _nodes(plan, name)
    _revoke_keys(plan, tenant, nodes, folder, json=json)


@revoke_command.command("user")
def revoke_user(
    name: Annotated[str, typer.Argument(metavar="USER")], file: FileOption = None, json: JsonOption = False
) -> None:
    """Revoke a user. The certificate is never accepted again: `rotate certificate --user` issues another."""

    plan, folder = _loaded(file)
    if name not in {user.name for user in plan.users}:
        raise _unknown("user", name, [user.name for user in plan.users])
    with locked(folder):
        _revoke_user(folder, name)
        _finish(plan, folder, json=json)


def _loaded(file: Path | None) -> tuple[Plan, Path]:
    path = declaration_file(file)
    plan = load_plan(path)
    folder = Project(path).bundles(plan.name)
    read_manifest(plan, folder)  # refuses another federation's folder
    if not (folder / "coordinator").exists():
        raise UsageError(
            "there are no bundles yet", where=str(folder), remedy="run `flowerbed generate` first"
        )
    return plan, folder


def _nodes(plan: Plan, target: str) -> tuple[Tenant, list[str]]:
    name, slash, node = target.partition("/")
    tenant = next((each for each in plan.tenants if each.name == name), None)
    if tenant is None:
        raise _unknown("tenant", name, [each.name for each in plan.tenants])
    names = [each.name for each in tenant.nodes]
    if not slash:
        return tenant, names
    found = [full for index, full in enumerate(names) if node in {full, str(index)}]
    if not found:
        raise _unknown("node", target, [f"{name}/{index}" for index in range(len(names))])
    return tenant, found


def _revoke_keys(plan: Plan, tenant: Tenant, nodes: list[str], folder: Path, *, json: bool) -> None:
    if plan.insecure or plan.admission != "listed":
        what = "nodes of this federation are not admitted by their keys, so there is none to revoke"
        raise UsageError(what, where=plan.name, remedy="declare admission: listed, without insecure")
    with locked(folder):
        keys = {
            key_fingerprint(pem): name for name, pem in _public_keys(plan, tenant, folder) if name in nodes
        }
        if not add_revocations(folder, keys=keys):
            narrate("all of these keys were revoked before")
        _finish(plan, folder, json=json)


def _public_keys(plan: Plan, tenant: Tenant, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield node names with public keys (PEM): those declared, recorded and at hand, which may be damaged."""

    yield from ((node.name, node.public_key) for node in tenant.nodes if node.public_key)
    recorded = read_manifest(plan, folder).parties.get(f"tenants/{tenant.name}")
    yield from recorded.identity.public_keys.items() if recorded else ()
    try:
        made = read_node_keys(plan, tenant, folder)
    except IdentityError as error:
        narrate(f"problem: {error}")
    else:
        yield from ((name, key.public.decode()) for name, key in made.items())


def _revoke_user(folder: Path, user: str) -> None:
    kept = kept_certificate(folder, user)
    if kept and read_revocations(folder).covers(user, kept[1]):
        narrate(f"the certificates of {user} were revoked before")
    else:
        revoke_users(folder, [user])


def _finish(plan: Plan, folder: Path, *, json: bool, **facts: object) -> None:
    """Bring the bundles in line, and say whose changed."""

    before = read_manifest(plan, folder)
    report = generate(plan, folder, tell=_tell)
    after = read_manifest(plan, folder)
    # Secrets are not in the manifest: a certificate that was made anew is, by its fingerprint.
    changed = sorted(
        name
        for name, party in after.parties.items()
        if name != "ca" and party.content != before.parties.get(name, NO_PARTY).content
    )
    warn_of_troubles(report)
    if json:
        say_json({"folder": str(folder), "changed": changed, "troubles": report.troubles, **facts})
        return
    for line in _next_steps(folder, changed):
        say(line)


def _next_steps(folder: Path, changed: list[str]) -> Iterator[str]:
    yield from (f"changed: {folder / name}" for name in changed)
    users = [name.removeprefix("users/") for name in changed if name.startswith("users/")]
    if len(users) < len(changed):
        yield "now run `flowerbed apply`"
    if users:
        yield f"now hand their directories to the users: {', '.join(users)}"
    if not changed:
        yield "nothing changed"


def _tell(event: object) -> None:
    narrate(str(event))


def _unknown(kind: str, name: str, known: list[str]) -> UsageError:
    return UsageError(f"no {kind} {name!r} is declared", remedy=f"declared are: {', '.join(known) or 'none'}")
