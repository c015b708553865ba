"""Several at once, and thousands: whole pairs, one truth, and time that goes into the keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flowerbed import identities
from flowerbed.errors import IdentityError
from flowerbed.files import write_atomic
from flowerbed.identities import Identities, ensure_authority, ensure_node_keys, store
from flowerbed.plan import Plan, Role
from support.paths import TESTS
from support.plans import federation, tenant

# Makes everything for a role that alternates, so that the user's pair is renewed again and again.
GENERATE = """
import json, sys
from pathlib import Path
from support.plans import federation
from flowerbed import identities as i
folder = Path(sys.argv[1])
sys.stdin.readline()
for turn in range(int(sys.argv[2])):
    plan = federation(role=("viewer", "operator")[turn % 2])
    authority = i.ensure_authority(plan, folder)
    coordinator = i.ensure_coordinator(plan, folder, authority)
    made = [i.ensure_node_keys(plan, tenant, folder) for tenant in plan.tenants]
    keys = {name: key.public.decode() for keys in made for name, key in keys.items()}
    i.ensure_user(plan, plan.users[0], folder, authority)
print(json.dumps([authority.certificate.decode(), coordinator.superexec_secret.decode(), keys]))
"""


def start(folder: Path, turns: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", GENERATE, str(folder), str(turns)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def load_any(folder: Path) -> Identities:
    """Load for whichever of the two roles is there now."""
    roles: tuple[Role, ...] = ("viewer", "operator")
    for role in roles:
        try:
            return identities.load(federation(role=role), folder)
        except IdentityError as error:
            if "the last one says" not in error.what:
                raise
    return load_any(folder)


def test_many_at_once_agree_on_one_federation(tmp_path: Path) -> None:
    """Four processes that begin together end with the same CA, secret and keys, and a whole pair."""
    folder = tmp_path / "hospitals"
    processes = [start(folder, turns=1) for _ in range(4)]
    answers = [json.loads(process.communicate("go\n", timeout=120)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert all(answer == answers[0] for answer in answers)
    loaded = load_any(folder)
    assert loaded.authority is not None
    public = {name: key.public.decode() for name, key in loaded.node_keys.items()}
    assert answers[0] == [loaded.authority.certificate.decode(), loaded.superexec_secret.decode(), public]


def test_readers_see_whole_pairs_while_others_renew(tmp_path: Path) -> None:
    """While two processes renew the user's pair again and again, every `load` finds a whole one."""
    folder = tmp_path / "hospitals"
    ensure_all = start(folder, turns=1)
    ensure_all.communicate("go\n", timeout=120)
    writers = [start(folder, turns=20) for _ in range(2)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    reads, seen = 0, set()
    while any(writer.poll() is None for writer in writers):
        seen.add(load_any(folder).users["analyst"].certificate)
        reads += 1
        time.sleep(0.005)  # the lock is not fair: leave writers a moment
    assert [writer.communicate(timeout=120) and writer.returncode for writer in writers] == [0, 0]
    assert len(seen) > 1, f"{reads} reads saw no renewal: the test did not test"


def test_a_reader_without_the_lock_meets_torn_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is what keeps pairs whole: between the two files, whoever looks without it is refused."""
    folder, torn = tmp_path / "hospitals", []
    plan, other = federation(), federation(role="viewer")
    authority = ensure_authority(plan, folder)
    identities.ensure_user(plan, plan.users[0], folder, authority)
    assert authority is not None
    write = write_atomic

    def look_between(path: Path, *arguments: object, **options: object) -> bool:
        if path.name == "client.crt":
            with pytest.raises(IdentityError, match="private key does not belong"):
                identities.users.read_user(other.users[0], folder, authority)
            torn.append(path)
        return write(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "write_atomic", look_between)
    identities.ensure_user(other, other.users[0], folder, authority)
    assert len(torn) == 1


@contextmanager
def held_by_another(folder: Path) -> Iterator[None]:
    """Let another thread keep the folder."""
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with store.locked(folder):
            held.set()
            free.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(10)
        yield
    finally:
        free.set()
        thread.join()


def test_whoever_waits_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that another keeps is refused after the time is up; once free, it works."""
    folder = tmp_path / "hospitals"
    monkeypatch.setattr(store, "LOCK_TIMEOUT", 0.1)
    with held_by_another(folder):
        for act in (ensure_authority, identities.load):
            with pytest.raises(IdentityError, match="another flowerbed process"):
                act(federation(), folder)
    assert ensure_authority(federation(), folder)


def in_another_thread(act: Callable[[], object]) -> str:
    answers = []

    def work() -> None:
        try:
            act()
            answers.append("done")
        except IdentityError as error:
            answers.append("busy" if "another flowerbed process" in error.what else str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return answers[0]


def test_whoever_holds_the_folder_goes_on_holding_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps inside one hold do not wait for it, and their end does not let others in."""
    folder = tmp_path / "hospitals"
    monkeypatch.setattr(store, "LOCK_TIMEOUT", 0.1)
    with store.locked(folder):
        assert ensure_authority(federation(), folder)
        with pytest.raises(IdentityError, match="not made yet: the coordinator"):
            identities.load(federation(), folder)
        assert in_another_thread(lambda: ensure_authority(federation(), folder)) == "busy"
    assert in_another_thread(lambda: ensure_authority(federation(), folder)) == "done"


def test_readers_do_not_keep_each_other_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readers hold the folder together; a writer waits for both, and a reader does not become one."""
    folder = tmp_path / "hospitals"
    ensure_authority(federation(), folder)
    monkeypatch.setattr(store, "LOCK_TIMEOUT", 0.1)
    with (
        store.shared(folder),
        store.shared(folder),
        pytest.raises(IdentityError, match="another flowerbed process"),
    ):
        ensure_authority(federation(), folder)


def test_a_waiting_writer_goes_on_when_the_folder_is_free(tmp_path: Path) -> None:
    """Waiting ends as soon as the other is done."""
    folder = tmp_path / "hospitals"
    done = threading.Event()

    def work() -> None:
        ensure_authority(federation(), folder)
        done.set()

    thread = threading.Thread(target=work)
    with store.locked(folder):
        thread.start()
        assert not done.wait(0.2)
    assert done.wait(10)
    thread.join()


def bare(plan: Plan, folder: Path) -> None:
    """Make and write the same number of keys with nothing around: the floor."""
    pem = serialization.Encoding.PEM
    for party in plan.tenants:
        home = folder / party.name
        home.mkdir(parents=True)
        texts = []
        for _ in party.nodes:
            key = ec.generate_private_key(ec.SECP384R1())
            form = serialization.PrivateFormat.OpenSSH
            texts.append(key.private_bytes(pem, form, serialization.NoEncryption()))
            key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        (home / "keys").write_bytes(b"".join(texts))


def ours(plan: Plan, folder: Path) -> None:
    for party in plan.tenants:
        ensure_node_keys(plan, party, folder)


def cpu_seconds(act: Callable[[Plan, Path], None], plan: Plan, folder: Path) -> float:
    began = time.process_time()
    act(plan, folder)
    return time.process_time() - began


def test_thousands_of_keys_cost_little_more_than_the_keys(tmp_path: Path) -> None:
    """For 100 tenants of 2 nodes our processor time is under twice that of bare keys and bare writes."""
    plan = federation(*(tenant(f"t{i}") for i in range(100)))
    turns = range(5)
    floor = min(cpu_seconds(bare, plan, tmp_path / f"bare{turn}") for turn in turns)
    own = min(cpu_seconds(ours, plan, tmp_path / f"ours{turn}") for turn in turns)
    assert own < 2 * floor, f"{own * 1000:.0f} ms, floor {floor * 1000:.0f} ms"


def test_importing_identities_costs_no_cryptography() -> None:
    """Names resolve on first use, so the command line starts without `cryptography`; a false one fails."""
    code = (
        "import sys, flowerbed.identities as i; assert 'cryptography' not in sys.modules;"
        "i.NodeKey; assert 'cryptography' in sys.modules;"
        "print(all(hasattr(i, name) for name in i.__all__), hasattr(i, 'x'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "True False\n"
