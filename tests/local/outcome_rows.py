"""Runs that end in every way, for real: what the program said, and what its record says."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_helpers import until
from submit_federation import LIMIT, START, Federation, Submission, running

from flowerbed import records, runs

from submit_apps import CLIENT, PYPROJECT, SERVER, write_app  # isort: skip  (found through submit_federation)

FLOWERBED = ("-m", "flowerbed")
# Under too many that start at once Flower gives up on each, and starts it again beside itself (flwr 1.41).
AT_ONCE = 2
BRIEF = 10.0  # seconds that the certificate is good for which expires
LONG = ("--set", "ticks=1000")
ROUND = ("--set", "ticks=0", "--set", "rounds=1")
# The tiny app, with rounds by one of Flower's strategies after its ticks.
FILES = {
    "pyproject.toml": PYPROJECT.replace("ticks = 4", 'rounds = 0\nmin-nodes = 2\nbroken = ""\nticks = 4'),
    "tiny/server.py": SERVER.replace(
        "from flwr.app import Context",
        "from flwr.app import ArrayRecord, Context\nfrom flwr.serverapp.strategy import FedAvg",
    )
    + """\
    if config["rounds"]:
        nodes = int(config["min-nodes"])
        strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=nodes, min_available_nodes=nodes)
        strategy.start(grid=grid, initial_arrays=ArrayRecord([np.zeros(1)]), num_rounds=1)
""",
    "tiny/client.py": CLIENT.replace("import ClientApp", "import ClientApp\nfrom flwr.app import *")
    + """\


@app.train()
def train(message, context):
    if context.node_config["name"] in context.run_config["broken"].split():
        raise ValueError("no data here")
    content = RecordDict({"arrays": message.content["arrays"], "metrics": MetricRecord({"num-examples": 1})})
    return Message(content, reply_to=message)
""",
}
FILES["tiny/server.py"] = FILES["tiny/server.py"].replace("import time", "import time\n\nimport numpy as np")
NODES = ("north-0", "west-0")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a run: exit code, status, reason, and what a complete record says ("": incomplete)."""

    exit_code: int
    status: str
    reason: str
    record: str
    record_reason: str


class Trials:
    """Submissions to one federation, and what came of them by name."""

    def __init__(self, federation: Federation, folder: Path) -> None:
        self.federation = federation
        self._app = write_app(folder / "app")
        self._rounds = write_app(folder / "rounds", FILES)
        self._begun: list[Submission] = []
        self.records = folder / "runs"
        self.seen: dict[str, Seen] = {}

    def begin(self, *arguments: str, user: str = "analyst", attach: str = "") -> Submission:
        """Start `flowerbed submit`, or `attach` to a run."""
        app = self._rounds if ROUND[-1] in arguments else self._app
        verb, what = ("attach", attach) if attach else ("submit", app)
        flags = ["--json", "--records", str(self.records), *arguments]
        submission = Submission(self.federation, what, *flags, user=user, program=(*FLOWERBED, verb))
        self._begun.append(submission)
        return submission

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
        assert f"run {outcome['run_id']}: {outcome['status']}" in errors
        run_id = str(outcome["run_id"])
        record = records.load(self.records, run_id)
        assert record is not None, errors
        said = (record.run.outcome, self._plain(record.run.details)) if record.complete else ("", "")
        self.seen[name] = Seen(code, outcome["status"], self._plain(outcome["reason"]), *said)
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
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "DATE", text)


