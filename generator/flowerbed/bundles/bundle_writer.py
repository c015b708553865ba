"""Writes bundles: makes anew what is out of date, passes over the rest, and counts what changed.

A part is passed over when it would be made from the same input as last time and nobody touched its files
since the manifest was written: their attributes are looked at, nothing is read. Everything else is made anew,
which leaves files alone whose bytes stay equal.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec

from flowerbed.bundles.manifest import (
    NO_PARTY,
    BundleManifest,
    CertificateEntry,
    FileEntry,
    PartEntry,
    PartyEntry,
)
from flowerbed.bundles.report import Trouble
from flowerbed.errors import FlowerbedError, IdentityError, UnreadableError
from flowerbed.files import make_private_folder, write_atomic
from flowerbed.identities import validity

# What `write_atomic` leaves behind when it is killed.
_STRAY = re.compile(r"\..+\.[0-9a-f]{12}")

Facts = tuple[dict[str, str], CertificateEntry | None]
"""What an identity says to others: public keys by node name, and its certificate."""


class BundleWriter:
    """A bundle folder, the manifest of the last generation, and what this one has written so far.

    `created`, `updated`, `unchanged` and `removed` are names of files, from the bundle folder; `troubles` are
    parties whose identity cannot be used.
    """

    def __init__(self, folder: Path, manifest: BundleManifest) -> None:
        self.folder = folder
        self.created: list[str] = []
        self.updated: list[str] = []
        self.unchanged: list[str] = []
        self.removed: list[str] = []
        self.troubles: list[Trouble] = []
        self._manifest = manifest
        self._identities: dict[str, PartEntry] = {}
        self._texts: dict[str, PartEntry] = {}

    @property
    def parties(self) -> dict[str, PartyEntry]:
        """Return the new entry of every party that this generation made."""
        names = dict.fromkeys([*self._identities, *self._texts])
        nothing, failed = NO_PARTY.texts, {trouble.party for trouble in self.troubles}
        return {
            name: PartyEntry(
                identity=self._identities.get(name, nothing),
                texts=self._texts.get(name, nothing),
                left=name in failed and self.last(name).left,
            )
            for name in names
        }

    @property
    def changed(self) -> bool:
        """Return whether a file was written or removed."""
        return bool(self.created or self.updated or self.removed)

    def last(self, party: str) -> PartyEntry:
        """Return what the last generation recorded of a party."""
        return self._manifest.parties.get(party, NO_PARTY)

    def knows(self, party: str) -> bool:
        """Return whether a party has a folder, or a part in the last manifest."""
        return party in self._manifest.parties or (self.folder / party).exists()

    def recorded(self, prefix: str) -> list[tuple[str, PartEntry]]:
        """Return the identities that the last generation recorded of parties whose names begin so."""
        parties = self._manifest.parties
        return [(name, party.identity) for name, party in parties.items() if name.startswith(prefix)]

    def folders(self, kind: str) -> list[str]:
        """Return the parties of a kind (`tenants`) that have a folder, declared or not."""
        try:
            entries = sorted(os.scandir(self.folder / kind), key=lambda entry: entry.name)
        except FileNotFoundError:
            return []
        return [f"{kind}/{entry.name}" for entry in entries if entry.is_dir(follow_symlinks=False)]

    def identity(
        self,
        party: str,
        digest: str,
        files: Mapping[str, bool],
        make: Callable[[], Facts],
        *,
        notice: timedelta = timedelta(),
    ) -> PartEntry:
        """Return a party's identity; `make` is called when it is out of date, and `notice` before its end.

        `files` are all files that `make` may write or remove, by name in the party's folder, and whether each
        is secret. Where `make` fails, the party has a trouble, and its identity is what was recorded last.
        """
        self.tidy(party)
        last = self.last(party)
        # Who was declared no longer, and is again, starts anew: its keys may have been unregistered.
        secrets = {f"{party}/{name}": secret for name, secret in files.items()}
        appeared = any(name not in last.identity.files and self._signature(name) for name in secrets)
        if not (last.left or appeared) and self._is_current(last.identity, digest, notice):
            part = last.identity
            self.unchanged.extend(part.files)
        else:
            part = self._made_anew(party, digest, secrets, make)
        self._identities[party] = part
        return part

    def _made_anew(
        self, party: str, digest: str, secrets: Mapping[str, bool], make: Callable[[], Facts]
    ) -> PartEntry:
        before = {name: self._signature(name) for name in secrets}
        try:
            public_keys, certificate = make()
        except (IdentityError, UnreadableError) as error:
            self.trouble(party, error)
            # Without an input, so that the next generation looks again.
            return msgspec.structs.replace(self.last(party).identity, input="")
        present = [name for name, signature in before.items() if self._count(name, signature)]
        records = {name: self._describe(name, secret=secrets[name]) for name in present}
        return PartEntry(input=digest, files=records, public_keys=public_keys, certificate=certificate)

    def trouble(self, party: str, error: FlowerbedError) -> None:
        """Note that a party's identity cannot be used."""
        trouble = Trouble(party, error.what, error.where, error.remedy)
        if trouble not in self.troubles:
            self.troubles.append(trouble)

    def texts(self, party: str, digest: str, make: Callable[[], Mapping[str, str]]) -> None:
        """Write a party's texts, which `make` gives by file name, when they are out of date."""
        old = self.last(party).texts
        if self._is_current(old, digest, timedelta()):
            self._texts[party] = old
            self.unchanged.extend(old.files)
            return
        rendered = {f"{party}/{name}": text.encode() for name, text in make().items()}
        make_private_folder(self.folder / party)
        for name, data in rendered.items():
            self.write(name, data)
        for name in sorted(set(old.files) - set(rendered)):
            self.remove(name)
        self._texts[party] = PartEntry(
            input=digest, files={name: _entry(data) for name, data in rendered.items()}
        )

    @contextmanager
    def watched(self, *names: str) -> Iterator[None]:
        """Count files that others write meanwhile."""
        before = {name: self._signature(name) for name in names}
        yield
        for name, signature in before.items():
            self._count(name, signature)

    def write(self, name: str, data: bytes) -> None:
        """Write one file, unless it holds these bytes already."""
        before = self._signature(name)
        write_atomic(self.folder / name, data)
        self._count(name, before)

    def remove(self, name: str) -> bool:
        """Remove a file and return whether it was there."""
        try:
            (self.folder / name).unlink()
        except FileNotFoundError:
            return False
        self.removed.append(name)
        return True

    def tidy(self, party: str) -> None:
        """Make a party's folder private, and remove what an interrupted generation left half-written."""
        try:
            status = os.lstat(f"{self.folder}/{party}")
        except FileNotFoundError:
            return
        if status.st_mode & 0o077:
            make_private_folder(self.folder / party)
        if status.st_mtime_ns >= self._manifest.stamp:
            for file in (self.folder / party).iterdir():
                if _STRAY.fullmatch(file.name):
                    file.unlink()

    def _is_current(self, old: PartEntry, digest: str, notice: timedelta) -> bool:
        if old.input != digest or (old.certificate and _is_due(old.certificate, notice)):
            return False
        return all(self._is_untouched(name, file.size) for name, file in old.files.items())

    def _is_untouched(self, name: str, size: int) -> bool:
        # ctime: the last change of any kind. Unlike the time of the last write, nobody can set it back.
        try:
            status = os.lstat(f"{self.folder}/{name}")
        except OSError:
            return False
        return (
            status.st_ctime_ns < self._manifest.stamp
            and status.st_size == size
            and stat.S_ISREG(status.st_mode)
        )

    def _signature(self, name: str) -> tuple[int, int, int] | None:
        try:
            status = os.lstat(f"{self.folder}/{name}")
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _count(self, name: str, before: tuple[int, int, int] | None) -> bool:
        """Sort a file's name into what happened to it, and return whether the file is there."""
        after = self._signature(name)
        if after == before:
            kind = self.unchanged
        elif before is None:
            kind = self.created
        else:
            kind = self.removed if after is None else self.updated
        if before or after:
            kind.append(name)
        return after is not None

    def _describe(self, name: str, *, secret: bool) -> FileEntry:
        path = self.folder / name
        return FileEntry(size=path.stat().st_size) if secret else _entry(path.read_bytes())


def _is_due(certificate: CertificateEntry, notice: timedelta) -> bool:
    """Return whether a certificate is to be looked at: a manifest of an older version lacks its beginning."""
    return not certificate.not_before or certificate.not_after < (validity.now() + notice).isoformat()


def _entry(data: bytes) -> FileEntry:
    return FileEntry(size=len(data), sha256=hashlib.sha256(data).hexdigest())
