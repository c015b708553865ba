"""Images: references, packages, indexes and instructions that can become an image."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import UNSET

from flowerbed import names
from flowerbed.declaration import grammar
from flowerbed.declaration.image_model import BuildSecret, Image
from flowerbed.declaration.model import Declaration
from flowerbed.declaration.violations import KeyPath, Violation, show
from flowerbed.images.reference import parse_reference

_ENV_NAME = re.compile(grammar.ENV_NAME)
_DNS_NAME = re.compile(grammar.DNS_NAME)
_SECRET_ID = re.compile("[A-Za-z0-9_.-]{1,64}")
_PYTHON = re.compile(r"3\.1[1-4]")
_URL = re.compile(r"https?://(?P<user>[^/@\s]*@)?[^/@\s]+(?:/\S*)?")
_WORDS = ("RUN", "ENV", "ARG", "LABEL", "WORKDIR", "USER", "SHELL", "COPY")
# A line that does not end in a backslash ends its instruction.
_OPEN_END = re.compile(r"(?<!\\)\n(?!$)")


def declared(declaration: Declaration) -> Iterator[tuple[KeyPath, Image]]:
    """Yield every image that is spoken of, with its key path."""
    for name in ("all", "superlink", "supernode", "superexec"):
        image = getattr(declaration.images, name)
        if image is not UNSET:
            yield ("images", name), image


def references(declaration: Declaration) -> Iterator[Violation]:
    """Base and repository are names of images; a repository has no tag of its own."""
    for path, image in declared(declaration):
        for key in ("base", "repository"):
            text = getattr(image, key)
            if not text:
                continue
            try:
                reference = parse_reference(text)
            except ValueError as error:
                remedy = "write one such as registry.example.org/team/flower"
                yield Violation((*path, key), f"{show(text)} is not an image reference: {error}", remedy)
                continue
            if key == "repository" and (reference.tag or reference.digest):
                message = "the tag is the hash of what is built, and Flowerbed's to choose"
                yield Violation((*path, key), message, f"write {reference.name}")
        if image.pull_secret and not _DNS_NAME.fullmatch(image.pull_secret):
            message = f"{show(image.pull_secret)} is not a Secret name"
            yield Violation((*path, "pull-secret"), message, "use small letters, digits, - and .")
        if image.python and not _PYTHON.fullmatch(image.python):
            yield Violation(
                (*path, "python"),
                f"{show(image.python)} is not a Python version that flwr supports",
                'write one such as "3.13"',
            )


def dependencies(declaration: Declaration) -> Iterator[Violation]:
    """Dependencies can be locked: names with versions, and no other flwr than the federation's."""
    release = names.FLOWER_RELEASES.get(declaration.flower, "")
    for path, image in declared(declaration):
        for index, text in enumerate(image.dependencies):
            if problem := _dependency(text, release):
                yield Violation((*path, "dependencies", index), *problem)


def _dependency(text: str, release: str) -> tuple[str, str] | None:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return f"{show(text)} is not a requirement", "write one such as scikit-learn>=1.5,<2"
    if requirement.url:
        return (
            "an address has no version to lock",
            "put its wheel into a directory and set that as `wheelhouse`",
        )
    if canonicalize_name(requirement.name) == "flwr" and release and release not in requirement.specifier:
        return f"the federation runs flwr {release}, which this leaves out", "remove it: every image has flwr"
    return None


def indexes(declaration: Declaration) -> Iterator[Violation]:
    """Indexes are addresses without credentials, and a wheelhouse stands alone."""
    for path, image in declared(declaration):
        urls = [((*path, "index"), image.index)] if image.index else []
        urls += [((*path, "extra-index", number), extra) for number, extra in enumerate(image.extra_index)]
        for where, url in urls:
            match = _URL.fullmatch(url)
            if not match:
                yield Violation(where, "this is not an http or https address", "write https://HOST/simple")
            elif match["user"]:
                yield Violation(
                    where, "credentials do not belong here", "put them into ~/.netrc and leave them out"
                )
            elif image.wheelhouse:
                yield Violation(
                    where, "a wheelhouse replaces every index", "remove one of them", on_key=False
                )


def building(declaration: Declaration) -> Iterator[Violation]:
    """Instructions are ones that leave the image what it is; arguments and secrets have names."""
    for path, image in declared(declaration):
        for word in ("before", "after"):
            for index, text in enumerate(getattr(image.instructions, word)):
                if problem := _instruction(text):
                    yield Violation((*path, "instructions", word, index), *problem)
        for name, value in image.build_args.items():
            if not _ENV_NAME.fullmatch(name):
                message = f"{show(name)}: no name for a build argument"
                yield Violation(
                    (*path, "build-args", name), message, "use letters, digits and _", on_key=True
                )
            elif not value.isprintable():
                yield Violation(
                    (*path, "build-args", name), "a build argument is one line of text", "shorten it"
                )
        for index, secret in enumerate(image.build_secrets):
            if problem := _secret(secret):
                yield Violation((*path, "build-secrets", index), *problem)


def _instruction(text: str) -> tuple[str, str] | None:
    word, _, rest = text.strip().partition(" ")
    if word.upper() not in _WORDS or not rest.strip():
        first = show(word)
        return f"{first} is not an allowed instruction", f"known are: {', '.join(_WORDS)}"
    if word.upper() == "COPY" and not rest.strip().startswith("--from="):
        return "there is no directory to copy from", "write COPY --from=IMAGE, or download it in a RUN"
    if _OPEN_END.search(text) or text.rstrip().endswith("\\"):
        return (
            "this is more than one instruction",
            "make each an entry of its own, or end its lines with a backslash",
        )
    if not text.replace("\n", "").replace("\t", "").isprintable():
        return "an instruction is printable text", "write it anew"
    return None


def _secret(secret: BuildSecret) -> tuple[str, str] | None:
    if not _SECRET_ID.fullmatch(secret.id):
        return f"{show(secret.id)} is not a secret id", "use letters, digits, _, . and -"
    if bool(secret.env) == bool(secret.file):
        return "a secret comes from a variable or from a file", "write one of `env` and `file`"
    if secret.env and not _ENV_NAME.fullmatch(secret.env):
        return f"{show(secret.env)} is not a variable name", "use letters, digits and _"
    return None


RULES = (references, dependencies, indexes, building)
