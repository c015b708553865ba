"""Runs that end by themselves: well, or by what goes wrong in the ServerApp or in ClientApps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowerbed import runs
from support.outcome_trials import Trials

Task = Callable[[], object]
CALM = ("--set", "ticks=0")
ROUND = (*CALM, "--set", "rounds=1")
EVALUATION = (*ROUND, "--set", "evaluation=1.0", "--set", "phase=evaluate")
NODES = ("north-0", "west-0")
# How a process ends without a word. Its node is busy with it for a minute, so each has one of its own.
SUDDEN = {"exit-0": "os._exit", "quit-0": "sys.exit", "kill-0": "SIGKILL", "fault-0": "SIGSEGV"}
ENDS = ("os._exit", "sys.exit", "SIGKILL", "SIGTERM")


def faults(*nodes: str, fault: str) -> tuple[str, ...]:
    """Return the flags by which nodes go wrong."""
    return ("--set", f"faults={' '.join(f'{node}={fault}' for node in nodes)}")


def apps(trials: Trials) -> None:
    """Apps that come to their end, or go wrong in the ServerApp or in ClientApps."""
    ids = trials.start_nodes((*NODES, *SUDDEN))
    trials.together(*_sudden(trials, ids), *_clients(_Clients(trials, ids)), *_servers(trials))


def _sudden(trials: Trials, ids: dict[str, str]) -> list[Task]:
    """Processes of ClientApps that end without a word."""

    def ends(node: str, fault: str) -> Task:
        chosen = ("--set", f"nodes={ids[node]} {ids[NODES[0]]}")
        arguments = (*ROUND, *chosen, *faults(node, fault=fault))
        return lambda: trials.run(f"the ClientApp of one node of two ends by {fault}", *arguments)

    return [ends(node, fault) for node, fault in SUDDEN.items()]


@dataclass(frozen=True)
class _Clients:
    """Runs of one round on both of NODES, or on one."""

    trials: Trials
    ids: dict[str, str]

    @property
    def nodes(self) -> tuple[str, ...]:
        return (*ROUND, "--set", f"nodes={self.ids[NODES[0]]} {self.ids[NODES[1]]}")

    def both(self, name: str, *arguments: str, app: str = "tiny") -> Task:
        return lambda: self.trials.run(name, *self.nodes, *arguments, app=app)

    def one(self, name: str, *arguments: str, fault: str = "", node: int = 0) -> Task:
        alone = ("--set", "min-nodes=1", "--set", f"nodes={self.ids[NODES[node]]}")
        wrong = faults(NODES[node], fault=fault) if fault else ()
        return lambda: self.trials.run(name, *ROUND, *alone, *wrong, *arguments)

    def one_of_two(self) -> None:
        """Follow a run twice: it completes, but not for whoever requires all replies."""
        wrong = faults(NODES[0], fault="raises")
        run_id = self.trials.run("the ClientApp raises on one node of two", *self.nodes, *wrong)
        known = runs.get_run(self.trials.federation.connection(), run_id)
        assert known.overrides["faults"] == f"{NODES[0]}=raises"
        assert min(known.bytes_sent, known.bytes_received, known.computing) > 0
        strictly = self.trials.begin("--require-all-replies", attach=run_id)
        self.trials.end("the same, with `--require-all-replies`", strictly)


def _clients(on: _Clients) -> list[Task]:
    """Rounds, and what goes wrong in them."""
    return [
        on.both("all nodes reply"),
        on.one_of_two,
        on.both("the ClientApp raises on all nodes", *faults(*NODES, fault="raises")),
        on.one("the ClientApp of the only node raises an exception of its own", fault="own"),
        on.one("the ClientApp of the only node runs out of memory in Python", fault="memory", node=1),
        on.both("the ClientApp imports a module that no node has", *faults(*NODES, fault="import")),
        on.both("the module of the ClientApp cannot be imported", app="client-import"),
        on.one("the exception of a ClientApp is very long", fault="long"),
        on.both("one node fails to evaluate", *EVALUATION, *faults(NODES[0], fault="raises")),
        on.both("all nodes fail to evaluate", *EVALUATION, *faults(*NODES, fault="raises")),
        on.one("the loss is infinite", "--set", "loss=inf", node=1),
        on.one("the loss is not a number", "--set", "loss=nan"),
        on.one("the strategy gives no figures", "--set", "metrics=false", node=1),
        on.one("a reply lacks what the strategy averages by", fault="weightless"),
    ]


def _servers(trials: Trials) -> list[Task]:
    """ServerApps that wait for nodes, come to their end, or go wrong."""

    def too_few_nodes() -> None:
        run_id = trials.running("Waiting for nodes", *ROUND, "--set", "min-nodes=9")
        submission = trials.begin("--timeout", "4s", attach=run_id)
        trials.end("there are too few nodes for it, with `--timeout 4s`", submission)
        trials.stop(run_id)

    def server(name: str, fault: str) -> Task:
        return lambda: trials.run(name, *CALM, "--set", f"server={fault}")

    return [
        too_few_nodes,
        lambda: trials.run("the ServerApp comes to its end, without any round", "--set", "ticks=1"),
        lambda: trials.run("the ServerApp raises", *CALM, "--set", "ending=no data"),
        server("the ServerApp reads a key that does not exist", "key"),
        *(
            server(f"the ServerApp ends by {end}", end)
            for end in ("os._exit", "sys.exit", "SIGKILL", "SIGTERM")
        ),
        server("the ServerApp raises without a text", "nothing"),
        server("the ServerApp recurses without end", "recursion"),
        server("the exception of the ServerApp is very long", "long"),
        server("the exception of the ServerApp has two lines", "lines"),
        lambda: trials.run("the module of the ServerApp cannot be imported", *CALM, app="server-import"),
        lambda: trials.run("the run config gets a value of another type", "--set", "rounds=many"),
    ]
