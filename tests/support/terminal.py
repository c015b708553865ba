"""A program on a terminal of its own (a pty): what it shows is read, and keys are typed."""

from __future__ import annotations

import os
import pty
import select
import time

from support.local_federation import flowerbed as command_line

LIMIT = 300.0  # seconds that anything may take on a busy machine


class Terminal:
    """A program that runs on a terminal of its own."""

    def __init__(self, *arguments: object, **environment: str) -> None:
        self.seen = ""
        self.code: int | None = None
        command = command_line(*arguments)
        plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self._pid, self._end = pty.fork()
        if self._pid == 0:
            os.execvpe(command[0], command, {**plain, "TERM": "xterm", "COLUMNS": "100", **environment})

    def until(self, text: str) -> None:
        """Read until `text` has been shown."""
        limit = time.monotonic() + LIMIT
        while text not in self.seen:
            assert self._read(limit), f"{text!r} never came: {self.seen[-3000:]}"

    def type(self, text: str) -> None:
        """Type on its keyboard."""
        os.write(self._end, text.encode())

    def end(self) -> str:
        """Read until it ends, keep its exit code, and return all that it has shown."""
        limit = time.monotonic() + LIMIT
        while self._read(limit):
            pass
        os.close(self._end)
        self.code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self.seen

    def _read(self, limit: float) -> bool:
        ready, _, _ = select.select([self._end], [], [], max(0.0, limit - time.monotonic()))
        assert ready, f"nothing more within {LIMIT:.0f} s: {self.seen[-3000:]}"
        try:
            piece = os.read(self._end, 65536)
        except OSError:  # so Linux says that nobody has the other end any more
            return False
        self.seen += piece.decode(errors="replace")
        return bool(piece)
