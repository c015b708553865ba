"""A declared federation on a real cluster: generated, then installed as its INSTALL.md files say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowerbed.bundles import generate
from flowerbed.declaration import load_plan
from flowerbed.plan import Plan
from flowerbed.runs.metrics.log import parse

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "charts"
DIGITS = ROOT / "examples" / "digits"
FLOWERBED = Path(sys.executable).with_name("flowerbed")
INSTALLING = 300  # seconds that one party's commands may take on a busy machine
RUNNING = "5m"  # that a run of the digits may take there
# The part of the images that a tenant's nodes hold: what examples/digits reads from its node config.
HALVES = (
    '{site: "Nord", share-start: 0.0, share-end: 0.6, augment: false}',
    '{site: "Süd", share-start: 0.6, share-end: 1.0, augment: false}',
)
Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a submission ended with: its exit code, its last object on stdout, and all that it said."""

    code: int
    result: dict[str, Any]
    narration: str

    @property
    def run_id(self) -> str:
        """Return the run's id."""
        return str(self.result["run_id"])


@dataclass(frozen=True, slots=True)
class Party:
    """One party's bundle, and where its commands go: the environment that selects the cluster."""

    bundle: Path
    chart: str
    namespace: str
    release: str
    environment: Environment

    def commands(self, heading: str, block: int = 1) -> str:
        """Return a block of shell commands below a heading of INSTALL.md, the first one by default."""
        text = (self.bundle / "INSTALL.md").read_text(encoding="utf-8")
        chapter = re.search(rf"^## {heading}.*?(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
        found = re.findall(r"^```sh\n(.*?)^```", chapter[0] if chapter else "", re.DOTALL | re.MULTILINE)
        assert len(found) >= block, f"{self.bundle}/INSTALL.md has no commands {block} below {heading!r}"
        return str(found[block - 1])

    def install(self, charts: Path = CHARTS) -> None:
        """Run the commands of the chapter Install, which also upgrade, with the charts of a folder."""
        # The chart's place is the one thing that the reader is told to fill in.
        text = re.sub(
            r"^CHART=\S+", f"CHART={charts / self.chart}", self.commands("Install"), flags=re.MULTILINE
        )
        self.run(text)

    def check(self) -> str:
        """Run the commands of the chapter Check, which wait until all is ready; return what they print."""
        return self.run(self.commands("Check"))

    def remove(self) -> None:
        """Run the commands of the chapter Remove; what is kept on purpose stays."""
        self.run(self.commands("Remove"))

    def run(self, script: str) -> str:
        """Run shell commands in the bundle's folder; return what they print. Raises AssertionError."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.bundle,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=INSTALLING,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout


@dataclass(frozen=True, slots=True)
class Federation:
    """A declaration with its bundles, and the environment of each party's cluster by its context."""

    plan: Plan
    bundles: Path
    environments: Mapping[str, Environment]

    @property
    def coordinator(self) -> Party:
        """Return who runs the SuperLink."""
        superlink = self.plan.superlink
        return Party(
            self.bundles / "coordinator",
            "superlink",
            superlink.namespace,
            superlink.release,
            self.environments[superlink.context],
        )

    @property
    def tenants(self) -> list[Party]:
        """Return who runs SuperNodes, in the declaration's order."""
        return [
            Party(
                self.bundles / "tenants" / tenant.name,
                "supernode",
                tenant.namespace,
                tenant.release,
                self.environments[tenant.context],
            )
            for tenant in self.plan.tenants
        ]

    def install(self, charts: Path = CHARTS) -> None:
        """Install every party by its own commands and wait until each is ready."""
        for party in (self.coordinator, *self.tenants):
            party.install(charts)
        for party in (self.coordinator, *self.tenants):
            party.check()

    def connection(self, user: str = "analyst") -> Path:
        """Return a user's connection file."""
        return self.bundles / "users" / user / "connection.toml"

    def submit(self, app: Path = DIGITS, *arguments: str, user: str = "analyst") -> Outcome:
        """Submit an app from outside the cluster, follow it, and return how it ended."""
        return submit(app, "--connection", self.connection(user), "--timeout", RUNNING, *arguments)


def declare(folder: Path, text: str, environments: Mapping[str, Environment]) -> Federation:
    """Write a declaration, generate its bundles beside it, and return both."""
    file = folder / "federation.yaml"
    file.write_text(text, encoding="utf-8")
    plan = load_plan(file)
    bundles = folder / "bundles" / plan.name
    generate(plan, bundles)
    return Federation(plan, bundles, environments)


def submit(app: Path, *arguments: str | Path, environment: Environment | None = None) -> Outcome:
    """Run `flowerbed submit --json`; return how it ended."""
    done = subprocess.run(
        [FLOWERBED, "submit", app, "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env={**(environment or os.environ), "NO_COLOR": "1"},
    )
    lines = done.stdout.splitlines()
    result = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return Outcome(done.returncode, result, done.stderr)


def final_accuracy(outcome: Outcome) -> float:
    """Return the accuracy of a followed run's last round. Raises AssertionError where there is none."""
    rounds = [found for found in parse(outcome.narration).rounds if "accuracy" in found.server]
    assert rounds, f"no accuracy in:\n{outcome.narration[-3000:]}"
    return float(rounds[-1].server["accuracy"])
