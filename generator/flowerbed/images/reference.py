"""Image references, read by the grammar of the distribution project (`distribution/reference`, v0.6).

    reference := [domain "/"] path [":" tag] ["@" digest]

Docker's short names are filled in as Docker does: `flwr/base` is `docker.io/flwr/base`, `haproxy` is
`docker.io/library/haproxy`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?"
_PATH = rf"{_PART}(?:/{_PART})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_PATH})(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
_SHA256 = re.compile("sha256:[0-9a-f]{64}")
_IMAGE_ID = re.compile("[0-9a-f]{64}")
_PATH_LIMIT = 255
DOCKER_HUB = "docker.io"


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's name: `registry` with its port, `repository`, the path there, `tag` and `digest` or ""."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Return registry and repository."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{f'@{self.digest}' if self.digest else ''}"


def parse_reference(text: str) -> Reference:
    """Return a reference, short names filled in. Raises ValueError with the reason if it is none."""
    found = _REFERENCE.fullmatch(text)
    if found is None or _IMAGE_ID.fullmatch(text):
        raise ValueError(_why_not(text))
    domain, path = found["domain"] or "", found["path"]
    # A first part without a dot, a port or a capital is no host but a folder of Docker Hub's.
    if domain and domain != "localhost" and not re.search(r"[.:A-Z]", domain):
        domain, path = "", f"{domain}/{path}"
    registry = domain or DOCKER_HUB
    if registry == "index.docker.io":
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    if len(path) > _PATH_LIMIT:
        raise ValueError(f"the repository has more than {_PATH_LIMIT} characters")
    digest = found["digest"] or ""
    if digest.startswith("sha256:") and not _SHA256.fullmatch(digest):
        raise ValueError("a sha256 digest has 64 digits from 0-9 and a-f")
    return Reference(registry, path, found["tag"] or "", digest)


def _why_not(text: str) -> str:
    if "://" in text:
        return "it has no scheme: leave https:// out"
    if text != text.lower() and _REFERENCE.fullmatch(text.lower()):
        return "a repository is written in lower case"
    if _IMAGE_ID.fullmatch(text):
        return "64 digits are an image's id, not its name"
    return "it is not of the form [HOST[:PORT]/]PATH[:TAG][@DIGEST]"
