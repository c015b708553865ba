"""What a declaration may say of images, as types; `model` has the rest."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from flowerbed.declaration import grammar
from flowerbed.declaration.pod_model import Model, text
from flowerbed.plan import Platform


class Instructions(Model, frozen=True, kw_only=True):
    """Containerfile instructions of your own: RUN, ENV, ARG, LABEL, WORKDIR, USER, SHELL and COPY --from."""

    before: Annotated[
        tuple[str, ...], Meta(description="Run as root before the dependencies are installed.")
    ] = ()
    after: Annotated[
        tuple[str, ...], Meta(description="Run as root after them. The image's user is Flower's in the end.")
    ] = ()


class BuildSecret(Model, frozen=True, kw_only=True):
    """A secret for `RUN --mount=type=secret,id=ID`. It is in no layer, and changes no tag."""

    id: Annotated[str, text("The id that the instruction names.", "[A-Za-z0-9_.-]+", 64)]
    env: Annotated[str, text("Environment variable that holds it where `flowerbed build` runs.")] = ""
    file: Annotated[str, text("File that holds it, from the declaration's directory.")] = ""


class Image(Model, frozen=True, kw_only=True):
    """One image. What a component does not say itself, it takes from `all`."""

    base: Annotated[
        str,
        text("Image to build on: any that has the Python below as `python`, with pip. Default: Flower's."),
    ] = ""
    python: Annotated[str, text("Python line of the base, in quotes. Default: 3.13.", r"3\.1[1-4]")] = ""
    dependencies: Annotated[
        tuple[str, ...], Meta(description="Python packages, as in a pyproject: `scikit-learn>=1.5,<2`.")
    ] = ()
    requirements: Annotated[
        str, text("A requirements file whose lines are added; path from the declaration's directory.")
    ] = ""
    app: Annotated[
        str, text("A Flower app, or any pyproject.toml, whose dependencies are added; path likewise.")
    ] = ""
    instructions: Annotated[Instructions, Meta(description="More for the Containerfile.")] = Instructions()
    build_args: Annotated[
        dict[str, str], Meta(description="Values of ARG. Nothing secret: they stay in the image's history.")
    ] = msgspec.field(default_factory=dict)
    build_secrets: Annotated[
        tuple[BuildSecret, ...], Meta(description="Secrets that instructions may read while they run.")
    ] = ()
    index: Annotated[str, text("Package index instead of the one that pip and uv are set to.")] = ""
    extra_index: Annotated[
        tuple[str, ...], Meta(description="Further package indexes, looked at first.")
    ] = ()
    wheelhouse: Annotated[
        str, text("Directory of wheels that replaces every index: nothing is downloaded; path likewise.")
    ] = ""
    platform: Annotated[
        Platform | UnsetType, Meta(description="Platform of the image. Default: `linux/amd64`.")
    ] = UNSET
    repository: Annotated[
        str, text("Where the image is pushed, without a tag: `registry.example.org/team/flower`.", "", 512)
    ] = ""
    pull_secret: Annotated[
        str,
        text(
            "Secret with that registry's login, in each namespace that runs the image (imagePullSecrets).",
            grammar.DNS_NAME,
            253,
        ),
    ] = ""


class Images(Model, frozen=True, kw_only=True):
    """Images that `flowerbed build` makes; left out, Flower's own run."""

    all: Annotated[Image | UnsetType, Meta(description="For every component.")] = UNSET
    superlink: Annotated[Image | UnsetType, Meta(description="Of the SuperLink.")] = UNSET
    supernode: Annotated[
        Image | UnsetType,
        Meta(description="Of the SuperNodes; with isolation `subprocess` ClientApps run in it."),
    ] = UNSET
    superexec: Annotated[
        Image | UnsetType,
        Meta(description="Of the SuperExecs: ServerApps run in it, and ClientApps with isolation `process`."),
    ] = UNSET
