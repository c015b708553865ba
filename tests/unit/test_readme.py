"""README.md: what it shows is what other pages, the charts and the package say."""

from __future__ import annotations

import re
import tomllib

import yaml

from support.pages import DOCS, shown_output
from support.paths import CHARTS, ROOT

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_it_is_short() -> None:
    """It is one screen and a half; everything else is in docs/."""
    assert len(TEXT.splitlines()) < 110


def test_the_picture_is_small() -> None:
    """It is a PNG below 100 kB, which `make picture` makes."""
    (name,) = re.findall(r"!\[[^]]+\]\((.+)\)", TEXT)
    data = (ROOT / name).read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) < 100_000


def test_versions_are_those_of_the_charts_and_the_package() -> None:
    """The table of compatibility says what Chart.yaml and pyproject.toml require."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (row,) = re.findall(
        r"^\| 0\.1 \| (.+) \| (.+) to (.+) \| (.+) or newer, 4 \| (.+) or newer \|$", TEXT, re.M
    )
    flower, oldest, newest, helm, python = row
    for chart in CHARTS.glob("*/Chart.yaml"):
        annotations = yaml.safe_load(chart.read_text())["annotations"]
        assert annotations["flowerbed/kubernetes"] == f">={oldest} <={newest}"
    assert f"flwr>={flower},<1.{int(flower.split('.')[1]) + 1}" in project["dependencies"]
    assert project["requires-python"].startswith(f">={python},")
    assert f"Helm {helm} or newer" in " ".join((DOCS / "how-to" / "operations.md").read_text().split())


def test_the_status_is_the_documented_one() -> None:
    """The output of `status` is quoted from the page that explains it."""
    shown = shown_output(README)
    begin = next(number for number, line in enumerate(shown) if line.startswith("turning on Kubernetes"))
    assert len(shown) - begin > 5
    assert set(shown[begin:]) <= set(shown_output(DOCS / "how-to" / "status.md"))


def test_it_has_four_doors() -> None:
    """Each room of the documentation is one link away."""
    for room in ("tutorials", "how-to", "reference", "explanation"):
        assert f"](docs/{room}/index.md)" in TEXT
