"""What can go wrong on the way to a SuperLink and with an app.

SubmitError        an expected failure: what happened, and what to do about it
├── Invalid        the command line, the connection or the app is wrong
├── Unreachable    nobody answers, or TLS failed
└── Refused        an answer came, and it was no
"""

from __future__ import annotations

from pathlib import Path


class SubmitError(Exception):
    """An expected failure: `what` happened, and the `remedy`; `exit_code` is the program's."""

    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}\n  {remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy


class Invalid(SubmitError):  # noqa: N818
    """The command line, the connection or the app is wrong."""

    exit_code = 2


class Unreachable(SubmitError):  # noqa: N818
    """Nobody answers at the address, TLS failed, or a gateway answers for an absent SuperLink.

    `lost`: the connection broke after it stood, so that a call may have had its effect all the same.
    """

    exit_code = 3

    def __init__(self, what: str, remedy: str = "", *, lost: bool = False) -> None:
        super().__init__(what, remedy)
        self.lost = lost


class Refused(SubmitError):  # noqa: N818
    """The SuperLink or its gateway said no: HTTP `status`, Flower's error `code` (0: none), `detail`."""

    def __init__(
        self, status: int, code: int, detail: str, *, address: str, certificate: Path | None = None
    ) -> None:
        said = f"{detail} (HTTP {status}{f', code {code}' if code else ''})"
        denied = f"you came with the client certificate {certificate}"
        super().__init__(
            f"{address} refused the call: {said}", denied if status in {401, 403} and certificate else ""
        )
        self.status = status
        self.code = code
        self.detail = detail
        # With these Flower speaks of what was asked for: an unknown federation, a run that does not exist.
        self.exit_code = 2 if code and status in {404, 412} else 3
