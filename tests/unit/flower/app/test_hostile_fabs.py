"""FABs from anybody: the hostile ones are refused by what is wrong, without a traceback, in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowerbed.errors import UsageError
from flowerbed.flower.app.app import load
from flowerbed.flower.app.fab import FabFile
from support.hostile_fabs import APP, hostile, pack, patched
from support.paths import ROOT

CORPUS = list(hostile())
LEAST = 200_000  # kB: more than any hostile FAB may make a process of
# Reads each file in a process of its own that may not grow, and says what came of it and its peak.
CHILD = """
import json, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (600_000_000, 600_000_000))
from flowerbed.flower.app.app import load
from flowerbed.errors import UsageError
found = {}
for file in sorted(Path(sys.argv[1]).glob("*.fab")):
    try:
        load(file)
        found[file.stem] = "accepted"
    except UsageError as error:
        found[file.stem] = "refused"
    except BaseException as error:
        found[file.stem] = repr(error)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"found": found, "peak": int(peak.split()[1])}))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the corpus as files, by name."""
    folder = tmp_path_factory.mktemp("hostile")
    found = {}
    for number, (name, make, _) in enumerate(CORPUS):
        found[name] = folder / f"{number:03}.fab"
        found[name].write_bytes(make())
    return found


@pytest.mark.parametrize(("name", "said"), [(name, said) for name, _, said in CORPUS])
def test_a_hostile_fab_is_refused_by_what_is_wrong(files: dict[str, Path], name: str, said: str) -> None:
    """Each is refused with exit code 2, the file, and the reason; no text moves the terminal's cursor."""
    with pytest.raises(UsageError) as refused:
        load(files[name])
    assert said in str(refused.value)
    assert str(files[name]) in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert len(str(refused.value)) < 4000


def test_the_app_that_they_are_made_of_is_taken(tmp_path: Path) -> None:
    """The control: without what is wrong, the same FAB is accepted, also when it is compressed."""
    (tmp_path / "tiny.fab").write_bytes(pack(APP))
    assert load(tmp_path / "tiny.fab").title == "flowerbed/tiny 1.0.0"
    with zipfile.ZipFile(tmp_path / "tiny.fab") as old, zipfile.ZipFile(tmp_path / "small.fab", "w") as new:
        for item in old.infolist():
            new.writestr(item, old.read(item), zipfile.ZIP_DEFLATED)
    assert load(tmp_path / "small.fab").files == load(tmp_path / "tiny.fab").files


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are read from /proc")
def test_the_corpus_takes_little_memory(files: dict[str, Path]) -> None:
    """All of it, one after another in one process: none accepted, no other error, less than 200 MB."""
    folder = next(iter(files.values())).parent
    done = subprocess.run(
        [sys.executable, "-c", CHILD, folder], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["found"]) == len(CORPUS)
    assert set(answer["found"].values()) == {"refused"}
    assert answer["peak"] < LEAST


@pytest.mark.parametrize("name", ["slip ../e.py", "lying bomb", "deep tables", "escape in a name"])
def test_the_command_ends_with_2(files: dict[str, Path], name: str) -> None:
    """As a program: exit code 2, an error on stderr that is no traceback, nothing on stdout."""
    command = [sys.executable, str(ROOT / "scripts" / "submit.py"), str(files[name]), "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {files[name]}")
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr


def opens(fab: bytes) -> bool:
    """Return whether a FAB is taken; any error but UsageError is a defect."""
    try:
        FabFile(fab)
    except UsageError:
        return False
    return True


SETTINGS = settings(
    max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
FAB = pack(APP)


@SETTINGS
@given(st.binary(max_size=2000))
def test_any_bytes_are_answered(data: bytes) -> None:
    """Bytes that begin as an archive does are refused, never a traceback."""
    assert not opens(b"PK\x03\x04" + data)


@SETTINGS
@given(st.lists(st.tuples(st.integers(0, len(FAB) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_change_no_file(changes: list[tuple[int, int]]) -> None:
    """Whatever bytes of a FAB are changed: it is refused, or its files are what they were."""
    data = bytearray(FAB)
    for place, value in changes:
        data[place] = value
    if opens(bytes(data)):
        assert FabFile(bytes(data)).sizes == FabFile(FAB).sizes


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "flags": st.integers(0, 0xFFFF),
        "method": st.integers(0, 0xFFFF),
        "packed": st.integers(0, 0xFFFFFFFF),
        "unpacked": st.integers(0, 0xFFFFFFFF),
        "offset": st.integers(0, 0xFFFFFFFF),
        "crc": st.integers(0, 0xFFFFFFFF),
    },
)


@SETTINGS
@given(st.sampled_from(sorted(APP)), FIELDS)
def test_what_the_directory_says_is_checked(name: str, fields: dict[str, int]) -> None:
    """Numbers of the directory that are not true are refused."""
    changed = patched(FAB, name, **fields)
    if opens(changed):
        assert FabFile(changed).sizes == FabFile(FAB).sizes


@SETTINGS
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_name_is_answered(name: str) -> None:
    """A file of any name is taken or refused; one that is taken stays inside."""
    if opens(pack({**APP, f"{name}.py": b""})):
        assert not {"", ".", ".."} & set(f"{name}.py".split("/"))
        assert "\\" not in name
