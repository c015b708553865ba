"""Every error that is raised on purpose: what happened, where, and what to do about it.

    FlowerbedError                 `exit_code` 1 unless said otherwise
    ├── UsageError            (2)  a command, a connection or an app is wrong
    ├── UnreachableError      (3)  nobody answers at the address, or TLS failed
    └── RefusedError          (3)  an answer came, and it was no
        ├── NotAllowedError   (3)  to this user or at this time
        └── NotFoundError     (2)  what was asked for is not there, which is a UsageError, too

Those of the rest of Flowerbed are in `flowerbed.errors`.
"""

from __future__ import annotations

from pathlib import Path


class FlowerbedError(Exception):
    """An expected failure, in three parts: what happened, where, and what to do about it.

    `str(error)` joins them to one sentence per line: `where: what` and, below it, the remedy.
    """

    exit_code = 1

    def __init__(self, what: str, remedy: str = "", *, where: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        first = f"{self.where}: {self.what}" if self.where else self.what
        return f"{first}\n  {self.remedy}" if self.remedy else first


class UsageError(FlowerbedError):
    """A command line, a connection or a Flower app is wrong."""

    exit_code = 2


class UnreachableError(FlowerbedError):
    """Nobody answers at the address, TLS failed, or a gateway answers for an absent SuperLink.

    `lost`: the connection broke after it stood, so that a call may have had its effect all the same.
    """

    exit_code = 3

    def __init__(self, what: str, remedy: str = "", *, where: str = "", lost: bool = False) -> None:
        super().__init__(what, remedy, where=where)
        self.lost = lost


class RefusedError(FlowerbedError):
    """The SuperLink, its gateway or a cluster said no: HTTP `status`, Flower's error `code`, `detail`.

    0 and "" stand for what the answer does not have.
    """

    exit_code = 3
    status = 0
    code = 0
    detail = ""


class NotAllowedError(RefusedError):
    """The user or this machine may not do that, or not now."""


class NotFoundError(RefusedError, UsageError):
    """What was asked for is not there: a federation, a run."""

    exit_code = 2


def refusal(
    status: int, code: int, detail: str, *, address: str, certificate: Path | None = None
) -> RefusedError:
    """Return the error for the answer of a SuperLink or its gateway; `code` 0: it has none of Flower's."""
    # With these Flower speaks of what was asked for: an unknown federation, a run that does not exist.
    kind = NotFoundError if code and status in {404, 412} else NotAllowedError
    said = f"{detail} (HTTP {status}{f', code {code}' if code else ''})"
    remedy = f"you came with the client certificate {certificate}" if certificate else ""
    error = kind(f"{address} refused the call: {said}", remedy if status in {401, 403} else "")
    error.status, error.code, error.detail = status, code, detail
    return error
