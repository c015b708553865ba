"""`build`: images with what apps need, locked, built once, pushed, and named by digest in the values."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar, get_args

import typer

from flowerbed.cli.common import FileOption, JsonOption, declaration_file, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.declaration import load_plan
from flowerbed.errors import UsageError
from flowerbed.flower.flags import flag, switch
from flowerbed.images.build import BuildOptions, Built, build_images, preview_images
from flowerbed.images.builders import ImageBuilder
from flowerbed.images.cluster_builder import ClusterBuilder
from flowerbed.images.cluster_job import BUILDER_IMAGE, JobSettings
from flowerbed.images.reference import parse_reference
from flowerbed.plan import Component, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFlags:
    """What becomes of the images."""

    push: bool = switch("push to the repository, and record the digest")
    dry_run: bool = switch("print the lock and the Containerfile; build and write nothing")
    update: bool = switch("update the locked versions and the base image's digest")
    sign: bool = switch("sign pushed images with cosign")
    cosign: str = flag("OPTIONS", "options for `cosign sign`, such as '--key cosign.key'", default="")
    builder: str = flag(
        "TEXT", "image builder: buildah, podman or docker (default: the first that is installed)", default=""
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterBuildFlags:
    """A build that runs in a cluster."""

    PANEL: ClassVar[str] = "In a cluster"
    in_cluster: bool = switch("build and push in a Job in a cluster")
    context: str = flag("TEXT", "kubeconfig context (default: the current)", default="")
    namespace: str = flag(
        "TEXT",
        "namespace of the Job, whose Pod Security level allows `baseline`",
        words=("-n", "--namespace"),
        default="",
    )
    registry_secret: str = flag(
        "TEXT",
        "secret in that namespace with the registry's credentials, and ca.crt if it needs one",
        default="",
    )
    builder_image: str = flag("TEXT", "image of the Job's container, which has buildah", default="")
    unconfined: bool = switch("run without seccomp and AppArmor, at the Pod Security level `privileged`")

    @property
    def given(self) -> bool:
        """Return whether anything is said of such a build."""
        return any([self.context, self.namespace, self.registry_secret, self.builder_image, self.unconfined])


def build_command(
    component: Annotated[
        str | None,
        typer.Argument(
            metavar="[COMPONENT]", help="superlink, supernode or superexec (default: all declared)."
        ),
    ] = None,
    file: FileOption = None,
    *,
    flags: BuildFlags,
    cluster: ClusterBuildFlags,
    json: JsonOption = False,
) -> None:
    """Build the declared images: packages locked with hashes, tagged by content, built only when changed."""

    path = declaration_file(file)
    elsewhere = None
    push = flags.push or cluster.in_cluster
    if cluster.in_cluster:
        elsewhere = _cluster_builder(flags.builder, cluster)
    elif cluster.given:
        raise UsageError("this is said of a build in a cluster", remedy="add --in-cluster")
    if flags.sign and not push:
        raise UsageError("only what is pushed is signed", remedy="add --push")
    if flags.cosign and not flags.sign:
        raise UsageError("--cosign says how to sign", remedy="add --sign")
    options = BuildOptions(push, flags.update, flags.sign, _words(flags.cosign), flags.builder, elsewhere)
    plan = load_plan(path)
    components = _components(plan, component)
    begun = time.monotonic()
    if flags.dry_run:
        made = preview_images(plan, path, components, narrate)
    else:
        made = build_images(plan, path, components, options, narrate)
    if json:
        say_json({"images": [asdict(one) for one in made]})
        return
    for one in made:
        for line in _lines(one, begun):
            say(line)


def _cluster_builder(builder: str, flags: ClusterBuildFlags) -> ImageBuilder:
    if builder:
        raise UsageError("a cluster builds with buildah", remedy="leave --builder out, or --in-cluster")
    if not flags.namespace:
        remedy = "name one with --namespace; docs/how-to/images.md describes how to create it"
        raise UsageError("a build in a cluster requires a namespace of its own", remedy=remedy)
    image = flags.builder_image or BUILDER_IMAGE
    try:
        parse_reference(image)
    except ValueError as error:
        raise UsageError(f"--builder-image: {error}", where=image, remedy=f"e.g. {BUILDER_IMAGE}") from None
    return ClusterBuilder(
        JobSettings(flags.namespace, flags.context, flags.registry_secret, image, flags.unconfined)
    )


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"--cosign: {error}", remedy="write it as in a shell") from None


def _components(plan: Plan, wanted: str | None) -> tuple[Component, ...]:
    known = {str(name): name for name in get_args(Component)}
    if wanted and wanted not in known:
        raise UsageError(f"{wanted} is not a component", remedy=f"known are: {', '.join(known)}")
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
