"""The registrar against a real SuperLink: what it registers, what it never does, what it says."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowerbed import runs
from flowerbed.errors import UnreachableError
from flowerbed.flower.connection import Connection
from flowerbed.identities import NodeKey
from flowerbed.local.ports import reserve
from flowerbed.runs import NodeRecord
from support.local_federation import until
from support.paths import ROOT

LAUNCH = ROOT / "generator/flowerbed/flower/launch.py"
NODES = Path("nodes.json")


class SuperLink:
    """A SuperLink that keeps its nodes in memory: a restart loses them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reservation = reserve(("superlink",), {}, {})
        self.address = f"127.0.0.1:{self._reservation.ports['superlink']}"
        self.connection = Connection(address=self.address, insecure=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = Path(sys.executable).with_name("flower-superlink")
        command = [str(program), "--insecure", "--isolation", "process", "--port", self.address.split(":")[1]]
        off = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "FLWR_HOME": str(self.folder)}
        with (self.folder / "superlink.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **off})
        until(self._answers, 60, "a SuperLink that answers")

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        self.stop()
        self._reservation.release()

    def nodes(self) -> dict[str, NodeRecord]:
        return {node.public_key: node for node in runs.list_nodes(self.connection)}

    def _answers(self) -> bool:
        try:
            self.nodes()
        except UnreachableError:
            return False
        return True


@pytest.fixture(scope="module")
def superlink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuperLink]:
    superlink = SuperLink(tmp_path_factory.mktemp("superlink"))
    superlink.start()
    yield superlink
    superlink.close()


@pytest.fixture
def keys() -> list[str]:
    return [NodeKey.generate().public.decode() for _ in range(3)]


@pytest.fixture(autouse=True)
def _clean(superlink: SuperLink, tmp_path: Path) -> None:
    """Leave no node of the last test: one key is listed, so that nothing looks like a mistake."""
    declare(tmp_path, {"keep": NodeKey.generate().public.decode()})
    assert once(superlink, tmp_path).returncode == 0


def declare(folder: Path, nodes: object) -> None:
    (folder / NODES).write_text(json.dumps(nodes))


def command(superlink: SuperLink, folder: Path, *options: str) -> list[str]:
    arguments = ["--nodes", str(folder / NODES), "--superlink", superlink.address, "--insecure", *options]
    return [sys.executable, str(LAUNCH), "registrar", *arguments]


def once(superlink: SuperLink, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(superlink, folder, "--once", *options),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def events(text: str) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in text.splitlines()]
    return [(line["event"], line.get("node", "")) for line in lines]


def test_new_nodes_are_registered_under_their_names_once(
    superlink: SuperLink, tmp_path: Path, keys: list[str]
) -> None:
    """Each declared key is registered with its name; a second comparison finds nothing to do."""
    declare(tmp_path, {"north-0": keys[0], "north-1": keys[1]})
    done = once(superlink, tmp_path)
    assert done.returncode == 0
    assert [event for event in events(done.stdout) if event[0] == "registered"] == [
        ("registered", "north-0"),
        ("registered", "north-1"),
    ]
    found = superlink.nodes()
    assert [(found[key].name, found[key].status) for key in keys[:2]] == [
        ("north-0", "registered"),
        ("north-1", "registered"),
    ]
    assert once(superlink, tmp_path).stdout == ""


def test_a_key_is_registered_in_the_form_in_which_nodes_present_it(
    superlink: SuperLink, tmp_path: Path, keys: list[str]
) -> None:
    """Blank lines and Windows line ends in the list do not make another key of it."""
    declare(tmp_path, {"north-0": f"\n{keys[0]}\n".replace("\n", "\r\n")})
    assert once(superlink, tmp_path).returncode == 0
    assert superlink.nodes()[keys[0]].name == "north-0"


