"""`flowerbed new`: a Flower app to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowerbed.cli.common import narrate, say
from flowerbed.errors import UsageError
from flowerbed.starters.writing import Kind, write_app

DirectoryArgument = Annotated[
    Path,
    typer.Argument(
        metavar="NAME",
        help="The app's name: letters, digits and hyphens. A path creates the app in another directory.",
    ),
]
SklearnOption = Annotated[bool, typer.Option("--sklearn", help="Train a scikit-learn model.")]
TorchOption = Annotated[bool, typer.Option("--torch", help="Train a PyTorch model.")]


def new_command(name: DirectoryArgument, sklearn: SklearnOption = False, torch: TorchOption = False) -> None:
    """Create a small Flower app to start from, with metrics and artifacts; it trains at once.

    The model is written with numpy alone, unless an option names a library.
    """
    if sklearn and torch:
        raise UsageError("--sklearn and --torch exclude each other", remedy="name one library")
    kind: Kind = "sklearn" if sklearn else "torch" if torch else "numpy"
    for file in write_app(name, kind):
        say(str(name / file))
    narrate(f"next: `flowerbed submit {name} --local` trains it on this machine")
