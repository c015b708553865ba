"""The programs that build images: buildah, podman, or docker with buildx; whichever is there.

They read registries' credentials and certificates where they always do (`login`, `/etc/containers/certs.d`,
`SSL_CERT_FILE`); none passes through here.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flowerbed.errors import FlowerbedError, UsageError
from flowerbed.images.processes import CompletedProcess, Tell, run
from flowerbed.images.reference import parse_reference

BUILDERS = ("buildah", "podman", "docker")
COMPONENT_LABEL = "dev.flowerbed.component"
_DIGEST = re.compile("sha256:[0-9a-f]{64}")
_STEP = re.compile(r"^(?:STEP \d+/\d+: |#\d+ \[[^]]*\d+/\d+\] )(.*)")
_SHOWN_LINES = 12
_FULL = "no space left on device"


@dataclass(frozen=True, slots=True)
class Secret:
    """A build secret by its id: an environment variable, or where `env` is "" a file."""

    id: str
    env: str
    file: Path

    @property
    def flag(self) -> str:
        """Return what a builder's `--secret` takes; the secret itself is not in it."""
        return f"id={self.id},{f'env={self.env}' if self.env else f'src={self.file}'}"


@dataclass(frozen=True, slots=True)
class Download:
    """The arguments by which a pip elsewhere gets the wheels, but for their list and folder.

    `explain` returns the error for what that pip said.
    """

    arguments: tuple[str, ...]
    explain: Callable[[str], FlowerbedError]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One build: the folder with `Containerfile` and wheels, the image's name, flags, and where it logs.

    A builder that is not on this machine finds the wheels' list in the folder, and gets them by `download`
    with the Python of `base`.
    """

    context: Path
    image: str
    platform: str
    labels: dict[str, str]
    secrets: tuple[Secret, ...]
    log: Path
    base: str
    download: Download


class ImageBuilder(Protocol):
    """What builds images, here or elsewhere. The methods raise as those of Builder do."""

    @property
    def program(self) -> str:
        """Return what it is called in messages."""

    @property
    def needs_wheels(self) -> bool:
        """Return whether wheels are downloaded to this machine for it."""

    def has(self, image: str) -> bool:
        """Return whether it keeps an image."""

    def pinned(self, base: str, platform: str, tell: Tell) -> str:
        """Return a base image by digest."""

    def build(self, recipe: Recipe, tell: Tell) -> None:
        """Build an image."""

    def push(self, image: str, log: Path) -> str:
        """Push an image and return its digest."""


@dataclass(frozen=True, slots=True)
class Builder:
    """One of BUILDERS, by its program."""

    program: str

    @property
    def needs_wheels(self) -> bool:
        """Return True: it builds from this machine's folders."""
        return True

    def has(self, image: str) -> bool:
        """Return whether an image is kept on this machine."""
        kind = ("inspect", "--type", "image") if self.program == "buildah" else ("image", "inspect")
        return run([self.program, *kind, image]).code == 0

    def pinned(self, base: str, platform: str, tell: Tell) -> str:
        """Return a base image by digest, pulled; one that only this machine has stays as it is called.

        Raises FlowerbedError when it cannot be had.
        """
        name = parse_reference(base)
        if name.digest or name.registry == "localhost":
            if name.registry == "localhost" and not self.has(base):
                raise UsageError(f"the base image {base} is not on this machine", remedy=_BASE)
            return base
        tell(f"pulling the base image {base}")
        flags = ["--quiet"] if self.program != "docker" else []
        outcome = run([self.program, "pull", *flags, "--platform", platform, base])
        if outcome.code:
            raise base_failure(base, outcome)
        shown = self._digest_of(base)
        return f"{name.name}@{shown}" if shown else base

    def build(self, recipe: Recipe, tell: Tell) -> None:
        """Build an image. Raises FlowerbedError with the instruction that failed and its last lines."""
        head = (
            ("buildx", "build", "--load") if self.program == "docker" else ("build", "--layers", "--force-rm")
        )
        # Every file and the image itself get one date, so that equal steps give equal layers.
        dates = ("--build-arg", "SOURCE_DATE_EPOCH=0") if self.program == "docker" else ("--timestamp", "0")
        labels = [part for key, value in recipe.labels.items() for part in ("--label", f"{key}={value}")]
        secrets = [part for secret in recipe.secrets for part in ("--secret", secret.flag)]
        command = [self.program, *head, *dates, "--platform", recipe.platform, *labels, *secrets]
        command += [
            "--file",
            str(recipe.context / "Containerfile"),
            "--tag",
            recipe.image,
            str(recipe.context),
        ]
        steps: list[str] = []

        def follow(line: str) -> None:
            if step := step_of(line):
                steps.append(step)
                tell(f"  {short(step)}")

        try:
            outcome = run(command, log=recipe.log, tell=follow)
        except BaseException:
            self.tidy(recipe)
            raise
        if outcome.code:
            self.tidy(recipe)
            raise build_failure(recipe, steps, outcome)

    def push(self, image: str, log: Path) -> str:
        """Push an image to the registry in its name and return its digest there. Raises FlowerbedError."""
        with tempfile.TemporaryDirectory(prefix="flowerbed-push-") as folder:
            file = Path(folder, "digest")
            extra = ["--digestfile", str(file)] if self.program != "docker" else []
            outcome = run([self.program, "push", *extra, image], log=log)
            if outcome.code:
                raise push_failure(image, log, outcome)
            said = file.read_text(encoding="ascii") if extra else outcome.text
        if not (found := _DIGEST.search(said)):
            raise FlowerbedError(f"{self.program} did not say which digest it pushed", where=image)
        return found[0]

    def tidy(self, recipe: Recipe) -> None:
        """Remove what a build that did not end well left behind: images without a name."""
        component = recipe.labels[COMPONENT_LABEL]
        filters = ["--filter", "dangling=true", "--filter", f"label={COMPONENT_LABEL}={component}"]
        # Taking one away uncovers the one below it.
        for _ in range(100):
            outcome = run([self.program, "images", *filters, "--quiet", "--no-trunc"])
            found = [line.strip() for line in outcome.lines if _DIGEST.match(line.strip())]
            if outcome.code or not found or run([self.program, "rmi", *found]).code:
                return

    def _digest_of(self, base: str) -> str:
        if self.program == "buildah":
            command = ["inspect", "--type", "image", "--format", "{{.FromImageDigest}}", base]
        else:
            command = ["image", "inspect", "--format", '{{join .RepoDigests " "}}', base]
        found = _DIGEST.search(run([self.program, *command]).text)
        return found[0] if found else ""