def test_removed_nodes_are_unregistered_and_strangers_too(
    superlink: SuperLink, tmp_path: Path, keys: list[str]
) -> None:
    """With listed admission whoever is not declared goes; with open admission the same node stays."""
    declare(tmp_path, {"north-0": keys[0], "north-1": keys[1]})
    once(superlink, tmp_path)
    declare(tmp_path, {"north-0": keys[0]})
    assert once(superlink, tmp_path, "--admission", "open").returncode == 0
    assert superlink.nodes()[keys[1]].status == "registered"
    done = once(superlink, tmp_path)
    assert (done.returncode, events(done.stdout)) == (0, [("unregistered", "north-1")])
    assert superlink.nodes()[keys[1]].status == "unregistered"
    assert superlink.nodes()[keys[0]].status == "registered"


def test_a_key_that_was_unregistered_is_reported_and_the_others_go_on(
    superlink: SuperLink, tmp_path: Path, keys: list[str]
) -> None:
    """Flower never takes such a key again: that is said with the remedy; new nodes are still registered."""
    declare(tmp_path, {"north-0": keys[0], "north-1": keys[1]})
    once(superlink, tmp_path)
    declare(tmp_path, {"north-1": keys[1]})
    once(superlink, tmp_path)
    declare(tmp_path, {"north-0": keys[0], "north-1": keys[1], "north-2": keys[2]})
    done = once(superlink, tmp_path)
    assert done.returncode == 1
    assert events(done.stdout) == [("not registered", "north-0"), ("registered", "north-2")]
    assert "never takes such a key again" in done.stdout
    assert "give the node a new key" in done.stdout
    assert superlink.nodes()[keys[2]].status == "registered"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "list empty or damaged"),
        ("{", "list not usable"),
        ("[]", "list not usable"),
        ('{"north-0": 5}', "list not usable"),
        ("[" * 100_000, "list not usable"),
        ('{"north-0": "a", "north-0": "b"}', "list not usable"),
        ('{"north-0": "-----BEGIN PUBLIC KEY-----"}', "list empty or damaged"),
    ],
)
def test_a_list_that_looks_like_a_mistake_unregisters_nobody(
    superlink: SuperLink, tmp_path: Path, keys: list[str], content: str, reason: str
) -> None:
    """Unregistering is final, so it never follows from an empty or damaged list."""
    declare(tmp_path, {"north-0": keys[0]})
    once(superlink, tmp_path)
    (tmp_path / NODES).write_text(content)
    done = once(superlink, tmp_path)
    assert done.returncode == 1
    assert reason in [event for event, _ in events(done.stdout)]
    assert superlink.nodes()[keys[0]].status == "registered"


def test_keys_do_not_reach_the_log(superlink: SuperLink, tmp_path: Path, keys: list[str]) -> None:
    """A key is named by 16 digits of its fingerprint."""
    declare(tmp_path, {"north-0": keys[0]})
    done = once(superlink, tmp_path)
    assert json.loads(done.stdout.splitlines()[0])["key"].isalnum()
    assert not [line for line in keys[0].splitlines() if line in done.stdout]


def test_it_waits_repairs_reacts_and_ends(tmp_path: Path, keys: list[str]) -> None:
    """Started too early it waits; after lost state it repairs; it sees changes at once; SIGTERM ends it."""
    superlink = SuperLink(tmp_path)
    declare(tmp_path, {"north-0": keys[0]})
    log = tmp_path / "registrar.log"

    def said(event: str) -> int:
        return sum(found == event for found, _ in events(log.read_text()))

    with log.open("w") as output:
        process = subprocess.Popen(command(superlink, tmp_path, "--interval", "3"), stdout=output)
    try:
        until(lambda: said("waiting") == 1, 20, "a word about waiting")
        superlink.start()
        until(lambda: keys[0] in superlink.nodes(), 20, "the node registered")
        declare(tmp_path, {"north-0": keys[0], "north-1": keys[1]})
        until(lambda: keys[1] in superlink.nodes(), 3, "the change taken up")
        superlink.stop()
        until(lambda: said("waiting") == 2, 20, "a word about the SuperLink's absence")
        superlink.start()
        until(lambda: set(keys[:2]) <= set(superlink.nodes()), 20, "both registered again")
        process.terminate()
        assert process.wait(10) == 0
        assert said("stopped") == 1
    finally:
        process.kill()
        process.wait()
        superlink.close()


