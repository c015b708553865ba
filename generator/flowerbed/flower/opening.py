"""Opening a connection while something else is done."""

from __future__ import annotations

import threading

from .client import FlowerClient
from .errors import FlowerbedError


class Opening:
    """Opens a client's connection while the app is packed."""

    def __init__(self, client: FlowerClient) -> None:
        self._client = client
        self._error: FlowerbedError | None = None
        self._thread = threading.Thread(target=self._open, daemon=True)
        self._thread.start()

    def _open(self) -> None:
        try:
            self._client.connect()
        except FlowerbedError as error:
            self._error = error

    def wait(self) -> None:
        """Return when the connection stands. Raises UnreachableError."""
        self._thread.join()
        if self._error:
            raise self._error
