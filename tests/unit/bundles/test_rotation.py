"""Rotation and revocation in the bundles: what changes, for whom, and what is remembered for good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest
import yaml
from cryptography import x509

from flowerbed import identities
from flowerbed.bundles import generate
from flowerbed.errors import UsageError
from flowerbed.identities.authority_store import next_step, rotate_authority
from flowerbed.identities.node_keys import replace_node_keys
from flowerbed.identities.revocations import add_revocations, key_fingerprint
from support.plans import federation, tenant

PLAN = federation(tenant("north"), tenant("south", 1))
USER = PLAN.users[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the bundles of PLAN."""
    generate(PLAN, tmp_path)
    return tmp_path


Options = ParamSpec("Options")
Result = TypeVar("Result")


def values(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "coordinator/values.yaml").read_text())
    return found


def secret(folder: Path, entry: str) -> bytes:
    documents = yaml.safe_load_all((folder / "coordinator/secrets.yaml").read_text())
    texts: list[str] = [each["stringData"][entry] for each in documents if entry in each["stringData"]]
    return texts[0].encode()


def roots_of(folder: Path) -> list[list[x509.Certificate]]:
    """Return every copy of the trusted certificates that a party gets."""
    texts = [(folder / name).read_bytes() for name in ("tenants/north/ca.crt", f"users/{USER.name}/ca.crt")]
    return [x509.load_pem_x509_certificates(text) for text in [*texts, secret(folder, "ca.crt")]]


def issuers(folder: Path) -> list[x509.Certificate]:
    texts = [secret(folder, "tls.crt"), (folder / f"users/{USER.name}/client.crt").read_bytes()]
    return [x509.load_pem_x509_certificate(text) for text in texts]


def is_trusted(certificate: x509.Certificate, roots: list[x509.Certificate]) -> bool:
    for root in roots:
        try:
            certificate.verify_directly_issued_by(root)
        except Exception:
            continue
        return True
    return False


def test_ca_is_rotated_with_an_overlap(folder: Path) -> None:
    """After each step every party trusts what is in use then, and what was in use before the step."""
    old = x509.load_pem_x509_certificate((folder / "ca/ca.crt").read_bytes())
    before = issuers(folder)
    counts = []
    for step in (1, 2, 3):
        roots_before = roots_of(folder)
        assert next_step(folder) == step
        assert rotate_authority(PLAN, folder, distributed=True) == step
        generate(PLAN, folder)
        identities.load(PLAN, folder)
        counts.append({len(roots) for roots in roots_of(folder)})
        # Only steps 1 and 3 change what has to be read anew.
        assert (roots_of(folder) == roots_before) == (step == 2)
        for roots in (*roots_before, *roots_of(folder)):
            assert all(is_trusted(certificate, roots) for certificate in issuers(folder))
        if step < 3:
            assert all(is_trusted(certificate, roots) for certificate in before for roots in roots_of(folder))
    assert counts == [{2}, {2}, {1}]
    assert all(not is_trusted(certificate, [old]) for certificate in issuers(folder))
    assert sorted(file.name for file in (folder / "ca").iterdir()) == ["ca.crt", "ca.key", "issued.json"]


def test_ca_waits_for_the_parties(folder: Path) -> None:
    """Steps 2 and 3 want the word that the last step reached everybody; without it nothing changes."""
    rotate_authority(PLAN, folder, distributed=False)
    for _ in (2, 3):
        there = {file.name: file.read_bytes() for file in (folder / "ca").iterdir()}
        with pytest.raises(UsageError, match="would cut off"):
            rotate_authority(PLAN, folder, distributed=False)
        assert {file.name: file.read_bytes() for file in (folder / "ca").iterdir()} == there
        rotate_authority(PLAN, folder, distributed=True)


@pytest.mark.parametrize("kill_at", range(1, 8))
def test_switch_of_the_ca_survives_a_kill(
    folder: Path, kill_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at any write or removal, the same step is done once more and ends right."""
    from flowerbed import files
    from flowerbed.identities import authority_store, store

    rotate_authority(PLAN, folder, distributed=False)
    generate(PLAN, folder)
    both = set(x509.load_pem_x509_certificates((folder / "tenants/north/ca.crt").read_bytes()))
    steps = 0

    def counted(act: Callable[Options, Result]) -> Callable[Options, Result]:
        def acted(*arguments: Options.args, **options: Options.kwargs) -> Result:
            nonlocal steps
            steps += 1
            if steps == kill_at:
                raise KeyboardInterrupt
            return act(*arguments, **options)

        return acted

    with monkeypatch.context() as patch:
        for module in (store, authority_store):
            patch.setattr(module, "write_atomic", counted(files.write_atomic))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        with pytest.raises(KeyboardInterrupt):
            rotate_authority(PLAN, folder, distributed=True)
    generate(PLAN, folder)
    assert set(x509.load_pem_x509_certificates((folder / "tenants/north/ca.crt").read_bytes())) == both
    if next_step(folder) == 2:
        rotate_authority(PLAN, folder, distributed=True)
    generate(PLAN, folder)
    assert next_step(folder) == 3
    assert set(x509.load_pem_x509_certificates((folder / "tenants/north/ca.crt").read_bytes())) == both
    identities.load(PLAN, folder)


def test_keys_are_replaced_one_node_at_a_time(folder: Path) -> None:
    """The node's key is another one, its neighbours' stay, the old one is set aside."""
    before = values(folder)["admission"]["nodes"]
    replace_node_keys(PLAN.tenants[0], ["hospitals-north-0"], folder)
    generate(PLAN, folder)
    after = values(folder)["admission"]["nodes"]
    assert [name for name in before if before[name] != after[name]] == ["hospitals-north-0"]
    assert (folder / "tenants/north/retired-keys.yaml").exists()


def test_a_revoked_key_leaves_the_list_until_it_is_replaced(folder: Path) -> None:
    """A revoked node is admitted again only by another key."""
    pem = values(folder)["admission"]["nodes"]["hospitals-north-1"]["publicKey"]
    assert add_revocations(folder, keys={key_fingerprint(pem): "hospitals-north-1"})
    assert not add_revocations(folder, keys={key_fingerprint(pem): "hospitals-north-1"})
    generate(PLAN, folder)
    assert set(values(folder)["admission"]["nodes"]) == {"hospitals-north-0", "hospitals-south-0"}
    assert values(folder)["revoked"]["keys"] == [key_fingerprint(pem)]
    replace_node_keys(PLAN.tenants[0], ["hospitals-north-1"], folder)
    generate(PLAN, folder)
    assert len(values(folder)["admission"]["nodes"]) == 3