def find_builder(wanted: str = "") -> Builder:
    """Return the builder that is asked for, or the first that is here. Raises UsageError."""
    if wanted and wanted not in BUILDERS:
        raise UsageError(f"{wanted} is not a builder", remedy=f"known are: {', '.join(BUILDERS)}")
    for name in (wanted,) if wanted else BUILDERS:
        if _works(name):
            return Builder(name)
    what = f"{wanted} is not here" if wanted else "no builder is here that works"
    raise UsageError(what, remedy="install buildah or podman, or start docker with buildx")


def _works(name: str) -> bool:
    """Tell whether a builder is installed and answers; docker's client is often here without its engine."""
    questions = (("info",), ("buildx", "inspect")) if name == "docker" else (("--version",),)
    return bool(shutil.which(name)) and all(run([name, *words]).code == 0 for words in questions)


_BASE = "correct `base` in `images`; a private registry needs a login first"


def step_of(line: str) -> str:
    """Return the instruction that a builder's line says it begins, "" if it says none."""
    found = _STEP.match(line)
    return found[1] if found else ""


def base_failure(base: str, outcome: CompletedProcess) -> FlowerbedError:
    """Return the error for a base image that cannot be had."""
    remedy = _full_or(outcome, _BASE)
    return FlowerbedError(
        f"the base image cannot be pulled: {_reason(outcome.lines)}", where=base, remedy=remedy
    )


def build_failure(recipe: Recipe, steps: Sequence[str], outcome: CompletedProcess) -> FlowerbedError:
    """Return the error for the last of `steps`, with the last lines that were said."""
    step = steps[-1] if steps else "reading the Containerfile"
    shown = "\n    ".join(line for line in outcome.lines[-_SHOWN_LINES:] if line)
    remedy = _full_or(outcome, f"the whole log is in {recipe.log}")
    return FlowerbedError(
        f"this instruction failed: {short(step)}\n    {shown}", where=recipe.image, remedy=remedy
    )


def push_failure(image: str, log: Path, outcome: CompletedProcess) -> FlowerbedError:
    """Return the error for an image that is built and kept, but not in its registry."""
    remedy = f"the image is built and kept: push again when that is corrected; log in {log}"
    if re.search("unauthorized|authentication required|denied", outcome.text, re.IGNORECASE):
        registry = parse_reference(image).registry
        remedy = f"log in first, e.g. `buildah login {registry}`; the image is built and kept"
    return FlowerbedError(f"the push failed: {_reason(outcome.lines)}", where=image, remedy=remedy)


def _full_or(outcome: CompletedProcess, remedy: str) -> str:
    return "free some space on the disk first" if _FULL in outcome.text.lower() else remedy


def _reason(lines: Sequence[str]) -> str:
    said = [line for line in lines if line.strip()]
    return said[-1].removeprefix("Error: ").strip() if said else "it said nothing"


def short(text: str) -> str:
    """Return a text as one line of at most 120 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 120 else f"{line[:117]}..."
