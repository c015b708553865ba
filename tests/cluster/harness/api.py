"""A small client of the API server, for the harness itself: quicker than kubectl processes."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml


class Api:
    """Talks to the API server that a kubeconfig names, as its user."""

    def __init__(self, kubeconfig: Path) -> None:
        text = yaml.safe_load(kubeconfig.read_text())
        cluster, user = text["clusters"][0]["cluster"], text["users"][0]["user"]
        self.server = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._context = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile() as file:  # load_cert_chain takes files alone
            for part in ("certificate", "key"):
                file.write(base64.b64decode(user[f"client-{part}-data"]))
            file.flush()
            self._context.load_cert_chain(file.name)

    def ask(self, path: str, body: object = None, method: str = "GET", kind: str = "application/json") -> Any:  # noqa: ANN401
        """Return the answer's JSON; raise OSError (HTTPError for a refusal)."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, timeout=10, context=self._context) as answer:
            return json.loads(answer.read() or b"{}")

    def merge(self, path: str, body: object) -> Any:  # noqa: ANN401
        """Change some fields of an object."""
        return self.ask(path, body, "PATCH", "application/merge-patch+json")

    def create(self, path: str, body: object) -> None:
        """Create an object, unless there is one of its name."""
        try:
            self.ask(path, body, "POST")
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        try:
            self.ask(path, method="DELETE")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise

    def ready(self) -> bool:
        """Tell whether the API server says that it is ready."""
        request = urllib.request.Request(self.server + "/readyz")
        try:
            with urllib.request.urlopen(request, timeout=2, context=self._context) as answer:
                return answer.status == 200
        except OSError:
            return False
