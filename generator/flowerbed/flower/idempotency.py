"""Idempotent submission: a key that makes two submissions one run.

Flower 1.41 keeps of a run its FAB's hash and its run config, and nothing of the submitter's own. So the key
travels as the comment of the FAB, which is a ZIP archive: no app sees it, no file of the app changes, and it
changes the FAB's hash. A run that was started with the same key is then found by that hash.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .app.app import App
from .app.run_config import Scalar
from .client import FlowerClient, messages
from .connection import Connection
from .errors import FlowerbedError, UnreachableError, UsageError
from .runs import passing, start, stop

LONGEST_KEY = 200  # characters
PAGE = 500  # runs a call
PAUSE = 1.0  # seconds between two tries
_NO_COMMENT = b"\0\0"  # a ZIP archive ends with the length of its comment, and the comment


@dataclass(frozen=True, slots=True)
class Started:
    """The run that a key stands for; `found`: it was there before this submission."""

    run_id: int
    found: bool


def keyed(app: App, key: str, user: str, config: dict[str, Scalar]) -> App:
    """Return the app with a key in its FAB. User, run config and app are part of it. Raises UsageError."""
    if not key.isprintable() or len(key) > LONGEST_KEY:
        raise UsageError("this is not a key", f"a key has at most {LONGEST_KEY} printable characters")
    if not app.fab.endswith(_NO_COMMENT):
        raise UsageError(
            "this .fab ends with a comment of its own", "submit the app's directory, or submit without a key"
        )
    text = json.dumps([key, user, config], sort_keys=True, separators=(",", ":"))
    comment = b"flowerbed " + hashlib.sha256(text.encode()).hexdigest().encode()
    marked = app.fab.removesuffix(_NO_COMMENT) + len(comment).to_bytes(2, "little") + comment
    return replace(app, fab=marked)


def user_of(connection: Connection) -> str:
    """Return the common name in a connection's client certificate, "" where it shows none."""
    if connection.client_certificate is None:
        return ""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(connection.client_certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{connection.client_certificate}: {error}") from None
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def start_once(
    client: FlowerClient, app: App, config: dict[str, Scalar], patience: float, say: Callable[[str], None]
) -> Started:
    """Start a run unless one of this very FAB is there; return the first one. Any other is stopped.

    An answer that was lost is asked for again, for `patience` seconds. Raises what `start` raises.
    """
    begin, told, sent, ours = time.monotonic(), False, False, None
    while True:
        try:
            found = _first(client, app)
            if found is not None:
                return Started(found, found=not sent or ours not in {None, found})
            sent = True
            ours = start(client, app, config)
        except FlowerbedError as error:
            lost = isinstance(error, UnreachableError) and error.lost
            if not (sent and (lost or passing(error))) or time.monotonic() - begin > patience:
                raise
            if not told:
                say(f"{error.what}; asking for the run again for up to {patience:g} s")
            told = True
            time.sleep(PAUSE)


def _first(client: FlowerClient, app: App) -> int | None:
    """Return the first run of a FAB and stop the others that have not finished."""
    same = sorted((run for run in _all_runs(client) if run.fab_hash == app.hash), key=_age)
    for run in same[1:]:
        if run.status.status != "finished":
            stop(client, run.run_id)
    return same[0].run_id if same else None


def _age(run: Any) -> tuple[str, int]:  # noqa: ANN401  (Flower's message has no types)
    return (run.pending_at, run.run_id)


def _all_runs(client: FlowerClient) -> list[Any]:
    control = messages()
    found: dict[int, Any] = {}
    while True:
        request = control.ListRunsRequest(limit=PAGE, skip=len(found))
        page = client.call("control/list-runs", request, control.ListRunsResponse).run_dict
        # Runs that are started meanwhile move others to the next page, where they are seen once more.
        new = {run_id: run for run_id, run in page.items() if run_id not in found}
        found |= new
        if len(page) < PAGE or not new:
            return list(found.values())
