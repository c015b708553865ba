"""connection.toml and addresses: what is read, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.connection import connection_toml
from flowerbed.errors import UsageError
from flowerbed.flower.connection import Connection


def load(folder: Path, text: str) -> Connection:
    file = folder / "connection.toml"
    file.write_text(text)
    return Connection.load(file)


def test_what_the_generator_writes_is_what_submit_reads(tmp_path: Path) -> None:
    """A user's connection.toml gives every field, with paths beside the file."""
    text = connection_toml(
        "[::1]:9093", root_certificates="ca.crt", client_certificate="client.crt", client_key="client.key"
    )
    assert load(tmp_path, text) == Connection(
        address="[::1]:9093",
        root_certificates=tmp_path / "ca.crt",
        client_certificate=tmp_path / "client.crt",
        client_key=tmp_path / "client.key",
        federation="@none/default",
    )


def test_paths_may_be_absolute(tmp_path: Path) -> None:
    """An absolute path stays as it is."""
    connection = load(tmp_path, '[superlink]\naddress = "a:1"\nroot-certificates = "/etc/ca.crt"\n')
    assert connection.root_certificates == Path("/etc/ca.crt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no `address` in a [superlink] table"),
        ("[superlink]\n", "no `address` in a [superlink] table"),
        ("superlink = 3\n", "no `address` in a [superlink] table"),
        ("[superlink\n", "not TOML"),
        ('[superlink]\naddress = "a:1"\nadress = "b:1"\n', "unknown key 'adress'"),
        ('[superlink]\naddress = "a:1"\ninsecure = "no"\n', "insecure = 'no' has the wrong type"),
        ('[superlink]\naddress = "a:1"\nclient-key = "k"\n', "a client certificate and its key go together"),
        ('[superlink]\naddress = "a:1"\ninsecure = true\nroot-certificates = "x"\n', "takes no certificates"),
    ],
)
def test_a_wrong_connection_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake is one sentence."""
    with pytest.raises(UsageError) as refused:
        load(tmp_path, text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "address",
    ["", "host", "host:", ":80", "host:http", "host:0", "host:65536", "::1:80", "https://host:443", "h/x:1"],
)
def test_what_is_no_address(address: str) -> None:
    """An address is HOST:PORT; a scheme, a path and a bare IPv6 address are refused."""
    with pytest.raises(UsageError, match=r"is not an address\n  write HOST:PORT"):
        Connection(address=address)


def test_host_and_port() -> None:
    """Host and port come apart, brackets off."""
    assert (Connection(address="[fe80::1]:443").host, Connection(address="[fe80::1]:443").port) == (
        "fe80::1",
        443,
    )
