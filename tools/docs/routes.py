"""docs/reference/access.md: which route a real gateway gives to whom."""

from __future__ import annotations

import json
import ssl
import urllib.request

from docs.federation import running
from flowerbed.local import Federation
from flowerbed.local.state import StateDirectory
from marked import table
from support.gateway_calls import as_node, call, trust

# Who, at which listener, with whose certificate, or as a node whose key is admitted.
CALLERS = {
    "anybody, no certificate": ("control", ""),
    "viewer": ("control", "vera"),
    "submitter": ("control", "sam"),
    "operator": ("control", "olga"),
    "SuperNode": ("fleet", "node"),
    "unknown SuperNode": ("fleet", ""),
    "SuperExec, app": ("runtime", ""),
}


def answered(address: str, route: str, tls: ssl.SSLContext, headers: dict[str, str]) -> str:
    """Return what a caller gets from a route: `yes`, a status, or `–` where no connection comes about."""
    try:
        answer = call(address, route, tls, headers=headers)
    except (ssl.SSLError, ConnectionError):
        return "–"
    return "yes" if answer.passed else str(answer.status)


def routes(federation: Federation) -> str:
    """Return who gets which route, as a table."""
    folder = StateDirectory.of(federation.file, federation.record.name).path
    page = f"https://127.0.0.1:{federation.record.ports['superlink']}/openapi.json"
    with urllib.request.urlopen(page, context=trust(folder / "superlink" / "tls" / "ca.crt")) as answer:
        paths = sorted(json.load(answer)["paths"])
    columns = []
    for listener, user in CALLERS.values():
        own = folder / "users" / user
        shown = (own / "client.crt", own / "client.key") if listener == "control" and user else ()
        headers = as_node(federation.file) if user == "node" else {}
        tls = trust(folder / "gateway" / "ca.crt", *shown)
        address = federation.record.endpoints[listener].address
        columns.append([answered(address, path, tls, headers) for path in paths])
    return table(
        ["route", *CALLERS], ([f"`{path}`", *cells] for path, *cells in zip(paths, *columns, strict=True))
    )


def routes_now() -> str:
    """Return the table of a federation that is started for it."""
    with running() as federation:
        return routes(federation)
