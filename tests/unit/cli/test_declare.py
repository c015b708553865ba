"""`flowerbed init`, `check` and `schema` from the command line's side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowerbed.cli import main
from flowerbed.declaration import load_plan
from flowerbed.starters.writing import STARTER

WRONG = "version: 1\nname: hospitals\ntenants: [{name: north, nodes: 0}]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_init_writes_what_check_accepts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`init` writes a commented file, names it on stdout, and `check` accepts it as it is."""
    assert main.run(["init"]) == 0
    assert capsys.readouterr().out == "federation.yaml\n"
    assert main.run(["check"]) == 0
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert line.startswith(
        "hospitals: 2 tenants, 3 nodes, 1 user; admission listed; TLS generated; fleet hospitals-"
    )
    plan = load_plan(folder / "federation.yaml")
    assert plan.tenants[0].nodes[0].config == {"site": "Hôpital Nord", "batch-size": 32}


def test_what_init_comments_out_is_right_too(tmp_path: Path) -> None:
    """Each line of the starting file that is commented out may be used: all of them together are accepted."""
    lines = [line for line in STARTER.splitlines() if not line.startswith("#")]
    file = tmp_path / "federation.yaml"
    file.write_text(
        "\n".join(line.replace("# ", "", 1) if line.strip().startswith("# ") else line for line in lines)
    )
    plan = load_plan(file)
    assert plan.superlink.fleet.address == "fleet.example.org:443"
    assert plan.superlink.context == "hub"
    assert plan.tenants[0].data[0].mount == "/data"


def test_init_never_writes_over_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there stays, byte for byte, unless --force says otherwise; no stray file is left."""
    file = folder / "mine.yaml"
    file.write_text("mine")
    assert main.run(["init", "mine.yaml"]) == 2
    assert "there is a file already" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert main.run(["init", "mine.yaml", "--force"]) == 0
    assert file.read_text() == STARTER
    assert [path.name for path in folder.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize(
    ("name", "says"), [("missing/a.yaml", "no such directory"), (".", "this is a directory")]
)
def test_init_needs_a_place(folder: Path, name: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is missing, or is the name itself, is a usage error."""
    assert main.run(["init", name]) == 2
    assert says in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_check_refuses_on_stderr_with_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Problems go to stderr with file, line and column; stdout stays empty; the code is 2."""
    (folder / "federation.yaml").write_text(WRONG)
    assert main.run(["check"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        "error: federation.yaml:3:32: tenants[0].nodes: the tenant has no node\n"
        "    write how many SuperNodes it runs, 1 or more\n"
        "1 problem in federation.yaml\n"
    )


def test_check_answers_programs_with_the_plan(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check --json` prints the plan of a good file."""
    main.run(["init"])
    capsys.readouterr()
    assert main.run(["check", "-f", "federation.yaml", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [tenant["release"] for tenant in plan["tenants"]] == ["hospitals-north", "hospitals-south"]
    assert plan["superlink"]["fleet"]["listen-port"] == 9092


def test_check_answers_programs_with_the_problems(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check --json` prints the problems of a wrong file, each with its place, and still ends with 2."""
    (folder / "federation.yaml").write_text(WRONG)
    assert main.run(["check", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {
        "file": "federation.yaml",
        "problems": [
            {
                "line": 3,
                "column": 32,
                "key_path": "tenants[0].nodes",
                "message": "the tenant has no node",
                "remedy": "write how many SuperNodes it runs, 1 or more",
            }
        ],
    }


TWO_SUBMIT = (
    "version: 1\nname: shared\ntenants: [{name: north, nodes: 1}]\nusers: [{name: ann}, {name: bob}]\n"
)


def test_check_warns_of_runs_that_share_an_account(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The default keeps two users' ServerApps apart; `deployment` has to be declared, and warns."""
    file = folder / "federation.yaml"
    file.write_text(TWO_SUBMIT)
    assert main.run(["check", "--json"]) == 0
    apart = capsys.readouterr()
    assert (json.loads(apart.out)["superlink"]["executor"], "one account" in apart.err) == (
        "kubernetes",
        False,
    )
    file.write_text(TWO_SUBMIT + "superlink: {executor: deployment}\n")
    assert main.run(["check", "--json"]) == 0
    shared = capsys.readouterr()
    assert json.loads(shared.out)["superlink"]["executor"] == "deployment"
    assert (
        "warning: superlink.executor deployment: the ServerApps of 2 users run under one account"
        in shared.err
    )


def test_check_warns_of_keys_that_apps_can_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tenants whose ClientApps run within their nodes are named; without keys there is nothing to read."""
    file = folder / "federation.yaml"
    warning = "every app there can read its node's private key; declare `isolation: process`"
    tenants = "tenants: [{name: a, nodes: 1}, {name: b, nodes: 1, isolation: process}, {name: c, nodes: 1}]\n"
    for more, expected in (
        ("", f"warning: isolation subprocess (a, c): {warning}\n"),
        ("insecure: true\n", ""),
    ):
        file.write_text(f"version: 1\nname: shared\n{tenants}{more}")
        assert main.run(["check"]) == 0
        assert capsys.readouterr().err == expected


def test_check_takes_one_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two different files are wrong usage; the same one twice is not."""
    main.run(["init"])
    assert main.run(["check", "federation.yaml", "-f", "other.yaml"]) == 2
    assert "two declarations given" in capsys.readouterr().err
    assert main.run(["check", "federation.yaml", "-f", "federation.yaml"]) == 0


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """`schema` prints one JSON document that says which dialect it is in."""
    assert main.run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
