"""What would be sent: `--dry-run`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .app.app import App, load_for_run
from .app.requirements import Libraries
from .errors import FlowerbedError
from .json_text import dumps
from .runs import INTERRUPTED
from .source.request import Prepared


def preview(
    app: AbstractContextManager[Prepared],
    config: tuple[Path | None, tuple[str, ...], Libraries | None, Callable[[str], None] | None],
    say: Callable[[str], None],
    *,
    as_json: bool,
) -> tuple[int, str]:
    """Pack the app; return the exit code and what would be sent, as text or as one JSON object.

    `config` are the arguments of `load_for_run` after the app's path; `say` hears progress and errors.
    """
    try:
        with app as found:
            loaded, changed = load_for_run(found.path, *config)
            values = {**loaded.defaults, **changed}
            return 0, (_json if as_json else _text)(loaded, found, values)
    except FlowerbedError as error:
        say(f"error: {error}")
        return error.exit_code, ""
    except KeyboardInterrupt:
        say("interrupted; nothing was sent")
        return INTERRUPTED, ""


def _json(app: App, found: Prepared, config: Mapping[str, Any]) -> str:
    return dumps(
        {
            "app": app.title,
            "source": dataclasses.asdict(found.source),
            "fab_hash": app.hash,
            "fab_size": len(app.fab),
            "files": app.files,
            "config": config,
            "warnings": app.warnings,
            **({"pyproject": _pyproject(found)} if found.source.kind == "inline" else {}),
        }
    )


def _text(app: App, found: Prepared, config: Mapping[str, Any]) -> str:
    lines = [f"app {app.title}", f"from {found.source}", f"FAB {app.hash} ({len(app.fab):,} bytes)"]
    lines += [f"  {name} ({size:,} bytes)" for name, size in app.files.items()]
    lines += [f"warning: {text}" for text in app.warnings]
    lines += ["run config"] if config else []
    lines += [f"  {key} = {dumps(value)}" for key, value in config.items()]
    if found.source.kind == "inline":
        lines += ["pyproject.toml, made of the pieces:", _pyproject(found).rstrip()]
    return "\n".join(lines)


def _pyproject(found: Prepared) -> str:
    return (found.path / "pyproject.toml").read_text(encoding="utf-8")
