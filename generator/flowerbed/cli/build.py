"""`build`: images with what apps need, locked, built once, pushed, and named by digest in the values."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from flowerbed.cli.common import FileOption, JsonOption, declaration_file, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.plan import Component

if TYPE_CHECKING:
    from flowerbed.images.build import Built
    from flowerbed.images.builders import ImageBuilder
    from flowerbed.plan import Plan

_CLUSTER = "In a cluster"
InClusterOption = Annotated[
    bool, typer.Option("--in-cluster", help="Build and push by a Job in a cluster.", rich_help_panel=_CLUSTER)
]
ContextOption = Annotated[
    str,
    typer.Option("--context", help="Kubeconfig context (default: the current).", rich_help_panel=_CLUSTER),
]
NamespaceOption = Annotated[
    str,
    typer.Option("-n", "--namespace", help="Namespace of the level `baseline`.", rich_help_panel=_CLUSTER),
]
RegistrySecretOption = Annotated[
    str,
    typer.Option(
        "--registry-secret", help="Secret there: the registry's login, and ca.crt.", rich_help_panel=_CLUSTER
    ),
]
BuilderImageOption = Annotated[
    str, typer.Option("--builder-image", help="An image with buildah.", rich_help_panel=_CLUSTER)
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show lock and Containerfile; build and write nothing.")
]
SignOption = Annotated[bool, typer.Option("--sign", help="Sign what is pushed, with cosign.")]
CosignOption = Annotated[
    str, typer.Option("--cosign", metavar="OPTIONS", help="For `cosign sign`: '--key cosign.key'.")
]
UnconfinedOption = Annotated[
    bool,
    typer.Option(
        "--unconfined", help="No seccomp, no AppArmor; level `privileged`.", rich_help_panel=_CLUSTER
    ),
]


def build(  # noqa: PLR0913, PLR0917  (one parameter an option)
    component: Annotated[
        str | None,
        typer.Argument(
            metavar="[COMPONENT]", help="superlink, supernode or superexec (default: all declared)."
        ),
    ] = None,
    option: FileOption = None,
    push: Annotated[
        bool, typer.Option("--push", help="Push to the repository, and record the digest.")
    ] = False,
    dry_run: DryRunOption = False,
    update: Annotated[
        bool, typer.Option("--update", help="Choose versions and the base image's digest anew.")
    ] = False,
    sign: SignOption = False,
    cosign: CosignOption = "",
    builder: Annotated[
        str, typer.Option("--builder", help="buildah, podman or docker (default: the first that is here).")
    ] = "",
    in_cluster: InClusterOption = False,
    context: ContextOption = "",
    namespace: NamespaceOption = "",
    registry_secret: RegistrySecretOption = "",
    builder_image: BuilderImageOption = "",
    unconfined: UnconfinedOption = False,
    json: JsonOption = False,
) -> None:
    """Build the declared images: packages locked with hashes, tagged by content, built only when changed."""
    from flowerbed.declaration import load_plan
    from flowerbed.errors import UsageError
    from flowerbed.images.build import BuildOptions, preview
    from flowerbed.images.build import build as make

    path = declaration_file(None, option)
    elsewhere = None
    if in_cluster:
        elsewhere = _cluster_builder(builder, context, namespace, registry_secret, builder_image, unconfined)
        push = True
    elif context or namespace or registry_secret or builder_image or unconfined:
        raise UsageError("this is said of a build in a cluster", remedy="add --in-cluster")
    if sign and not push:
        raise UsageError("only what is pushed is signed", remedy="add --push")
    if cosign and not sign:
        raise UsageError("--cosign says how to sign", remedy="add --sign")
    options = BuildOptions(push, update, sign, _words(cosign), builder, elsewhere)
    plan = load_plan(path)
    components = _components(plan, component)
    begun = time.monotonic()
    if dry_run:
        made = preview(plan, path, components, narrate)
    else:
        made = make(plan, path, components, options, narrate)
    if json:
        say_json({"images": [asdict(one) for one in made]})
        return
    for one in made:
        for line in _lines(one, begun):
            say(line)


def _cluster_builder(
    builder: str, context: str, namespace: str, secret: str, image: str, unconfined: bool
) -> ImageBuilder:
    from flowerbed.errors import UsageError
    from flowerbed.images.reference import parse
    from flowerbed.kubernetes.image_builds import ClusterBuilder
    from flowerbed.kubernetes.image_jobs import BUILDER_IMAGE, Place

    if builder:
        raise UsageError("a cluster builds with buildah", remedy="leave --builder out, or --in-cluster")
    if not namespace:
        remedy = "name one with --namespace; docs/images.md tells how to make it"
        raise UsageError("a build in a cluster takes a namespace of its own", remedy=remedy)
    image = image or BUILDER_IMAGE
    try:
        parse(image)
    except ValueError as error:
        raise UsageError(f"--builder-image: {error}", where=image, remedy=f"e.g. {BUILDER_IMAGE}") from None
    return ClusterBuilder(Place(namespace, context, secret, image, unconfined))


def _words(text: str) -> tuple[str, ...]:
    from flowerbed.errors import UsageError

    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"--cosign: {error}", remedy="write it as in a shell") from None


def _components(plan: Plan, wanted: str | None) -> tuple[Component, ...]:
    from flowerbed.errors import UsageError

    known = {str(name): name for name in get_args(Component)}
    if wanted and wanted not in known:
        raise UsageError(f"{wanted} is no component", remedy=f"known are: {', '.join(known)}")
    if wanted:
        return (known[wanted],)
    if not plan.images:
        remedy = "add `images` to the declaration; without it, Flower's own images run"
        raise UsageError("no image is declared", remedy=remedy)
    return tuple(plan.images)


def _lines(one: Built, begun: float) -> list[str]:
    seconds = f"{time.monotonic() - begun:.1f} s"
    if one.state != "planned":
        return [f"{one.component}: {one.state} {one.image} ({seconds})"]
    rule = "-" * 8
    return [
        f"{one.component}: would be {one.image}",
        f"{rule} Containerfile",
        one.containerfile.rstrip(),
        f"{rule} lock",
        one.lock.rstrip(),
    ]
