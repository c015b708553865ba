"""The lock: every package with its version and the hashes of its wheels, for every platform at once.

From a wheelhouse it is for the image's platform alone.

It lies in `images.lock/COMPONENT.txt` beside the declaration, in pip's own form, and is made by uv. Its first
line says from which inputs: equal inputs are not locked again. Only wheels are locked: nothing is
compiled, and no package's own code runs while it is installed.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flowerbed.errors import FlowerbedError, UsageError
from flowerbed.files import make_private_folder, read_file, write_atomic
from flowerbed.images.images_lock import lock_file
from flowerbed.images.inputs import Inputs, sha256
from flowerbed.images.processes import Tell, run, uv

_HEAD = re.compile("# Locked by `flowerbed build` from inputs ([0-9a-f]{64})[.] Commit it[.]\n")
_MODE = 0o644
_UNREACHABLE = re.compile(r"Failed to fetch|error sending request|Could not connect|dns error", re.IGNORECASE)
_NO_WHEEL = re.compile(
    r"no wheels|building from source is disabled|no usable wheels|source distribution", re.I
)


# The same C library as `wheels` downloads for.
_PLATFORMS = {"linux/amd64": "x86_64-manylinux_2_36", "linux/arm64": "aarch64-manylinux_2_36"}
_FREE = "free some space on the disk first; nothing was kept of it"


@dataclass(frozen=True, slots=True)
class Lock:
    """Locked packages. `digest` is the SHA-256 of `text`; `fresh`: it is not on the disk in these words."""

    text: str
    digest: str
    fresh: bool

    @property
    def requirements(self) -> list[str]:
        """Return one line a package, its hashes at the end."""
        joined = self.text.replace("\\\n", " ")
        return [" ".join(line.split()) for line in joined.splitlines() if line and not line.startswith("#")]


def lock(inputs: Inputs, declaration: Path, *, update: bool = False, tell: Tell) -> Lock:
    """Return the lock of `inputs`: the one on the disk if it is theirs, else a new one near to it.

    With `update` versions are chosen anew. Nothing is written. Raises UsageError where packages do not fit
    together, and FlowerbedError where an index cannot be read.
    """
    old = _on_disk(inputs, declaration)
    if _is_of(inputs, old) and not update:
        return Lock(old, sha256(old), fresh=False)
    tell(f"{inputs.component}: locking {len(inputs.requirements)} packages and what they need")
    text = _resolved(inputs, "" if update else old)
    text = f"# Locked by `flowerbed build` from inputs {inputs.digest}. Commit it.\n{text}"
    return Lock(text, sha256(text), fresh=text != old)


def kept_lock(inputs: Inputs, declaration: Path) -> Lock | None:
    """Return the lock on the disk if it is that of `inputs`, else None."""
    old = _on_disk(inputs, declaration)
    return Lock(old, sha256(old), fresh=False) if _is_of(inputs, old) else None


def _on_disk(inputs: Inputs, declaration: Path) -> str:
    found = read_file(lock_file(declaration, inputs.component), _MODE)
    return found.data.decode(errors="replace") if found else ""


def _is_of(inputs: Inputs, text: str) -> bool:
    head = _HEAD.match(text)
    return head is not None and head[1] == inputs.digest


def write_lock(made: Lock, declaration: Path, component: str) -> bool:
    """Write a lock to its place and return whether that changed anything. Raises FlowerbedError."""
    path = lock_file(declaration, component)
    if not path.parent.exists():
        make_private_folder(path.parent)
        path.parent.chmod(0o755)  # committed, and nothing in it is secret
    return write_atomic(path, made.text.encode(), _MODE)


def index_flags(inputs: Inputs) -> list[str]:
    """Return where packages come from, as uv and pip both take it."""
    if inputs.wheelhouse:
        return ["--no-index", "--find-links", str(inputs.wheelhouse)]
    flags = ["--index-url", inputs.image.index] if inputs.image.index else []
    return flags + [part for url in inputs.image.extra_index for part in ("--extra-index-url", url)]


def for_target(requirements: list[str], environment: Mapping[str, str]) -> list[str]:
    """Return the lines that apply to a target, without their conditions.

    `environment` has the values of PEP 508's markers there.
    """
    from packaging.requirements import Requirement

    lines = []
    for line in requirements:
        said, _, hashes = line.partition(" --hash")
        requirement = Requirement(said)
        if requirement.marker is None or requirement.marker.evaluate(dict(environment)):
            requirement.marker = None
            lines.append(f"{requirement} --hash{hashes}")
    return lines


def _resolved(inputs: Inputs, old: str) -> str:
    with tempfile.TemporaryDirectory(prefix="flowerbed-lock-") as folder:
        wanted, output = Path(folder, "wanted.in"), Path(folder, "lock.txt")
        wanted.write_text("".join(f"{one}\n" for one in inputs.requirements), encoding="utf-8")
        output.write_text(old, encoding="utf-8")
        command = [uv(), "pip", "compile", "--quiet", str(wanted), "--output-file", str(output)]
        # A wheelhouse has the wheels of one platform; an index has those of all.
        reach = (
            ["--python-platform", _PLATFORMS[inputs.image.platform]] if inputs.wheelhouse else ["--universal"]
        )
        command += [*reach, "--python-version", inputs.image.python, "--generate-hashes"]
        command += ["--no-header", "--no-annotate", "--only-binary", ":all:", "--no-python-downloads"]
        outcome = run([*command, *index_flags(inputs)])
        if outcome.code:
            raise _failure(inputs, outcome.text)
        text = output.read_text(encoding="utf-8")
    return "".join(f"{line}\n" for line in text.splitlines() if not line.startswith(("#", "--")))


def _failure(inputs: Inputs, said: str) -> FlowerbedError:
    where = f"images.{inputs.component}"
    reason = "\n    ".join(line.strip().removeprefix("error: ") for line in said.splitlines() if line.strip())
    if "No space left on device" in said:
        return FlowerbedError(f"the packages cannot be locked: {reason}", where=where, remedy=_FREE)
    if _UNREACHABLE.search(said):
        remedy = "check the address and the network, or name a `wheelhouse`"
        return FlowerbedError(f"the package index does not answer: {reason}", where=where, remedy=remedy)
    if _NO_WHEEL.search(said):
        remedy = (
            "build its wheel with `pip wheel` where a compiler is, and set that directory as `wheelhouse`"
        )
        return UsageError(f"a package has no wheel: {reason}", where=where, remedy=remedy)
    remedy = "loosen what is asked for"
    if re.search(r"\bflwr\b", said):
        remedy = f"the federation runs flwr {inputs.flower}: ask for versions that go with it"
    return UsageError(f"the packages do not fit together: {reason}", where=where, remedy=remedy)
