"""What is tried and what was seen of it: runs submitted to a federation, until each has its outcome."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from flowerbed import runs
from flowerbed.runs.records.store import load
from support.apps import write_app
from support.local_federation import until
from support.loopback_federation import LIMIT, START, Federation, Submission
from support.outcome_app import APPS

FLOWERBED = ("-m", "flowerbed")
# Under too many that start at once Flower gives up on each, and starts it again beside itself (flwr 1.41).
AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a run: exit code, status and reason of the program, the rest from its record.

    `word` and `details` are the SuperLink's ("" where it has not said its last word), `figures` those of the
    last round, `replies` their counts ("" where nothing is known).
    """

    exit_code: int
    status: str
    reason: str
    replies: str
    figures: str = ""
    word: str = ""
    details: str = ""


class Trials:
    """Submissions to one federation, and what came of them by name."""

    def __init__(self, federation: Federation, folder: Path) -> None:
        self.federation = federation
        self._apps = {name: write_app(folder / name, files) for name, files in APPS.items()}
        self._begun: list[Submission] = []
        self.records = folder / "runs"
        self.seen: dict[str, Seen] = {}

    def begin(
        self, *arguments: str, user: str = "analyst", attach: str = "", app: str = "tiny"
    ) -> Submission:
        """Start `flowerbed submit`, or `attach` to a run."""
        verb, what = ("attach", attach) if attach else ("submit", self._apps[app])
        flags = ["--json", "--records", str(self.records), *arguments]
        submission = Submission(self.federation, what, *flags, user=user, program=(*FLOWERBED, verb))
        self._begun.append(submission)
        return submission

    def run(self, name: str, *arguments: str, app: str = "tiny") -> str:
        """Submit an app, await its end, return the run's id."""
        return self.end(name, self.begin(*arguments, app=app))

    def together(self, *tasks: Callable[[], object]) -> None:
        """Do tasks side by side, AT_ONCE of them."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            begun = [pool.submit(task) for task in tasks]
            try:
                for done in as_completed(begun):
                    done.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.close()
                raise

    def start_nodes(self, names: Sequence[str]) -> dict[str, str]:
        """Start SuperNodes and return their ids by name when all are online."""
        for name in names:
            self.federation.start_supernode(name)

        def listed() -> list[runs.NodeRecord]:
            return runs.list_nodes(self.federation.connection())

        until(lambda: [one.status for one in listed()] == ["online"] * len(names), START, "nodes online")
        return {one.name: one.node_id for one in listed()}

    def close(self) -> None:
        """End what still follows, because something went wrong."""
        for submission in self._begun:
            submission.process.kill()

    def end(self, name: str, submission: Submission) -> str:
        """Wait for the end of a submission, note what was seen, stop what still runs, return the run's id."""
        code, output, errors = submission.end()
        assert output, errors
        outcome = json.loads(output.splitlines()[-1])
        assert outcome["exit_code"] == code, errors
        assert not outcome["run_id"] or f"run {outcome['run_id']}: {outcome['status']}" in errors
        run_id, reason = str(outcome["run_id"]), self._plain(outcome["reason"])
        found = Seen(
            exit_code=code,
            status=outcome["status"],
            reason=reason,
            replies=_replies(outcome.get("replies")),
        )
        if run_id:
            record = load(self.records, run_id)
            assert record is not None, errors
            rounds = [one for one in record.metrics.rounds if {**one.train, **one.evaluate}]
            last = {**rounds[-1].train, **rounds[-1].evaluate} if rounds else {}
            figures = ", ".join(f"{name} {value:g}" for name, value in last.items())
            word, details = (record.run.outcome, record.run.details) if record.complete else ("", "")
            found = replace(found, figures=figures, word=word, details=self._plain(details))
        self.seen[name] = found
        return run_id

    def running(self, text: str, *arguments: str) -> str:
        """Start a run that nobody follows, wait until its log has a text, return its id."""
        run_id = self.begin("--detach", *arguments).end()[1].split()[0]
        connection = self.federation.connection()
        until(lambda: text in runs.read_log(connection, run_id), LIMIT, f"{text!r} in the log")
        return run_id

    def logs(self, run_id: str) -> int:
        """Run `flowerbed logs`; return its exit code."""
        program = (*FLOWERBED, "logs")
        return Submission(self.federation, run_id, "--records", str(self.records), program=program).end()[0]

    def stop(self, run_id: str) -> None:
        """Stop a run as somebody else would."""
        runs.stop(self.federation.connection(), run_id)

    def _plain(self, reason: str) -> str:
        """Take out what is another each time."""
        text = reason.replace(self.federation.control, "HOST:PORT").replace(f"{self.federation.folder}/", "")
        text = re.sub(r"(.)\1{40,}…?", r"\1\1\1…", text)
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "DATE", text)


def _replies(counts: dict[str, int] | None) -> str:
    """Return counts of replies in words: `1 of 2 good, 1 failed`."""
    if counts is None:
        return ""
    rest = [
        f"{counts[name]} {word}"
        for name, word in (("failures", "failed"), ("missing", "missing"))
        if counts[name]
    ]
    return ", ".join([f"{counts['results']} of {counts['asked']} good", *rest])
