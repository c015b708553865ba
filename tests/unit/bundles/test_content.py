"""What each party's folder holds, and what it must not hold."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import msgspec
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from flowerbed import identities
from flowerbed.bundles import generate
from flowerbed.flower.connection import Connection
from flowerbed.identities.ca_bundle import server_authorities
from flowerbed.plan import Plan
from support.bundle_files import files
from support.ca_certificate import CERTIFICATE
from support.plan_variants import variants
from support.plans import federation, tenant

VARIANTS = variants()
PARTY = {"values.yaml", "secrets.yaml", "INSTALL.md"}
AUTHORITY = {"ca/ca.crt", "ca/ca.key", "ca/issued.json"}
USER = {f"users/analyst/{name}" for name in ("connection.toml", "ca.crt", "client.crt", "client.key")}

each_plan = pytest.mark.parametrize("plan", VARIANTS.values(), ids=VARIANTS)


def of(party: str, *names: str) -> set[str]:
    return {f"{party}/{name}" for name in names}


def expected_files(name: str) -> set[str]:
    """Return the files of a variant, written out by hand."""
    everywhere = {"plan.json", ".lock", *of("coordinator", *PARTY)}
    texts, keys = ("values.yaml", "INSTALL.md"), ("secrets.yaml",)
    plain = {*everywhere, *AUTHORITY, *USER, *of("tenants/north", *texts, *keys, "ca.crt")}
    south = of("tenants/south", *texts, *keys, "ca.crt")
    foreign = {
        *everywhere,
        *AUTHORITY,
        *(USER - {"users/analyst/ca.crt"}),
        *of("tenants/north", *texts, *keys),
    }
    return {
        "insecure": {
            *everywhere,
            "users/analyst/connection.toml",
            *of("tenants/north", *texts),
            *of("tenants/south", *texts),
        },
        "existing-secret": foreign | of("tenants/south", *texts, *keys),
        "cert-manager": foreign | of("tenants/south", *texts, *keys),
        "brought": (plain - {"tenants/north/secrets.yaml"}) | south,
        "kubernetes": plain,
        "process": plain,
        "brought-deployment": plain,
        "insecure-deployment": {
            *everywhere,
            "users/analyst/connection.toml",
            *of("tenants/north", *texts, *keys),
        },
        "same-namespace": plain,
        "no-tenants": everywhere | AUTHORITY,
        "values": plain | of("coordinator", "own-values.yaml") | of("tenants/north", "own-values.yaml"),
    }.get(name, plain | south)


@pytest.mark.parametrize("name", VARIANTS)
def test_each_party_gets_its_files(name: str, tmp_path: Path) -> None:
    """The files are exactly those that the party needs, and the report names all of them."""
    report = generate(VARIANTS[name], tmp_path)
    assert files(tmp_path) == expected_files(name)
    assert set(report.created) == files(tmp_path) - {".lock"}
    assert (report.updated, report.unchanged, report.removed, report.left) == ((), (), (), ())


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Folders are 0700, files with secrets 0600; nothing is executable."""
    generate(VARIANTS["plain"], tmp_path / "bundles" / "hospitals")
    for path in tmp_path.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        secret = path.name in {"secrets.yaml", "client.key", "ca.key", "issued.json", ".lock"}
        assert mode == (0o700 if path.is_dir() else 0o600 if secret else 0o644), path


def secret_lines(folder: Path) -> set[bytes]:
    """Return every line of every private key, and the SuperExec's secret."""
    keys = b"".join(path.read_bytes() for path in folder.rglob("*.key"))
    manifests = [path.read_bytes() for path in folder.rglob("secrets.yaml")]
    for manifest in manifests:
        for document in yaml.safe_load_all(manifest):
            for name, text in document["stringData"].items():
                if name not in {"tls.crt", "ca.crt"}:
                    keys += text.encode() + b"\n"
    return {line for line in keys.split(b"\n") if line and not line.startswith(b"-----")}


@each_plan
def test_no_secret_leaves_its_file(plan: Plan, tmp_path: Path) -> None:
    """No line of a private key, no secret and no hash of one is in any other file."""
    generate(plan, tmp_path)
    secrets = secret_lines(tmp_path)
    whole = {
        path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.name in {"secrets.yaml", "client.key", "ca.key"}
    }
    canaries = secrets | {hashlib.sha256(text).hexdigest().encode() for text in whole | secrets}
    assert len(secrets) > len(plan.nodes) or plan.insecure or plan.tenants[0].keys == "brought"
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name not in {"secrets.yaml", "client.key", "ca.key"}:
            data = path.read_bytes()
            assert not [canary for canary in canaries if canary in data], path


def test_the_search_for_secrets_finds_them(tmp_path: Path) -> None:
    """What the test above looks for is really in the secret files."""
    generate(VARIANTS["plain"], tmp_path)
    secrets = secret_lines(tmp_path)
    for name in (
        "coordinator/secrets.yaml",
        "tenants/north/secrets.yaml",
        "users/analyst/client.key",
        "ca/ca.key",
    ):
        assert any(line in (tmp_path / name).read_bytes() for line in secrets), name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", ["hospitals-north-node-keys"]),
        ("process", ["hospitals-north-node-keys"]),
        ("deployment", ["hospitals-north-node-keys", "hospitals-north-superexec"]),
        ("kubernetes", ["hospitals-north-node-keys", "hospitals-north-superexec"]),
        ("brought-deployment", ["hospitals-north-superexec"]),
        ("insecure-deployment", ["hospitals-north-superexec"]),
    ],
)
def test_a_tenant_gets_the_secrets_that_its_chart_mounts(
    name: str, expected: list[str], tmp_path: Path
) -> None:
    """SuperExecs in pods of their own need a secret beside the node keys; it is long, and kept."""
    generate(VARIANTS[name], tmp_path)
    path = tmp_path / "tenants" / "north" / "secrets.yaml"
    before = path.read_bytes()
    secrets = {one["metadata"]["name"]: one["stringData"] for one in yaml.safe_load_all(before)}
    assert list(secrets) == expected
    shared = secrets.get("hospitals-north-superexec")
    assert shared is None or (list(shared) == ["secret"] and len(shared["secret"]) >= 32)
    (tmp_path / "plan.json").unlink()
    generate(VARIANTS[name], tmp_path)
    assert path.read_bytes() == before


