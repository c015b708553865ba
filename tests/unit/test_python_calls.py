"""The package as Python sees it: `import flowerbed` offers what the command line does."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import flowerbed

CALLS = [name for name in flowerbed.__all__ if name != "FlowerbedError"]
OBJECTS = ("Federation", "Run", "Inline", "Request")


@pytest.mark.parametrize("name", [name for name in CALLS if name not in OBJECTS])
def test_every_call_is_documented_and_typed(name: str) -> None:
    """Each name resolves to a function with a docstring and an annotation on all that it takes and gives."""
    call = getattr(flowerbed, name)
    assert inspect.getdoc(call)
    signature = inspect.signature(call)
    given = [parameter.annotation for parameter in signature.parameters.values()]
    assert inspect.Signature.empty not in [*given, signature.return_annotation]


@pytest.mark.parametrize("name", OBJECTS)
def test_every_method_is_documented_and_typed(name: str) -> None:
    """Each public method and property of an object has a docstring and a type for what it gives."""
    kind = getattr(flowerbed, name)
    for method in [method for method in vars(kind) if not method.startswith("_")]:
        member = inspect.getattr_static(kind, method)
        call = member.fget if isinstance(member, property) else getattr(kind, method)
        if callable(call):
            assert inspect.getdoc(call), method
            assert inspect.signature(call).return_annotation is not inspect.Signature.empty, method


def test_all_and_homes_agree() -> None:
    """What is offered can be resolved, and the other way round."""
    assert set(CALLS) == set(flowerbed._HOMES)
    assert set(flowerbed.__all__) < set(dir(flowerbed))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A mistyped name fails as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'generat'"):
        flowerbed.generat  # noqa: B018


def test_importing_loads_nothing_more() -> None:
    """`import flowerbed` loads neither Flower nor msgspec nor any step of the flow but its errors."""
    code = (
        "import sys, flowerbed;"
        "print([name for name in sys.modules if name.startswith(('flwr', 'msgspec', 'flowerbed.'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['flowerbed.flower', 'flowerbed.flower.errors', 'flowerbed.errors']"
