"""Errors in the words of a Python caller: arguments of functions in place of the command line's options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from flowerbed.errors import FlowerbedError

_SET = re.compile(r"--set (?P<quote>'?)(?P<key>[\w.-]{1,100})=(?P<value>[^\s:;,']*)(?P=quote)")
_WORDS = {
    "--set KEY=VALUE": 'settings={"KEY": VALUE}',
    "--config FILE": "config=Path(FILE)",
    "--fix": "fix=True",
    "--client": "Inline.client",
    "--server": "Inline.server",
    "--module": "Inline.modules",
    "--path": "Request.path",
    "--sha256": "Request.sha256",
    "--token-file": "Request.token_file",
    "--username": "Request.username",
    "--ssh-key": "Request.ssh_key",
    "--known-hosts": "Request.known_hosts",
    "--fetch-timeout": "Request.timeout",
    "`flowerbed runs` lists them": "Federation.runs() lists them",
}
_OPTION = re.compile("|".join(rf"{re.escape(word)}(?![\w-])" for word in _WORDS))
_LITERAL = re.compile(r"[-+]?\d[\d_]*(\.\d+)?(e[-+]?\d+)?", re.IGNORECASE)


@contextmanager
def in_python() -> Iterator[None]:
    """Let a FlowerbedError name arguments of Python functions; a function is decorated with it as well."""
    try:
        yield
    except FlowerbedError as error:
        error.what, error.remedy = spoken(error.what), spoken(error.remedy)
        error.args = (error.what,)
        raise


def spoken(text: str) -> str:
    """Return a message with Python's arguments in place of the command line's options."""
    text = _SET.sub(lambda found: f'settings={{"{found["key"]}": {_value(found["value"])}}}', text)
    return _OPTION.sub(lambda found: _WORDS[found[0]], text)


def _value(text: str) -> str:
    if text in {"true", "false"}:
        return text.capitalize()
    return text if text == "VALUE" or _LITERAL.fullmatch(text) else f'"{text}"'


def pairs(settings: Mapping[str, bool | float | str] | None) -> list[str]:
    """Return settings of a run config as the command line has them: `lr=0.1`."""
    return [
        f"{key}={str(value).lower() if isinstance(value, bool) else value}"
        for key, value in (settings or {}).items()
    ]