def _together(trials: Trials, *tasks: Callable[[], object]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun = [pool.submit(task) for task in tasks]
        try:
            for done in as_completed(begun):
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            trials.close()
            raise


def _ends(trials: Trials) -> None:
    """Runs that end by themselves, and one that waits for ever."""

    def completed() -> None:
        trials.end("the ServerApp comes to its end", trials.begin("--set", "ticks=1"))

    def failed() -> None:
        submission = trials.begin("--set", "ticks=0", "--set", "ending=no data")
        trials.end("the ServerApp raises", submission)

    def one_node() -> None:
        submission = trials.begin(*ROUND, "--set", f"broken={NODES[0]}")
        run_id = trials.end("the ClientApp raises on one node of two", submission)
        strictly = trials.begin("--require-all-replies", attach=run_id)
        trials.end("the same, with `--require-all-replies`", strictly)

    def all_nodes() -> None:
        submission = trials.begin(*ROUND, "--set", f"broken={' '.join(NODES)}")
        trials.end("the ClientApp raises on all nodes", submission)

    def too_few_nodes() -> None:
        run_id = trials.running("Waiting for nodes", *ROUND, "--set", "min-nodes=3")
        submission = trials.begin("--timeout", "4s", attach=run_id)
        trials.end("there are too few nodes for it, with `--timeout 4s`", submission)
        trials.stop(run_id)

    _together(trials, one_node, all_nodes, too_few_nodes, failed, completed)


def _hands(trials: Trials) -> None:
    """Runs that somebody ends, and runs that somebody ceases to follow."""

    def stopped() -> None:
        submission = trials.begin(*LONG)
        run_id = submission.run_id
        submission.await_line("tick 1")
        trials.stop(run_id)
        trials.end("somebody else stops it", submission)

    def signalled(name: str, number: int, *arguments: str) -> None:
        submission = trials.begin(*LONG, *arguments)
        submission.await_line("is running")
        submission.process.send_signal(number)
        trials.stop(trials.end(name, submission))

    def timed_out() -> None:
        run_id = trials.running("tick 1", *LONG)
        trials.end("it takes longer than `--timeout 2s`", trials.begin("--timeout", "2s", attach=run_id))
        trials.stop(run_id)

    def killed() -> None:
        submission = trials.begin("--set", "ticks=24")
        run_id = submission.run_id
        submission.await_line("tick 1")
        submission.process.kill()
        submission.end()
        left = records.load(trials.records, run_id)
        assert left is not None
        assert not left.complete
        trials.end("the follower is killed, then `flowerbed attach`", trials.begin(attach=run_id))

    def detached() -> None:
        run_id = trials.end("it is not followed: `--detach`", trials.begin(*LONG, "--detach"))
        trials.stop(run_id)
        assert trials.logs(run_id) == 0
        found = records.load(trials.records, run_id)
        assert found is not None
        assert (found.complete, found.run.outcome) == (True, "stopped")

    _together(
        trials,
        killed,
        timed_out,
        stopped,
        lambda: signalled("SIGTERM", signal.SIGTERM),
        lambda: signalled("SIGTERM, with `--on-interrupt stop`", signal.SIGTERM, "--on-interrupt", "stop"),
        lambda: signalled("Ctrl-C, with `--on-interrupt leave`", signal.SIGINT, "--on-interrupt", "leave"),
        lambda: signalled("Ctrl-C, with `--on-interrupt stop`", signal.SIGINT, "--on-interrupt", "stop"),
        detached,
    )


def _absences(trials: Trials) -> None:
    """Runs whose SuperLink goes away for a while."""
    federation = trials.federation
    back = trials.begin("--set", "ticks=60")
    away = trials.begin(*LONG, "--unreachable-timeout", "2s")
    run_id = away.run_id
    for submission in (back, away):
        submission.await_line("tick 1")
    federation.kill("superlink")
    trials.end("the SuperLink stays away, with `--unreachable-timeout 2s`", away)
    federation.start_superlink()
    federation.await_control()
    trials.end("the SuperLink goes and comes back", back)
    trials.stop(run_id)


def _expiry(trials: Trials) -> None:
    """A run whose follower's certificate expires."""
    federation = trials.federation
    run_id = trials.running("tick 1", *LONG)
    federation.issue("analyst", file="brief", seconds=BRIEF)
    submission = trials.begin("--unreachable-timeout", "2s", attach=run_id, user="brief")
    submission.await_line("tick 1")
    until(federation.connection("brief").overdue, 2 * BRIEF, "an expired certificate")
    federation.kill("gateway")
    federation.start_gateway()
    federation.await_control()
    trials.end(
        "its certificate expires meanwhile, with `--unreachable-timeout 2s`",
        submission,
    )
    trials.stop(run_id)


def _losses(trials: Trials) -> None:
    """The last runs: nobody takes one any more, and the SuperLink forgets the other."""
    federation = trials.federation
    federation.kill("superexec")
    trials.end(
        "nobody starts its ServerApp, with `--pending-timeout 2s`", trials.begin("--pending-timeout", "2s")
    )
    submission = trials.begin()
    submission.await_line("is pending")
    federation.kill("superlink")
    for file in federation.folder.glob("state.db*"):
        file.unlink()
    federation.start_superlink()
    trials.end("the SuperLink comes back without its database", submission)


@contextmanager
def tried(folder: Path) -> Iterator[dict[str, Seen]]:
    """Try all ways that a run can end; give what was seen by name, while the federation is there."""
    with running(folder, direct=True) as federation:
        for node in NODES:
            federation.start_supernode(node)
        trials = Trials(federation, folder)
        online = lambda: [node.status for node in runs.list_nodes(federation.connection())]  # noqa: E731
        until(lambda: online() == ["online"] * len(NODES), START, "nodes online")
        try:
            for part in (_ends, _hands, _absences, _expiry, _losses):
                part(trials)
        finally:
            trials.close()
        yield trials.seen