def test_a_party_gets_nobody_elses_keys(tmp_path: Path) -> None:
    """A tenant's folder holds the keys of its own nodes and of no other."""
    generate(VARIANTS["plain"], tmp_path)
    for name, nodes in {
        "north": ["hospitals-north-0", "hospitals-north-1"],
        "south": ["hospitals-south-0"],
    }.items():
        manifest = yaml.safe_load((tmp_path / "tenants" / name / "secrets.yaml").read_text())
        assert list(manifest["stringData"]) == nodes
        assert manifest["metadata"] == {"name": f"hospitals-{name}-node-keys", "namespace": name}


def test_the_admission_list_is_the_tenants_keys(tmp_path: Path) -> None:
    """The coordinator admits exactly the public halves of what the tenants hold, brought ones included."""
    plan = VARIANTS["brought"]
    generate(plan, tmp_path)
    values = yaml.safe_load((tmp_path / "coordinator" / "values.yaml").read_text())
    held = {name: key.public.decode() for name, key in identities.load(plan, tmp_path).node_keys.items()}
    brought = {node.name: node.public_key for node in plan.tenants[0].nodes}
    assert {name: node["publicKey"] for name, node in values["admission"]["nodes"].items()} == held | brought


@pytest.mark.parametrize("name", ["plain", "insecure", "existing-secret", "own CA"])
def test_a_users_connection_is_whole(name: str, tmp_path: Path) -> None:
    """The submit tool reads the connection, and every file that it names lies beside it."""
    plan = VARIANTS[name]
    generate(plan, tmp_path)
    connection = Connection.load(tmp_path / "users" / "analyst" / "connection.toml")
    assert connection.address == plan.superlink.control.address
    assert connection.insecure == plan.insecure
    assert connection.federation == "@none/default"
    named = [connection.root_certificates, connection.client_certificate, connection.client_key]
    assert [path is not None and path.is_file() for path in named] == {
        "plain": [True, True, True],
        "insecure": [False, False, False],
        "existing-secret": [False, True, True],
        "own CA": [True, True, True],
    }[name]


def test_a_declared_ca_reaches_tenants_and_users(tmp_path: Path) -> None:
    """By it they know the gateway, whoever certifies it; the users' own CA is none of that."""
    generate(VARIANTS["own CA"], tmp_path)
    for file in ("tenants/north/ca.crt", "users/analyst/ca.crt"):
        assert (tmp_path / file).read_text() == CERTIFICATE
    values = yaml.safe_load((tmp_path / "tenants/north/values.yaml").read_text())
    assert values["tls"] == {"caCert": CERTIFICATE}
    assert "--set-file" not in (tmp_path / "tenants/north/INSTALL.md").read_text()
    assert server_authorities(VARIANTS["own CA"], b"the federation's").decode() == CERTIFICATE
    assert (tmp_path / "ca/ca.crt").read_text() != CERTIFICATE


def test_the_record_speaks_the_truth(tmp_path: Path) -> None:
    """plan.json holds the plan, and of every public file its size and hash, of every secret one its size."""
    plan = VARIANTS["plain"]
    generate(plan, tmp_path)
    document = json.loads((tmp_path / "plan.json").read_text())
    assert msgspec.convert(document["plan"], Plan) == plan
    parties = document["parties"]
    recorded = {
        name: file
        for party in parties.values()
        for part in ("identity", "texts")
        for name, file in party.get(part, {}).get("files", {}).items()
    }
    assert set(recorded) == files(tmp_path) - {"plan.json", "ca/issued.json", ".lock"}
    for name, file in recorded.items():
        data = (tmp_path / name).read_bytes()
        secret = name.endswith(("secrets.yaml", ".key"))
        assert file == {"size": len(data)} | ({} if secret else {"sha256": hashlib.sha256(data).hexdigest()})


def test_the_record_names_certificates_and_public_keys(tmp_path: Path) -> None:
    """Fingerprints, ends and public keys can be read without opening a key."""
    plan = VARIANTS["plain"]
    generate(plan, tmp_path)
    parties = json.loads((tmp_path / "plan.json").read_text())["parties"]
    held = identities.load(plan, tmp_path)
    assert held.authority is not None
    assert held.server is not None
    pairs = {"ca": held.authority, "coordinator": held.server, "users/analyst": held.users["analyst"]}
    for party, pair in pairs.items():
        stated = parties[party]["identity"]["certificate"]
        assert stated["not-after"] == pair.not_after.isoformat()
        assert stated["sha256"] == hashlib.sha256(pair.parsed.public_bytes(Encoding.DER)).hexdigest()
    north = parties["tenants/north"]["identity"]["public-keys"]
    assert north == {name: held.node_keys[name].public.decode() for name in north}
    assert len(north) == 2


def test_keys_make_all_the_difference(tmp_path: Path) -> None:
    """Apart from keys and what follows from them, equal plans give equal bytes in another folder."""
    plan = federation(tenant("north", keys="brought"), insecure=True)
    generate(plan, tmp_path / "one")
    generate(plan, tmp_path / "two")
    names = files(tmp_path / "one") - {"coordinator/secrets.yaml"}
    assert names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
