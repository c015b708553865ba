"""`flowerbed generate` as a person or a program sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flowerbed.cli import main

DECLARATION = """version: 1
name: hospitals
superlink: {namespace: hub}
tenants:
  - {name: north, nodes: 2, config: {site: "Hôpital Nord"}}
  - {name: south, nodes: 1}
users:
  - {name: analyst}
"""
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a declaration with two tenants and a user."""
    path = tmp_path / "federation.yaml"
    path.write_text(DECLARATION)
    return path


def test_it_says_what_it_did(file: Path, capsys: Capture) -> None:
    """The first line counts, the next name files; a second time nothing is left to do."""
    assert main.run(["generate", str(file)]) == 0
    folder = file.parent / "bundles" / "hospitals"
    first, *names = capsys.readouterr().out.splitlines()
    assert first == f"{folder}: 19 created, 0 updated, 0 removed, 0 unchanged"
    assert names[0] == "  created ca/ca.crt"
    assert names[-2:] == ["  created 7 more; --json names them all", "  hand users/analyst to the user"]
    assert main.run(["generate", str(file)]) == 0
    assert capsys.readouterr().out == f"{folder}: 0 created, 0 updated, 0 removed, 19 unchanged\n"


def test_json_names_every_file(file: Path, tmp_path: Path, capsys: Capture) -> None:
    """Programs get the folder and all names, by what happened to them."""
    assert main.run(["generate", "-f", str(file), "-o", str(tmp_path / "out"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    folder = tmp_path / "out" / "hospitals"
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {".lock"}
    assert answer.pop("folder") == str(folder)
    assert set(answer.pop("created")) == written
    nothing = ("updated", "unchanged", "removed", "removed_keys", "left", "troubles")
    assert answer == {name: [] for name in nothing} | {"hand_out": ["users/analyst"]}


def test_a_relative_folder_counts_from_here(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """`-o` is a folder of the caller, not of the declaration."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main.run(["generate", str(file), "-o", "out"]) == 0
    assert capsys.readouterr().out.startswith("out/hospitals: 19 created")
    assert (tmp_path / "here" / "out" / "hospitals" / "plan.json").is_file()


def test_a_tenant_more_and_a_tenant_less(file: Path, capsys: Capture) -> None:
    """A tenant more names its files and the coordinator's; one less stays, and goes with --prune."""
    main.run(["generate", str(file)])
    file.write_text(DECLARATION.replace("users:", "  - {name: west, nodes: 1}\nusers:"))
    capsys.readouterr()
    assert main.run(["generate", str(file)]) == 0
    first, *names = capsys.readouterr().out.splitlines()
    assert first.endswith("4 created, 2 updated, 0 removed, 17 unchanged")
    assert names == [
        *(
            f"  created tenants/west/{name}"
            for name in ("secrets.yaml", "values.yaml", "INSTALL.md", "ca.crt")
        ),
        *(f"  updated {name}" for name in ("coordinator/values.yaml", "plan.json")),
    ]
    file.write_text(DECLARATION)
    assert main.run(["generate", str(file)]) == 0
    assert "  left tenants/west: declared no longer; `--prune` removes it\n" in capsys.readouterr().out
    assert main.run(["generate", str(file), "--prune"]) == 0
    out = capsys.readouterr().out
    assert "  removed tenants/west/secrets.yaml (private keys)\n" in out
    assert "  removed tenants/west/values.yaml\n" in out
    assert "left" not in out


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("version: 1\nname: hospitals\ntenants: []\nbogus: 1\n", 2, "bogus"),
        ("version: 1\nname: Hospitals!\ntenants: []\n", 2, "name"),
    ],
)
def test_a_wrong_declaration_writes_nothing(
    text: str, code: int, said: str, file: Path, capsys: Capture
) -> None:
    """A declaration with a problem ends with 2, its place named, and no folder is made."""
    file.write_text(text)
    assert main.run(["generate", str(file)]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (file.parent / "bundles").exists()


def test_another_federations_folder_is_refused(file: Path, tmp_path: Path, capsys: Capture) -> None:
    """A folder that holds another federation's bundles ends with 2 and a remedy."""
    main.run(["generate", str(file)])
    (tmp_path / "bundles" / "hospitals").rename(tmp_path / "bundles" / "clinics")
    file.write_text(DECLARATION.replace("name: hospitals", "name: clinics"))
    capsys.readouterr()
    assert main.run(["generate", str(file)]) == 2
    error = capsys.readouterr().err
    assert "contains the bundles of 'hospitals', not of 'clinics'" in error
    assert "give another directory" in error


def test_a_damaged_key_is_named(file: Path, capsys: Capture) -> None:
    """An identity that is no good ends with 1, names party and file, and none of its bytes."""
    main.run(["generate", str(file)])
    path = file.parent / "bundles" / "hospitals" / "tenants" / "north" / "secrets.yaml"
    lines = path.read_text().splitlines(keepends=True)
    body = next(line for line in lines if line.startswith("    b3BlbnNzaC"))
    path.write_text("".join(lines).replace(body, body[:20] + "\n", 1))
    capsys.readouterr()
    assert main.run(["generate", str(file), "--json"]) == 1
    shown = capsys.readouterr()
    error = shown.err
    assert f"problem: tenants/north: {path}: hospitals-north-0" in error
    (trouble,) = json.loads(shown.out)["troubles"]
    assert (trouble["party"], trouble["where"]) == ("tenants/north", f"{path}: hospitals-north-0")
    assert body.strip()[10:20] not in error


def test_no_secret_is_said(file: Path, capsys: Capture) -> None:
    """Neither the summary nor the JSON nor the narration shows any part of a key."""
    outputs = []
    for arguments in ([], ["--json"], ["--prune"]):
        main.run(["generate", str(file), *arguments])
        outputs.append("".join(capsys.readouterr()))
    secrets = (file.parent / "bundles" / "hospitals" / "tenants" / "north" / "secrets.yaml").read_text()
    keys = [line.strip() for line in secrets.splitlines() if len(line) > 60]
    assert keys
    assert not [key for key in keys for output in outputs if key in output]


def test_what_went_wrong_with_a_key_is_told(file: Path, capsys: Capture) -> None:
    """Events that a person should know go to stderr, beside the results."""
    main.run(["generate", str(file)])
    path = file.parent / "bundles" / "hospitals" / "tenants" / "north" / "secrets.yaml"
    path.chmod(0o644)
    capsys.readouterr()
    assert main.run(["generate", str(file)]) == 0
    assert "other accounts could read it (mode 0644)" in capsys.readouterr().err


def test_it_runs_as_a_program(file: Path) -> None:
    """The installed command does the same, in a process of its own."""
    command = [sys.executable, "-m", "flowerbed", "generate", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "19 created" in done.stdout
