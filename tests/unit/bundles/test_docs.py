"""docs/reference/bundles.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowerbed.bundles import generate
from support.bundle_files import files
from support.paths import ROOT
from support.plan_variants import change, variants
from support.plans import federation, tenant

DOCUMENT = (ROOT / "docs" / "reference" / "bundles.md").read_text()
SECRET = {"secrets.yaml", "retired-keys.yaml", "ca.key", "client.key"}


def rows() -> list[list[str]]:
    table = DOCUMENT.split("## Files")[1].split("##")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if "|" in line]
    return cells[2:]


def test_the_table_lists_every_file(tmp_path: Path) -> None:
    """The table's files are those that some plan gives, no more and no fewer."""
    written: set[str] = set()
    for name, plan in variants().items():
        generate(plan, tmp_path / name)
        written |= files(tmp_path / name)
    generate(federation(tenant("north", 3)), tmp_path / "fewer")
    generate(federation(tenant("north", 1)), tmp_path / "fewer")
    written |= files(tmp_path / "fewer")
    general = {
        re.sub(r"^(tenants|users)/\w+/", lambda m: f"{m[1]}/{m[1][0].upper()}/", name) for name in written
    }
    assert {row[0].strip("`") for row in rows()} == general - {".lock"}


def test_the_table_says_what_is_secret() -> None:
    """Exactly the files that hold a key or a secret are marked."""
    marked = {row[0].strip("`").rpartition("/")[2] for row in rows() if row[2] == "yes"}
    assert marked == SECRET


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The library example does what it shows."""
    (tmp_path / "federation.yaml").write_text(
        "version: 1\nname: hospitals\ntenants: [{name: north, nodes: 1}]\n"
    )
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    exec(example, {})
    assert capsys.readouterr().out == "11 0 0\n"


def test_users_who_return_get_new_certificates(tmp_path: Path) -> None:
    """A user that left and returns has another certificate than before, as the document says."""
    plan = federation()
    generate(plan, tmp_path)
    before = (tmp_path / "users/analyst/client.crt").read_bytes()
    generate(change(plan, users=()), tmp_path)
    generate(plan, tmp_path)
    assert (tmp_path / "users/analyst/client.crt").read_bytes() != before
