"""`plan.json`: the plan, and what each party's files were made from.

Each party has two parts, its identity and its texts, which are made anew as a whole. A part's entry says
from which input it was made and which files it consists of, so that the next generation passes over it
without reading more than its files' attributes. No entry holds a secret, or a secret's hash.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from flowerbed import documents
from flowerbed.declaration import grammar
from flowerbed.errors import UsageError
from flowerbed.files import PUBLIC_MODE, read_file
from flowerbed.flower.text import printable
from flowerbed.plan import Plan

MANIFEST_FILE = "plan.json"
FORMAT = 1
_PARTY = re.compile(rf"ca|coordinator|(?:tenants|users)/{grammar.DNS_LABEL}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class ManifestObject(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """Base of the manifest's objects: what has its default is left out."""


class FileEntry(ManifestObject, frozen=True):
    """One file: its `size` in bytes and, unless it is secret, the SHA-256 of its bytes in hexadecimal."""

    size: int
    sha256: str = ""


class CertificateEntry(ManifestObject, frozen=True):
    """A certificate: the SHA-256 of its DER form in hexadecimal, begin and end of its life (ISO 8601, UTC).

    `not_before` is "" in manifests of older versions.
    """

    sha256: str
    not_after: str
    not_before: str = ""


class PartEntry(ManifestObject, frozen=True):
    """What a part was made from (`input`, SHA-256 in hexadecimal), its files, and the facts in it.

    File names count from the bundle folder. `public_keys` are PEM texts by node name.
    """

    input: str
    files: dict[str, FileEntry] = {}
    public_keys: dict[str, str] = {}
    certificate: CertificateEntry | None = None


NO_PART = PartEntry(input="")


class PartyEntry(ManifestObject, frozen=True):
    """A party's two parts. `left` says that it is declared no longer and that its files were left."""

    identity: PartEntry = NO_PART
    texts: PartEntry = NO_PART
    left: bool = False

    @property
    def content(self) -> tuple[object, ...]:
        """Return what the party holds, whatever it was made from."""
        return self.files, self.identity.public_keys, self.identity.certificate

    @property
    def files(self) -> dict[str, FileEntry]:
        """Return all its files."""
        return self.identity.files | self.texts.files


NO_PARTY = PartyEntry()


class BundleManifest(ManifestObject, frozen=True):
    """The last generation: its parties by folder (`tenants/north`), and its time stamp in nanoseconds."""

    parties: dict[str, PartyEntry] = {}
    stamp: int = 0


class _Head(msgspec.Struct, frozen=True):
    name: str


class _Document(ManifestObject, frozen=True):
    format: int
    plan: _Head
    parties: dict[str, PartyEntry]


def read_manifest(plan: Plan, folder: Path) -> BundleManifest:
    """Return what the last generation wrote into `folder`; an empty manifest where that cannot be read.

    With an empty manifest every file is looked at, so a damaged one costs time and nothing else.
    Raises UsageError when the folder holds the bundles of another federation, or names files outside of a
    party's own folder, which others must have written: pruning removes what is named.
    """
    path = folder / MANIFEST_FILE
    file = read_file(path, PUBLIC_MODE)
    if file is None:
        return BundleManifest()
    try:
        document = documents.decode(file.data, _Document)
    except ValueError:
        return BundleManifest()
    if document.plan.name != plan.name:
        raise UsageError(
            f"this directory contains the bundles of {document.plan.name!r}, not of {plan.name!r}",
            where=str(folder),
            remedy="give another directory",
        )
    if document.format != FORMAT:
        return BundleManifest()
    _check_names(document.parties, path)
    return BundleManifest(parties=document.parties, stamp=path.stat().st_mtime_ns)


def is_party(folder: str) -> bool:
    """Return whether a folder can be a party's (`users/ann`): others are not Flowerbed's."""
    return bool(_PARTY.fullmatch(folder))


def _check_names(parties: dict[str, PartyEntry], path: Path) -> None:
    for name, party in parties.items():
        wrong = [file for file in party.files if not _is_inside(file, name)]
        if wrong or not is_party(name):
            raise UsageError(
                f"{printable(wrong[0] if wrong else name)!r} is not a file of a party's own directory",
                where=str(path),
                remedy="Flowerbed did not write this. Remove plan.json, then generate again",
            )


def _is_inside(file: str, party: str) -> bool:
    """Return whether a file lies directly in a party's folder, under a plain name."""
    folder, _, name = file.rpartition("/")
    return folder == party and _FILE.fullmatch(name) is not None


def manifest_text(plan: Plan, parties: dict[str, PartyEntry]) -> bytes:
    """Return the text of a manifest: equal plans and parties give equal bytes."""
    document = {"format": FORMAT, "plan": plan, "parties": parties}
    return documents.encode(document, indent=1)
