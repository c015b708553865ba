"""What a declaration may not say although each of its values has its type.

Every rule looks at the whole declaration and yields findings; none of them stops the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from flowerbed.declaration.findings import MAX_FINDINGS, Finding
from flowerbed.declaration.model import Declaration
from flowerbed.declaration.rules import admission, images, naming, nodes, pods, proxies, reach, tls, volumes

__all__ = ["findings"]

RULES = (
    *naming.RULES,
    *reach.RULES,
    *proxies.RULES,
    *tls.RULES,
    *admission.RULES,
    *nodes.RULES,
    *pods.RULES,
    *volumes.RULES,
    *images.RULES,
)


def findings(declaration: Declaration) -> Iterator[Finding]:
    """Yield what does not fit together, up to MAX_FINDINGS."""
    return islice(chain.from_iterable(rule(declaration) for rule in RULES), MAX_FINDINGS)
