"""What packages an app will have where it runs, as far as that is known before it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowerbed import declaration
from flowerbed.cli.common import declaration_file, narrate
from flowerbed.cli.flags import FederationFlags, LocalFlags
from flowerbed.errors import FlowerbedError
from flowerbed.flower.app.requirements import Libraries, declared_images, this_python


def with_packages(packages: Sequence[str]) -> Libraries:
    """Return what apps have beside Flower with `--with`; the environment is made. Raises FlowerbedError."""
    from flowerbed.local.throwaway import locked  # a run elsewhere starts nothing here

    return replace(declared_images(locked(packages, narrate)), where="--with gives")


def libraries_of(where: FederationFlags, machine: LocalFlags) -> Libraries | None:
    """Return what is there where an app will run; None where nothing more than a Flower image is known.

    Images of the declared federation bring what they have locked; without them a federation on this machine
    runs with this Python.
    """
    elsewhere = where.connection or getattr(where, "address", None)
    if machine.local:
        remedy = "`--with requirements.txt` or `--with PACKAGE` brings it for this run"
        return with_packages(machine.packages) if machine.packages else replace(this_python(), remedy=remedy)
    if elsewhere and not where.file:
        return None

    from flowerbed.images.environment import provided  # a run elsewhere reads no declaration

    try:
        path = declaration_file(where.file)
        locked = provided(declaration.load_plan(path), path)
    except FlowerbedError:  # a wrong declaration is told by whoever needs it
        return None
    if locked:
        return declared_images(locked)
    return None if elsewhere else this_python()
