"""What packages an app will have where it runs, as far as that is known before it is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowerbed.errors import FlowerbedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowerbed.flower.app.requirements import Libraries


def with_packages(packages: Sequence[str]) -> Libraries:
    """Return what apps have beside Flower with `--with`; the environment is made. Raises FlowerbedError."""
    from flowerbed.cli.common import narrate
    from flowerbed.flower.app.requirements import declared_images
    from flowerbed.local.throwaway import locked

    return replace(declared_images(locked(packages, narrate)), where="--with gives")


def libraries_of(given: dict[str, Any]) -> Libraries | None:
    """Return what is there where an app will run; None where nothing more than a Flower image is known.

    Images of the declared federation bring what they have locked; without them a federation on this machine
    runs with this Python.
    """
    from flowerbed.flower.app.requirements import declared_images, this_python

    elsewhere = given["connection"] or given["address"]
    if given.get("local"):
        remedy = "`--with requirements.txt` or `--with PACKAGE` brings it for this run"
        return (
            with_packages(given["packages"]) if given["packages"] else replace(this_python(), remedy=remedy)
        )
    if elsewhere and not given["file"]:
        return None
    from flowerbed.cli.common import declaration_file
    from flowerbed.declaration import load_plan
    from flowerbed.images.environment import provided

    try:
        declaration = declaration_file(given["file"])
        locked = provided(load_plan(declaration), declaration)
    except FlowerbedError:  # a wrong declaration is told by whoever needs it
        return None
    if locked:
        return declared_images(locked)
    return None if elsewhere else this_python()