def test_nobody_there_is_exit_code_3(tmp_path: Path, keys: list[str]) -> None:
    """A single comparison with nobody at the address says so."""
    superlink = SuperLink(tmp_path)
    declare(tmp_path, {"north-0": keys[0]})
    done = once(superlink, tmp_path)
    superlink.close()
    assert done.returncode == 3
    assert "Connection refused" in done.stdout


def test_a_revoked_key_goes_whatever_is_declared(
    superlink: SuperLink, tmp_path: Path, keys: list[str]
) -> None:
    """A revoked key is unregistered also where it is declared and where nothing else is; others stay."""
    declare(tmp_path, {"north-0": keys[0], "north-1": keys[1]})
    assert once(superlink, tmp_path).returncode == 0
    revoked = tmp_path / "revoked"
    revoked.write_text(f"# SHA-256\n{hashlib.sha256(keys[0].encode()).hexdigest()}")
    declare(tmp_path, {"north-0": keys[0]})
    done = once(superlink, tmp_path, "--revoked", str(revoked))
    assert ("unregistered", "north-0") in events(done.stdout)
    found = superlink.nodes()
    assert (found[keys[0]].status, found[keys[1]].status) == ("unregistered", "registered")


def revoke(file: Path, *keys: str) -> None:
    file.write_text("\n".join(["# SHA-256", *(hashlib.sha256(key.encode()).hexdigest() for key in keys)]))


def test_a_kept_revocation_outlives_the_declared_one(
    superlink: SuperLink, tmp_path: Path, keys: list[str]
) -> None:
    """Once revoked, a key stays out when an older list comes back, also on a SuperLink that never saw it."""
    declare(tmp_path, {"north-0": keys[0], "north-1": keys[1]})
    assert once(superlink, tmp_path).returncode == 0
    revoked, options = tmp_path / "keys", ("--kept", str(tmp_path / "kept"))
    revoke(revoked, keys[0], keys[2])
    assert once(superlink, tmp_path, "--revoked", str(revoked), *options).returncode == 0
    revoke(revoked)
    declare(tmp_path, {"north-0": keys[0], "north-1": keys[1], "north-2": keys[2]})
    done = once(superlink, tmp_path, "--revoked", str(revoked), *options)
    assert (done.returncode, done.stdout) == (0, "")
    assert keys[2] not in superlink.nodes()
    assert once(superlink, tmp_path, "--revoked", str(revoked)).returncode == 1  # the control: without it
    assert superlink.nodes()[keys[2]].status == "registered"
    assert events(once(superlink, tmp_path, *options).stdout) == [("unregistered", "north-2")]


def test_users_are_kept_too(superlink: SuperLink, tmp_path: Path, keys: list[str]) -> None:
    """The list that the gateway reads grows while the registrar runs, not only at the pod's start."""
    declare(tmp_path, {"north-0": keys[0]})
    (tmp_path / "users").write_text("# CN YYMMDDHHMMSS\nann 261129013328\n")
    options = ("--kept", str(tmp_path / "kept"), "--revoked-users", str(tmp_path / "users"))
    assert once(superlink, tmp_path, *options).returncode == 0
    (tmp_path / "users").write_text("# CN YYMMDDHHMMSS\nann 251129013328\n")
    assert once(superlink, tmp_path, *options).returncode == 0
    assert (tmp_path / "kept" / "users").read_text().splitlines()[1:] == ["ann 261129013328"]


