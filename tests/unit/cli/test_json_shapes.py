"""The form of what each verb prints with `--json`, here of those that need no federation.

`tests/local/test_json_federation.py` has the others. The snapshots of FROM_TYPES are made from the types that
these verbs print; their output is compared where it is made, in `tests/cluster` and with the images.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from flowerbed.cli import main
from support.apps import write_app
from support.json_shapes import DECLARED, Shape, assert_shape, frozen
from support.paths import ROOT

DECLARATION = """\
version: 1
name: hospitals
tenants: [{name: north, nodes: 2}, {name: south, nodes: 1}]
users: [{name: ann}, {name: bob, role: viewer}]
"""
FROM_TYPES = (
    *("apply", "apply.dry-run", "build", "diff", "doctor", "status.cluster"),
    *("uninstall", "uninstall.dry-run"),
)
Printed = Callable[..., Any]


def with_json(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield each verb that has --json, the verbs of groups included."""
    if any("--json" in option.opts for option in command.params):
        yield "-".join(path)
    for name in getattr(command, "commands", {}):
        inner = command.get_command(click.Context(command), name)  # type: ignore[attr-defined]
        yield from with_json(inner, (*path, name))


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """Return what runs a verb with --json where DECLARATION is, and returns its document."""
    (tmp_path / "federation.yaml").write_text(DECLARATION)
    monkeypatch.chdir(tmp_path)

    def document(*words: object, code: int = 0) -> object:
        assert main.run([*map(str, words), "--json"]) == code, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return document


@pytest.mark.parametrize("name", FROM_TYPES)
def test_what_is_printed_elsewhere(name: str) -> None:
    """The structs that these verbs print are as the snapshots say."""
    assert_shape(name)


def test_check(printed: Printed) -> None:
    """Of every declaration under `values/`; and of one that is refused."""
    plans = [printed("check", file) for file in sorted(ROOT.glob("values/*/federation.yaml"))]
    assert len(plans) > 5
    assert_shape("check", *plans)
    Path("federation.yaml").write_text("version: 1\nname: hospitals\ntenants: [{name: north, nodes: 0}]\n")
    assert_shape("check.refused", printed("check", code=2))


def test_verbs_of_identities(printed: Printed) -> None:
    """Bundles are generated, looked at, and changed by each way to rotate and to revoke."""
    generated = [printed("generate")]
    Path("open.toml").write_text('[superlink]\naddress = "127.0.0.1:1"\ninsecure = true\n')
    assert_shape(
        "connection", printed("connection", "ann"), printed("connection", "--connection", "open.toml")
    )
    listed = [printed("certificates")]
    steps = [("rotate", "ca"), *[("rotate", "ca", "--distributed")] * 2]
    assert_shape("rotate-ca", *(printed(*words) for words in steps))
    assert_shape("rotate-key", printed("rotate", "key", "north"))
    Path("bundles/hospitals/tenants/north/secrets.yaml").write_text("damaged")
    generated.append(printed("generate", code=1))
    assert_shape("rotate-certificate", printed("rotate", "certificate", "--user", "ann"))
    assert_shape("revoke-node", printed("revoke", "node", "north/0"))
    assert_shape("revoke-tenant", printed("revoke", "tenant", "south"))
    assert_shape("revoke-user", printed("revoke", "user", "ann"))
    assert_shape("certificates", *listed, printed("certificates"))
    Path("federation.yaml").write_text(DECLARATION.replace(", {name: south, nodes: 1}", ""))
    generated += [printed("generate", code=1), printed("generate", "--prune", code=1)]
    assert_shape("generate", *generated)


def test_dry_run_of_an_app(printed: Printed, tmp_path: Path) -> None:
    """What would be sent: of a folder, and of loose pieces, whose pyproject.toml is made."""
    app = write_app(tmp_path / "app")
    pieces = ("--client", app / "tiny/client.py", "--server", app / "tiny/server.py")
    assert_shape(
        "submit.dry-run",
        printed("submit", app, "--dry-run", "--set", "ticks=2"),
        printed("submit", *pieces, "--dry-run"),
    )


def test_a_changed_shape_is_reported(printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another type, a key more and a key less differ from the snapshot; the message says what to do."""
    monkeypatch.delenv("FLOWERBED_WRITE_SHAPES", raising=False)
    right = {"folder": "here", "changed": ["a"], "troubles": []}
    assert_shape("revoke-user", right)
    for wrong in ({**right, "folder": 1}, {**right, "count": 1}, {"folder": "here", "changed": []}):
        with pytest.raises(AssertionError, match=r"`flowerbed revoke user` differs.* run `make shapes`"):
            assert_shape("revoke-user", wrong)


def test_what_a_document_cannot_show_has_to_be_declared() -> None:
    """Elements of a list that is empty, keys of an object that is."""
    shape = Shape({".known": tuple[str, ...]})
    shape.add({"known": [], "list": [], "object": {}})
    assert list(shape.lines()) == [
        ".: object",
        ".known: list of string",
        ".list: list of unknown",
        ".object: object or unknown",
    ]


def test_every_verb_has_a_snapshot() -> None:
    """Each verb with --json has one, and no snapshot is of a verb that is gone."""
    assert frozen() == sorted(DECLARED)
    verbs = set(with_json(typer.main.get_command(main.app)))
    assert {name.partition(".")[0] for name in frozen()} == verbs
    assert {"check", "runs", "runs-compare"} < verbs
