"""The tools behind the make targets: a party rendered, packages, shipped values, copies in charts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.chart_release import MARK, tools
from support.paths import ROOT

DECLARATION = """\
version: 1
name: hospitals
flower: "1.41"
superlink: {namespace: hospitals, context: hub}
tenants:
  - {name: north, namespace: north, context: hub, nodes: 2}
users: [{name: analyst, role: submitter}]
"""


@pytest.fixture(scope="module")
def helm() -> str:
    return str(tools() / "helm")


def tool(name: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "tools" / f"{name}.py", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def declaration(tmp_path: Path) -> Path:
    file = tmp_path / "federation.yaml"
    file.write_text(DECLARATION)
    return file


@pytest.mark.parametrize(
    ("party", "objects"),
    [("coordinator", "name: hospitals-superlink-fleet"), ("north", "name: hospitals-north")],
)
def test_template_prints_its_command_and_the_party(
    party: str, objects: str, declaration: Path, helm: str
) -> None:
    """`template` makes the bundle, says which Helm command it runs, and prints the rendered objects."""
    done = tool("template", declaration, party, HELM=helm)
    assert done.returncode == 0, done.stderr
    assert f"$ {helm} --kube-context hub template hospitals-" in done.stderr
    assert objects in done.stdout
    assert "PRIVATE KEY" not in done.stdout


def test_an_unknown_party_is_refused_with_those_there_are(declaration: Path) -> None:
    """A mistyped party ends with 2 and the list of parties."""
    done = tool("template", declaration, "nord")
    assert done.returncode == 2
    assert "coordinator, north" in done.stderr


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("install", "bin/flowerbed apply f.yaml --party north"),
        ("upgrade", "bin/flowerbed apply f.yaml --party north"),
        ("template", "bin/python tools/template.py f.yaml north"),
        ("status", "bin/flowerbed status --cluster f.yaml --party north"),
        ("uninstall", "bin/flowerbed uninstall f.yaml --party north"),
    ],
)
def test_targets_for_one_party_run_the_verbs(target: str, command: str) -> None:
    """`make` adds nothing of its own to what the command line does."""
    words = ["make", "--dry-run", "--no-print-directory", target, "FEDERATION=f.yaml", "PARTY=north"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].endswith(command)


def test_packages_are_the_same_twice(helm: str, tmp_path: Path) -> None:
    """Wheel, charts and submit.pyz have the same bytes when they are made again."""
    first, second = (
        tool("package", "--helm", helm, tmp_path / str(turn), SOURCE_DATE_EPOCH="1790000000")
        for turn in (1, 2)
    )
    assert first.returncode == 0, first.stderr
    assert len(first.stdout.splitlines()) == 5
    assert first.stdout == second.stdout
    checked = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    assert subprocess.run(checked, cwd=tmp_path / "1", check=False).returncode == 0


def test_the_wheel_carries_programs_and_charts(helm: str, tmp_path: Path) -> None:
    """An installation from the wheel alone has what `up` and the bundles' instructions need."""
    assert tool("package", "--helm", helm, tmp_path).returncode == 0
    (wheel,) = tmp_path.glob("*.whl")
    target = tmp_path / "installed"
    shutil.unpack_archive(wheel, target, "zip")
    sources = {
        "flower/launch.py": "generator/flowerbed/flower/launch.py",
        "charts/superlink/files/haproxy.cfg": "charts/superlink/files/haproxy.cfg",
    }
    for name, source in sources.items():
        assert (target / "flowerbed" / name).read_bytes() == (ROOT / source).read_bytes()


def test_submit_is_one_file_that_needs_flower_alone(helm: str, tmp_path: Path) -> None:
    """`submit.pyz` packs an app and says who did not answer, with the part of Flowerbed that is in it."""
    assert tool("package", "--helm", helm, tmp_path).returncode == 0
    program = str(tmp_path / "submit.pyz")
    code = (
        "import runpy, sys\n"
        f"try: runpy.run_path({program!r}, run_name='__main__')\n"
        "finally: print(*{one.__file__ for name, one in sys.modules.items() if name[:9] == 'flowerbed'})"
    )
    arguments = [str(ROOT / "examples/digits"), "--address", "127.0.0.1:1", "--insecure"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 3
    assert all(file.startswith(program) for file in done.stdout.split()), done.stdout
    assert "digits/client_app.py" in done.stderr
    assert "127.0.0.1:1: Connection refused" in done.stderr


def test_shipped_values_hold_marks_where_keys_belong() -> None:
    """Nobody's key or certificate is in the setups to copy, but a mark that the charts refuse."""
    text = (ROOT / "values/multi-namespace/coordinator/values.yaml").read_text()
    assert text.count(MARK) == 5
    assert "BEGIN PUBLIC KEY" not in text


def test_a_chart_lacks_no_module_that_its_programs_import(tmp_path: Path) -> None:
    """A copy that is missing is found by the imports that lead to it, and written."""
    chart = tmp_path / "supernode"
    shutil.copytree(ROOT / "charts/supernode", chart)
    missing = chart / "files/flowerbed/flower/proxy.py"
    missing.unlink()
    command = [sys.executable, str(ROOT / "tools/charts.py")]
    checked = subprocess.run([*command, "--check", str(chart)], capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert checked.stdout.splitlines() == [f"{missing}: differs from its source; run tools/charts.py"]
    subprocess.run([*command, str(chart)], check=True, capture_output=True)
    assert missing.read_bytes().endswith((ROOT / "generator/flowerbed/flower/proxy.py").read_bytes())


def test_a_chart_has_no_template_that_is_no_longer_shared(tmp_path: Path) -> None:
    """A copy of a template that left charts/_common is found and removed; the chart's own ones stay."""
    chart = tmp_path / "app"
    shutil.copytree(ROOT / "charts/app", chart)
    stray = chart / "templates/_left.tpl"
    stray.write_text(
        "{{- /* Generated by tools/charts.py from charts/_common/_left.tpl. Do not edit. */ -}}\n"
    )
    own = chart / "templates/_own.tpl"
    own.write_text("{{/* of this chart */}}\n")
    assert tool("charts", chart).stdout.splitlines() == [f"{stray}: written"]
    assert (stray.exists(), own.exists()) == (False, True)
