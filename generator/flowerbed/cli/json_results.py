"""Results for programs: one JSON document on stdout."""

from __future__ import annotations

import codecs
import json
import sys

from flowerbed import documents


def say_json(value: object) -> None:
    """Print a result for programs. Keys are snake_case; a plan keeps the declaration's own words."""
    text = documents.encode(value).decode()
    if codecs.lookup(sys.stdout.encoding or "utf-8").name != "utf-8":
        # What the console cannot print is escaped: a replaced character would be another value.
        text = json.dumps(json.loads(text), indent=2) + "\n"
    sys.stdout.write(text)
