"""Exceptions of apps, in words: of a ClientApp from its reply, of a ServerApp from the log of its run.

As the reason of a failed run Flower has the text of the exception alone (flwr 1.41:
superlink/runtime/run_serverapp.py), which for many says nothing: of a missing key it is the key, of a failed
assertion it is empty. The traceback in the log has the type, and the line of the app.
"""

from __future__ import annotations

import re
from collections import deque

SERVER_RAISED, CLIENT_RAISED = "ServerApp raised an exception", "ClientApp raised an exception"  # in a log
LOADING = "LoadClientAppError"  # Flower's, around the exception of a module that cannot be imported
RAISED = "ServerApp failed with exception: "
LONGEST = 500  # characters of an exception's text; the log has all of it
# What Flower says of a ServerApp that it heard no more of, and what that means (flwr 1.41).
MEANINGS = {
    "No heartbeat received from the task": "the process of the ServerApp ended without an outcome "
    "(it exited, was killed or ran out of memory), or could not reach the SuperLink",
    "Task failed with unknown error.": "the process of the ServerApp was ended by a signal, such as SIGTERM",
}
# How Flower writes the exception of a ClientApp (flwr 1.41: supernode/runtime/run_clientapp.py).
_REPLY = re.compile(r"<class '([^']+)'>:<'(.*)")
_LAST = re.compile(r"(?:  \| )?([A-Za-z_][\w.<>]*)(?:: (.*))?$")  # of a traceback; behind bars: of a group
_FRAME = re.compile(r'(?:  \| )? {2,4}File "[^"]*/apps/[^/"]+\.[0-9a-f]{8}/([^"]+)", line (\d{1,9})')


def in_words(reason: str) -> str:
    """Return a node's error in words: `ValueError: no data`, or the first line of what Flower says."""
    found = _REPLY.match(reason)
    if not found:
        return shortened(reason.removeprefix("Error: ").rstrip("."))
    words = found[2].removesuffix("'>")
    return f"{found[1]}: {shortened(words)}" if words else found[1]


def shortened(text: str) -> str:
    """Return text of at most LONGEST characters."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


class Raised:
    """Reads the last traceback of an app, line by line, out of a log. `heading` is the line above it."""

    def __init__(self, heading: str = SERVER_RAISED) -> None:
        self._heading, self._open = heading, False
        self._lines: deque[tuple[str, str]] = deque(maxlen=1000)  # type and text of what may be an exception
        self._place = ""

    def read(self, line: str) -> None:
        """Take one line, without colors and level."""
        if line == self._heading:
            self._open, self._place = True, ""
            self._lines.clear()
        elif line.startswith("Exit Code: "):
            self.end()
        elif self._open and (frame := _FRAME.match(line)):
            self._place = f"{frame[1]}, line {frame[2]}"
        elif self._open and (last := _LAST.match(line)):
            self._lines.append((last[1], shortened(last[2] or "")))

    def end(self) -> None:
        """Take no more lines as those of the traceback."""
        self._open = False

    def last(self) -> str:
        """Return the exception of the last traceback with its place in the app, "" where there is none."""
        own = [one for one in self._lines if not one[0].endswith(LOADING)]
        if not own:
            return ""
        kind, text = own[-1]
        return f"{kind}{f': {text}' * bool(text)}{f' ({self._place})' * bool(self._place)}"

    def explained(self, details: str) -> str:
        """Return the SuperLink's reason for a failed run with what the log and Flower's code add to it."""
        if details in MEANINGS:
            return f"{details.removesuffix('.')}: {MEANINGS[details]}"
        if not details.startswith(RAISED):
            return shortened(details)
        text = details.removeprefix(RAISED)
        first = shortened(text.partition("\n")[0])
        kind = next((kind for kind, said in reversed(self._lines) if _same(said, first)), "")
        if not kind:
            return RAISED + shortened(text)
        words = f"{kind}: {shortened(text)}" if text else kind
        return f"{RAISED}{words}{f' ({self._place})' * bool(self._place)}"


def _same(said: str, text: str) -> bool:
    """Return whether a line of a traceback ends with an exception's text.

    Of a SyntaxError the traceback has the file and line before, the text behind.
    """
    return text.startswith(said) if said else not text
