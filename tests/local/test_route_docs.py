"""The table of routes in docs/access.md is what a real gateway answers.

Run as a program, as `make generated` does, it starts a federation and writes the table anew.
"""

from __future__ import annotations

import json
import ssl
import tempfile
import urllib.request
from pathlib import Path

from flowerbed.declaration import load_plan
from flowerbed.local import Federation, up
from flowerbed.local.state import StateDirectory
from marked import replaced, table
from support.gateway_calls import as_node, call, trust
from support.local_federation import HOSPITALS, declare
from support.paths import ROOT, writing

PAGE = ROOT / "docs" / "access.md"
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


def test_the_table_of_routes_is_true(hospitals: Federation) -> None:
    """Every route, every role, every listener: what is written is what is answered."""
    text = PAGE.read_text(encoding="utf-8")
    found = routes(hospitals)
    assert text == replaced(text, "routes", found), writing(__file__)
    assert "| `/v1/control/start-run` | – | 403 | yes | yes | 404 | 404 | 404 |" in found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        file = declare(Path(name), HOSPITALS)
        with up(load_plan(file), file) as started:
            written = replaced(PAGE.read_text(encoding="utf-8"), "routes", routes(started))
    PAGE.write_text(written, encoding="utf-8")
