"""flwr's configuration: an entry of ours comes and goes, all else stays as its owner wrote it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from flowerbed.access.flwr_config import FlwrConfig, FlwrEntry
from flowerbed.access.session import past_proxies
from flowerbed.errors import UsageError

OWN = """\
# my federations
[superlink]
default = "lab"   # the usual one

[superlink.lab]
address = "lab.example.org:443"
root-certificates = '/etc/lab/ca.crt'

# keep me
[superlink."old-one"]
address = ":local:"
"""
SESSION: FlwrEntry = {"address": "flowerbed:secret@127.0.0.1:4711", "insecure": True}


def config(folder: Path, text: str = OWN) -> FlwrConfig:
    file = folder / "config.toml"
    file.write_text(text)
    return FlwrConfig(file)


@pytest.mark.parametrize(
    "text", [OWN, OWN.rstrip("\n"), "", "[other]\nx = 1\n", OWN + "[after]\nkey = [\n1]\n"]
)
def test_an_entry_comes_and_goes(tmp_path: Path, text: str) -> None:
    """Added, it is what flwr reads; removed, the owner's lines are as before; twice changes nothing."""
    found = config(tmp_path, text)
    assert found.add("hospitals", SESSION)
    assert not found.add("hospitals", SESSION)
    assert tomllib.loads(found.file.read_text())["superlink"]["hospitals"] == SESSION
    assert found.file.stat().st_mode & 0o777 == 0o600
    found.remove("hospitals", SESSION)
    assert found.file.read_text().rstrip("\n") == text.rstrip("\n")


def test_an_entry_in_the_middle_is_replaced(tmp_path: Path) -> None:
    """What a session that was killed left is replaced, also with tables and comments after it."""
    found = config(tmp_path)
    found.add("hospitals", SESSION)
    found.file.write_text(found.file.read_text() + "\n# the next one\n[superlink.next]\naddress = 'a:1'\n")
    newer = SESSION | {"address": "flowerbed:other@127.0.0.1:4712"}
    found.add("hospitals", newer)
    assert found.entry("hospitals") == newer
    found.remove("hospitals", SESSION)  # another one's by now
    assert found.entry("hospitals") == newer
    found.remove("hospitals", newer)
    kept = [*OWN.splitlines(), "# the next one", "[superlink.next]", "address = 'a:1'"]
    assert [line for line in found.file.read_text().splitlines() if line] == [line for line in kept if line]


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (OWN, "lab", "already exists"),
        (OWN, "old-one", "already exists"),
        (OWN, "a b", "not a valid connection name"),
        (OWN, 'x"]\n[y', "not a valid connection name"),
        ("superlink = {lab = {address = 'a:1'}}\n", "mine", "without harm"),
        ("not toml", "mine", "not TOML"),
    ],
)
def test_what_cannot_be_added_changes_nothing(tmp_path: Path, text: str, name: str, words: str) -> None:
    """Somebody else's entry, a wrong name, a file that cannot be edited as text: refused, left as it was."""
    found = config(tmp_path, text)
    with pytest.raises(UsageError, match=words):
        found.add(name, SESSION)
    assert found.file.read_text() == text


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Where the configuration is a link, what it leads to is written."""
    target = config(tmp_path).file
    link = tmp_path / "home" / "config.toml"
    link.parent.mkdir()
    link.symlink_to(target)
    FlwrConfig(link).add("hospitals", SESSION)
    assert link.is_symlink()
    assert "hospitals" in target.read_text()


def test_a_missing_configuration_begins_as_flwr_begins_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, flwr's own first entries are there, in the folder that FLWR_HOME names."""
    monkeypatch.setenv("FLWR_HOME", str(tmp_path / "new"))
    FlwrConfig.of_user().add("hospitals", SESSION)
    found = tomllib.loads((tmp_path / "new" / "config.toml").read_text())["superlink"]
    assert found["default"] == "local"
    assert found["hospitals"] == SESSION
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_calls_to_loopback_pass_a_proxy_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's environment keeps what NO_PROXY names and adds this machine."""
    monkeypatch.setenv("NO_PROXY", "example.org, 127.0.0.1")
    assert past_proxies()["NO_PROXY"] == "example.org,127.0.0.1,localhost"