def test_with_a_damaged_kept_list_nobody_is_registered(
    superlink: SuperLink, tmp_path: Path, keys: list[str]
) -> None:
    """What is revoked is not known then: what is there stays, keys revoked by name go, the rest waits."""
    declare(tmp_path, {"north-0": keys[0], "north-1": keys[1]})
    options = ("--kept", str(tmp_path / "kept"), "--revoked", str(tmp_path / "keys"))
    assert once(superlink, tmp_path, *options).returncode == 0
    (tmp_path / "kept" / "keys").write_bytes(b"")
    declare(tmp_path, {"north-0": keys[0], "north-1": keys[1], "north-2": keys[2]})
    revoke(tmp_path / "keys", keys[1])
    done = once(superlink, tmp_path, *options)
    assert done.returncode == 1
    assert ("kept revocations are damaged", "") in events(done.stdout)
    assert "kept/keys does not match its checksum" in done.stdout
    found = superlink.nodes()
    assert [found[key].status for key in keys[:2]] == ["registered", "unregistered"]
    assert keys[2] not in found
    (tmp_path / "kept" / "keys").unlink()
    (tmp_path / "kept" / "users").unlink()
    (tmp_path / "kept").rmdir()
    once(superlink, tmp_path, *options)
    assert superlink.nodes()[keys[2]].status == "registered"  # the control


def test_a_list_that_lost_more_than_half_waits_for_a_word(
    superlink: SuperLink, tmp_path: Path, keys: list[str]
) -> None:
    """Without two of three nodes the list is taken for a mistake, until their number is allowed."""
    nodes = {f"north-{number}": key for number, key in enumerate(keys)}
    limit, options = tmp_path / "limit", ("--max-removals", str(tmp_path / "limit"))
    declare(tmp_path, nodes)
    once(superlink, tmp_path)
    limit.write_text("1")
    declare(tmp_path, {"north-0": keys[0]})
    done = once(superlink, tmp_path, *options)
    assert done.returncode == 1
    assert events(done.stdout) == [("removals held back", "")]
    assert "2 of 3 nodes are not declared any more" in done.stdout
    assert {superlink.nodes()[key].status for key in keys} == {"registered"}
    limit.write_text("2")
    done = once(superlink, tmp_path, *options)
    assert (done.returncode, events(done.stdout)) == (
        0,
        [("unregistered", "north-1"), ("unregistered", "north-2")],
    )


def test_half_of_the_nodes_and_new_keys_for_all_need_no_word(
    superlink: SuperLink, tmp_path: Path, keys: list[str]
) -> None:
    """A list that lost half of its nodes, or replaced every key, is acted on at once."""
    (tmp_path / "limit").write_text("0")
    options = ("--max-removals", str(tmp_path / "limit"))
    declare(tmp_path, {"north-0": keys[0], "north-1": keys[1]})
    once(superlink, tmp_path)
    declare(tmp_path, {"north-0": keys[0]})
    assert events(once(superlink, tmp_path, *options).stdout) == [("unregistered", "north-1")]
    declare(tmp_path, {"north-0": keys[2]})
    done = once(superlink, tmp_path, *options)
    assert events(done.stdout) == [("registered", "north-0"), ("unregistered", "north-0")]


def test_a_held_back_list_still_loses_its_revoked_keys(
    superlink: SuperLink, tmp_path: Path, keys: list[str]
) -> None:
    """A key that is revoked by name goes, whatever else is wrong with the list."""
    (tmp_path / "limit").write_text("none")
    declare(tmp_path, {f"north-{number}": key for number, key in enumerate(keys)})
    once(superlink, tmp_path)
    revoke(tmp_path / "keys", keys[1])
    (tmp_path / NODES).write_text("[" * 100_000)
    options = ("--max-removals", str(tmp_path / "limit"), "--revoked", str(tmp_path / "keys"))
    done = once(superlink, tmp_path, *options)
    assert done.returncode == 1
    assert {"list not usable", "limit not usable", "unregistered"} <= {
        event for event, _ in events(done.stdout)
    }
    assert [superlink.nodes()[key].status for key in keys] == ["registered", "unregistered", "registered"]
