"""App folders from anybody, as archives and repositories bring them: bounded, never waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowerbed.errors import UsageError
from flowerbed.flower.app.app import load
from flowerbed.flower.app.build import LARGEST_FAB
from flowerbed.flower.app.checks import LARGEST_MODULE, LARGEST_PYPROJECT, checked
from support.apps import PYPROJECT, SERVER, write_app


def refusal(folder: Path) -> str:
    with pytest.raises(UsageError) as refused:
        load(folder)
    return str(refused.value)


def test_files_are_read_up_to_a_limit(tmp_path: Path) -> None:
    """What would take all memory to parse is told by its size; at the limit it is read."""
    write_app(tmp_path / "a", {"tiny/server.py": SERVER + "#" * (LARGEST_MODULE - len(SERVER))})
    assert load(tmp_path / "a").title
    write_app(tmp_path / "b", {"tiny/server.py": SERVER + "#" * LARGEST_MODULE})
    assert "server.py is" in refusal(tmp_path / "b")
    write_app(tmp_path / "c", {"pyproject.toml": PYPROJECT + "#" * LARGEST_PYPROJECT})
    assert "pyproject.toml is" in refusal(tmp_path / "c")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe in the place of a file would keep a reader waiting for ever."""
    write_app(tmp_path)
    os.mkfifo(tmp_path / "tiny" / "pipe.py")
    assert "tiny/pipe.py" not in load(tmp_path).files
    (tmp_path / "tiny" / "server.py").unlink()
    os.mkfifo(tmp_path / "tiny" / "server.py")
    assert "there is no tiny/server.py" in refusal(tmp_path)
    (tmp_path / "pyproject.toml").unlink()
    os.mkfifo(tmp_path / "pyproject.toml")
    assert "no pyproject.toml in it" in refusal(tmp_path)


def test_a_link_leads_nowhere(tmp_path: Path) -> None:
    """A pyproject.toml that is a link is named, and what it leads to is not read."""
    (tmp_path / "secret").write_text("password = hunter2")
    write_app(tmp_path / "app")
    (tmp_path / "app" / "pyproject.toml").unlink()
    (tmp_path / "app" / "pyproject.toml").symlink_to(tmp_path / "secret")
    message = refusal(tmp_path / "app")
    assert "pyproject.toml is a symbolic link" in message
    assert "hunter2" not in message


def test_a_folder_too_large_is_not_read_whole(tmp_path: Path) -> None:
    """Flower reads every file before it looks at the sum; here reading ends with the limit."""
    write_app(tmp_path)
    with (tmp_path / "tiny" / "data.json").open("wb") as sparse:
        sparse.truncate(40 * 1024 * LARGEST_FAB)  # 400 GiB, none of it on the disk
    assert f"its files are more than {LARGEST_FAB:,} bytes" in refusal(tmp_path)
    (tmp_path / ".gitignore").write_text("data.json\n")
    assert load(tmp_path).title


TOML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "project",
    "tool",
    "flwr",
    "app",
    "components",
    "config",
    "serverapp",
    "name",
    "version",
    "dependencies",
]
TABLES = st.recursive(
    st.dictionaries(st.sampled_from(KEYS), TOML, max_size=4),
    lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(TABLES)
def test_any_pyproject_is_answered(config: dict[str, object]) -> None:
    """Whatever stands in the places of Flower's keys: told as UsageError, with the file, no traceback."""
    import tomli_w

    def without_none(value: object) -> object:
        if isinstance(value, dict):
            return {key: without_none(item) for key, item in value.items() if item is not None}
        return (
            [without_none(item) for item in value if item is not None] if isinstance(value, list) else value
        )

    text = tomli_w.dumps(without_none(config)).encode()  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"app.pyproject\.toml: "):
        checked(Path("app"), lambda name, limit: text if name == "pyproject.toml" else None)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=300))
def test_any_bytes_are_answered(data: bytes) -> None:
    """Neither a pyproject.toml nor a module of any bytes makes a traceback."""
    with pytest.raises(UsageError):
        checked(Path("app"), lambda name, limit: data)
    files = {"pyproject.toml": PYPROJECT.encode(), "tiny/server.py": data, "tiny/client.py": b"app = 1"}
    with pytest.raises(UsageError, match=r"serverapp"):
        checked(Path("app"), lambda name, limit: files.get(name))
