"""Values for the charts, and the words that go with them: plain data, then text with comments.

`superlink_values` and `supernode_values` give the data, `render` the text; the text parses back to the data.
"""

from __future__ import annotations

from flowerbed.values.install import superlink_install, supernode_install
from flowerbed.values.rendering import fingerprint, render
from flowerbed.values.superlink import superlink_values
from flowerbed.values.supernode import neighbours, supernode_values

__all__ = [
    "fingerprint",
    "neighbours",
    "render",
    "superlink_install",
    "superlink_values",
    "supernode_install",
    "supernode_values",
]
