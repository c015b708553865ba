"""`init`, `check`, `schema`: the declaration, written, looked at, described; `helper`: a file for apps."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flowerbed.cli.common import FileArgument, FileOption, JsonOption, declaration_file, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.notices import warn_of_images
from flowerbed.declaration import load_plan
from flowerbed.declaration.cautions import cautions
from flowerbed.declaration.schema import schema_text
from flowerbed.errors import DeclarationError
from flowerbed.flower import app_helper
from flowerbed.plan import Endpoint, Plan

ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]


def init_command(file: FileArgument = None, force: ForceOption = False) -> None:
    """Write a commented declaration to start from; an existing file is kept without --force."""
    from flowerbed.starters.writing import write_starter  # the other verbs here need nothing of apps

    path = declaration_file(file)
    write_starter(path, force=force)
    say(str(path))
    narrate(f"written; next: edit it, then `flowerbed check {path}`")


def check_command(file: FileArgument = None, option: FileOption = None, json: JsonOption = False) -> None:
    """Validate a declaration, and report every problem with its position and a remedy.

    With --json: the plan, or {"file", "problems": [{line, column, key_path, message, remedy}]}.
    """
    path = declaration_file(file, option)
    try:
        plan = load_plan(path)
    except DeclarationError as error:
        if json:
            say_json({"file": error.file, "problems": [asdict(problem) for problem in error.problems]})
        raise
    warn_of_images(plan, path)
    for caution in cautions(plan):
        narrate(f"warning: {caution}")
    if json:
        say_json(plan)
    else:
        say(summary(plan))


def schema_command() -> None:
    """Print the JSON Schema of the declaration, for editors: flowerbed schema > federation.schema.json."""
    say(schema_text().rstrip("\n"))


def helper_command() -> None:
    """Print a Python file to copy into an app, with log_metrics, log_config and save_artifact."""
    say(Path(app_helper.__file__).read_text(encoding="utf-8").rstrip("\n"))


def summary(plan: Plan) -> str:
    """Return a plan in one line."""
    counts = (_count(plan.tenants, "tenant"), _count(plan.nodes, "node"), _count(plan.users, "user"))
    security = "insecure" if plan.insecure else f"TLS {plan.superlink.tls.source}"
    ends = f"fleet {_end(plan.superlink.fleet)}, control {_end(plan.superlink.control)}"
    return f"{plan.name}: {', '.join(counts)}; admission {plan.admission}; {security}; {ends}"


def _count(things: tuple[object, ...], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _end(endpoint: Endpoint) -> str:
    return f"{endpoint.address} ({endpoint.type})"
