"""A declaration that `flowerbed apply` brings into its clusters, changes and looks at."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from parties import FLOWERBED, Environment, Federation

from flowerbed.declaration import load_plan

PATIENCE = 300  # seconds that `flowerbed apply` may take on a busy machine


class Applied:
    """A folder with a `federation.yaml`, and the environment whose kubeconfig knows all of its contexts."""

    def __init__(self, folder: Path, text: str, environment: Environment) -> None:
        self.file = folder / "federation.yaml"
        self.environment = environment
        self.declare(text)

    def declare(self, text: str) -> None:
        """Write the declaration anew; `run("apply")` makes it true."""
        self.file.write_text(text, encoding="utf-8")

    @property
    def federation(self) -> Federation:
        """Return what is declared now, with the bundles that `apply` made."""
        plan = load_plan(self.file)
        contexts = {plan.superlink.context, *(tenant.context for tenant in plan.tenants)}
        bundles = self.file.parent / "bundles" / plan.name
        return Federation(plan, bundles, dict.fromkeys(contexts, self.environment))

    def run(self, *words: str, code: int | None = 0) -> str:
        """Run `flowerbed WORDS` about the declaration; return stdout. `code` None takes any exit code."""
        done = subprocess.run(
            [FLOWERBED, *words, "--file", self.file],
            env={**self.environment, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE + 60,
            check=False,
        )
        failure = f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        assert code in {None, done.returncode}, failure
        return done.stdout

    def status(self, *words: str, code: int | None = 0) -> dict[str, Any]:
        """Return what `flowerbed status --json` tells."""
        found: dict[str, Any] = json.loads(self.run("status", "--cluster", "--json", *words, code=code))
        return found
