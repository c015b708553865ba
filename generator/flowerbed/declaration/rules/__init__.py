"""What a declaration may not say although each of its values has its type.

Every rule looks at the whole declaration and yields violations; none of them stops the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from flowerbed.declaration.model import Declaration
from flowerbed.declaration.rules import admission, chart_values, images, naming, nodes, pods, reach, tls
from flowerbed.declaration.violations import MAX_VIOLATIONS, Violation

__all__ = ["violations"]

RULES = (
    *naming.RULES,
    *reach.RULES,
    *tls.RULES,
    *admission.RULES,
    *nodes.RULES,
    *pods.RULES,
    *images.RULES,
    *chart_values.RULES,
)


def violations(declaration: Declaration) -> Iterator[Violation]:
    """Yield what does not fit together, up to MAX_VIOLATIONS."""
    return islice(chain.from_iterable(rule(declaration) for rule in RULES), MAX_VIOLATIONS)
