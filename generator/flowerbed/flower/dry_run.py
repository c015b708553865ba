"""What would be sent: `--dry-run`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .app.app import App
from .console import answer, say
from .errors import FlowerbedError
from .interrupts import interruptions
from .json_text import dumps
from .runs import INTERRUPTED
from .source.request import Prepared
from .submission import SubmitOptions


def dry_run(what: SubmitOptions, *, as_json: bool) -> int:
    """Pack the app and print what would be sent, as text or as one JSON object; return the exit code."""
    with interruptions():
        try:
            with what.ready() as found:
                app, changed = what.load(found)
                text = (_json if as_json else _text)(app, found, {**app.defaults, **changed})
            answer(text)
        except FlowerbedError as error:
            say(f"error: {error}")
            return error.exit_code
        except KeyboardInterrupt:
            say("interrupted; nothing was sent")
            return INTERRUPTED
    return 0


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
