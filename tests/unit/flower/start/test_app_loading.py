"""Why a ClientApp cannot be loaded: the exception of the app itself."""

from __future__ import annotations

import pytest
from flwr.clientapp.client_app import LoadClientAppError
from flwr.supernode.runtime import run_clientapp

from flowerbed.flower.start import app_loading, hooks


def failing(error: Exception, cause: Exception | None) -> None:
    raise error from cause


@pytest.mark.parametrize(
    ("error", "cause", "seen"),
    [
        (LoadClientAppError("x"), ModuleNotFoundError("No module named 'torch'"), ModuleNotFoundError),
        (LoadClientAppError("no ClientApp"), None, LoadClientAppError),
        (KeyError("x"), None, KeyError),
    ],
)
def test_the_own_exception_is_raised(
    monkeypatch: pytest.MonkeyPatch, error: Exception, cause: Exception | None, seen: type[Exception]
) -> None:
    """That of the app, without Flower's around it; one of Flower's own stays."""
    monkeypatch.setattr(run_clientapp, hooks.LOAD, lambda **_: lambda *_: failing(error, cause))
    app_loading.reveal("flwr-clientapp")
    load = run_clientapp.get_load_client_app_fn(default_app_ref="", app_path=None, multi_app=True)
    with pytest.raises(seen) as raised:
        load("lab/tiny", "1.0.0", "a")
    assert raised.value in (error, cause)


def test_a_server_app_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exceptions are in the log of the run."""
    before = run_clientapp.get_load_client_app_fn
    monkeypatch.setattr(run_clientapp, hooks.LOAD, before)
    app_loading.reveal("flwr-serverapp")
    assert run_clientapp.get_load_client_app_fn is before
