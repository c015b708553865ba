"""Why a ClientApp cannot be loaded is in its reply: added to Flower's ClientApp processes.

Flower answers for such a ClientApp "An exception was raised when attempting to load `ClientApp`", and the
exception stands in the log of its node alone (flwr 1.41: supernode/runtime/run_clientapp.py). Here the
exception of the app itself is raised in place of the one that Flower puts around it, so that the reply has it
as it has any other exception of a ClientApp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import hooks

CLIENTAPP = "flwr-clientapp"


def reveal(program: str) -> None:
    """In a ClientApp's process: let the app's own exception be the reason."""
    if program != CLIENTAPP:
        return
    without = "why a ClientApp cannot be loaded is in its node's log alone"
    module = hooks.module(hooks.APPS[program], hooks.LOAD, without=without)
    if module is not None:
        hooks.replace(module, hooks.LOAD, _loader)


def _loader(original: Callable[..., Callable[..., Any]]) -> Callable[..., Callable[..., Any]]:
    def make(*arguments: Any, **named: Any) -> Callable[..., Any]:  # noqa: ANN401  (whatever Flower passes on)
        load = original(*arguments, **named)

        def loaded(*which: Any) -> Any:  # noqa: ANN401  (Flower's)
            try:
                return load(*which)
            except Exception as error:
                if isinstance(error.__cause__, Exception):
                    raise error.__cause__ from None
                raise

        return loaded

    return make
