"""The client's TLS: whom it trusts, whom it shows itself to, and what it says when that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from flowerbed.errors import UnreachableError, UsageError
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.connection import Connection
from flowerbed.identities import CertificateAuthority, validity
from support.control_servers import list_runs, plain, serving, well
from support.pki import Pki


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def ask(connection: Connection) -> str:
    with FlowerClient(connection, timeout=10) as client:
        return str(list_runs(client).now)


def test_tls_with_the_right_ca(pki: Pki) -> None:
    """A server that the given root signed, under a name that it has, is trusted."""
    with serving(well, pki.context()) as server:
        assert ask(pki.connection(server)) == "noon"


def test_tls_with_a_foreign_ca_or_the_systems_trust(pki: Pki, tmp_path: Path) -> None:
    """Another CA's root, and the system's trust, do not do; the sentence says what to check."""
    (tmp_path / "foreign.crt").write_bytes(CertificateAuthority.create("others").certificate)
    with serving(well, pki.context()) as server:
        for roots in (tmp_path / "foreign.crt", None):
            with pytest.raises(
                UnreachableError, match=r"certificate is not trusted: .*\n  check the address and the root"
            ):
                ask(pki.connection(server, root_certificates=roots))


def test_tls_under_a_wrong_name(tmp_path: Path) -> None:
    """A certificate for another name is refused, though the CA is right."""
    pki = Pki(tmp_path, names=("superlink.example.org",))
    with (
        serving(well, pki.context()) as server,
        pytest.raises(UnreachableError, match=r"not valid for '127\.0\.0\.1'"),
    ):
        ask(pki.connection(server))


def test_a_client_certificate_is_shown(pki: Pki) -> None:
    """A server that requires a client certificate gets it; without it, one sentence says so."""
    with serving(well, pki.context(users=True)) as server:
        assert ask(pki.connection(server, **pki.client)) == "noon"
        with pytest.raises(UnreachableError, match="requires a client certificate"):
            ask(pki.connection(server))


def test_a_client_certificate_of_another_ca_is_refused(pki: Pki, tmp_path: Path) -> None:
    """The server's refusal of a foreign client certificate is told as such."""
    (tmp_path / "elsewhere").mkdir()
    foreign = Pki(tmp_path / "elsewhere")
    with (
        serving(well, pki.context(users=True)) as server,
        pytest.raises(UnreachableError, match="refused this client certificate"),
    ):
        ask(pki.connection(server, **foreign.client))


def test_tls_to_a_plain_server_and_the_reverse(pki: Pki) -> None:
    """Each mix-up of TLS and plain HTTP is a sentence with the address."""
    with serving(well) as server, pytest.raises(UnreachableError, match="does not speak TLS"):
        ask(pki.connection(server))
    with serving(well, pki.context()) as server, pytest.raises(UnreachableError, match=plain(server).address):
        ask(plain(server))


def test_files_that_are_no_certificates_are_wrong_usage(pki: Pki, tmp_path: Path) -> None:
    """A missing file, an empty one, a key that does not fit and an encrypted key are told before dialling."""
    (tmp_path / "empty").write_bytes(b"")
    other = CertificateAuthority.create("others").issue_client("eve", "viewer", 1)
    (tmp_path / "other.key").write_bytes(other.private_key)
    locked = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGb\n-----END ENCRYPTED PRIVATE KEY-----\n"
    (tmp_path / "locked.key").write_bytes(locked)
    wrong: list[dict[str, Path]] = [
        {"root_certificates": tmp_path / "nowhere"},
        {"root_certificates": tmp_path / "empty"},
        {**pki.client, "client_key": tmp_path / "other.key"},
        {**pki.client, "client_key": tmp_path / "locked.key"},
    ]
    for files in wrong:
        with pytest.raises(UsageError, match="cannot use the TLS files") as error:
            FlowerClient(Connection(address="127.0.0.1:1", **files))  # type: ignore[arg-type]
        assert "PRIVATE" not in str(error.value)


@contextmanager
def days_ago(count: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Issue certificates as they were issued then."""
    then = validity.now() - timedelta(days=count)
    with monkeypatch.context() as patch:
        patch.setattr(validity, "now", lambda: then)
        yield


def test_files_that_are_renewed_are_taken(pki: Pki, tmp_path: Path) -> None:
    """A client that runs on takes another CA and another certificate, but no pair of which half is new."""
    (tmp_path / "next").mkdir()
    following = Pki(tmp_path / "next")
    with serving(well, pki.context(users=True)) as old, serving(well, following.context(users=True)) as new:
        addresses = [f"127.0.0.1:{old.server_address[1]}"]

        def reading() -> Connection:
            return replace(pki.connection(old, **pki.client), address=addresses[-1])

        with FlowerClient(reading(), timeout=10, reload=reading) as client:
            list_runs(client)
            for name in ("ca.crt", "client.crt"):
                (following.folder / name).replace(pki.folder / name)
            client.close()
            list_runs(client)  # with what it had
            (following.folder / "client.key").replace(pki.folder / "client.key")
            client.close()
            with pytest.raises(UnreachableError, match="certificate is not trusted"):
                list_runs(client)
            addresses.append(f"127.0.0.1:{new.server_address[1]}")
            list_runs(client)
            assert client.connection.address == addresses[-1]


def test_certificates_that_are_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose certificate has expired, or is not valid yet, is told so, with the date and what to do."""
    pki = Pki(tmp_path)
    with days_ago(2, monkeypatch):
        expired = pki.authority.issue_client("analyst", "submitter", 1)
        past = pki.authority.issue_server(["localhost"], ["127.0.0.1"], 1)
    with serving(well, pki.context(users=True)) as server:
        for name, content in {"client.crt": expired.certificate, "client.key": expired.private_key}.items():
            (tmp_path / name).write_bytes(content)
        with pytest.raises(
            UnreachableError, match=r"client\.crt expired at .* UTC\n  put the renewed one in its place"
        ):
            ask(pki.connection(server, **pki.client))
    (tmp_path / "server.crt").write_bytes(past.certificate)
    (tmp_path / "server.key").write_bytes(past.private_key)
    with (
        serving(well, pki.context()) as server,
        pytest.raises(
            UnreachableError, match=r"certificate has expired\n  who runs the federation renews it"
        ),
    ):
        ask(pki.connection(server))
