"""What becomes of a completed run by its nodes' replies, in words and as an exit code.

Flower calls a run completed when its ServerApp comes to its end, whatever nodes replied.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .app_exceptions import in_words
from .nodes import Node
from .replies import Phase, Replies
from .runs import COMPLETED, ENDS, FAILED, Outcome, ReplyCounts

SUPERLINK = "1"  # the node id under which the SuperLink answers for a node that is offline (flwr 1.41)
SHOWN = 3  # of a list in a sentence; the report has all
WORDS = {"train": "training", "evaluate": "evaluation"}
_STATES = {True: ": silent, but online", False: ": offline", None: ""}
NOT_LOADED = "An exception was raised when attempting to load `ClientApp`"
_ABSENT = re.compile(r"No module named '(\w+)'")
# What Flower says where it has no exception (flwr 1.41), and what else is known of it.
NOTES = {
    "ClientApp stopped responding": "its process exited, was killed, ran out of memory or hung",
    NOT_LOADED: "the log of the node has it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the SuperLink knows of a run beside its log.

    `nodes` are those that were online meanwhile; `asked` says that nodes took messages of the run, `silent`
    that they did and no ClientApp ended. `errors` gives exceptions of ClientApps by node, where logs of nodes
    can be read.
    """

    nodes: tuple[Node, ...] = ()
    silent: bool = False
    asked: bool = False
    errors: Callable[[], Mapping[str, str]] = dict


def judged(outcome: Outcome, replies: Replies, known: Known, share: float) -> Outcome:
    """Return the outcome of a run that has ended, with what its log says of exceptions, replies and figures.

    A completed run is exit code 1 when no reply was good in a phase of a round, or when the part of good
    replies in a phase is below `share` (0 to 1).
    """
    if outcome.status not in ENDS:
        return outcome
    completed = outcome.exit_code == COMPLETED
    if completed:  # a phase that another end cut short misses nothing
        replies.end_phase()
    phases = replies.counted(nobody=known.silent)
    few = [one for one in phases if one.total and one.results < math.ceil(share * one.total - 1e-9)]
    none = known.silent or any(map(fruitless, phases))
    first = replies.raised.explained(outcome.reason) if outcome.exit_code == FAILED else outcome.reason
    sentences = [first] * bool(first) + remarks(replies, known)
    if completed and few and 0 < share < 1:
        places = listed(f"{one.results} of {one.total} in {place(one)}" for one in few)
        sentences.append(f"less than {share:.0%} of the replies are good: {places}")
    uncounted = completed and share > 0 and not phases and known.asked and not none
    if uncounted:
        sentences.append(
            "the app counts its replies itself, so that the share that was asked for is not known"
        )
    return replace(
        outcome,
        reason="; ".join([*sentences, *not_installed(sentences)]),
        exit_code=FAILED if completed and (none or few or uncounted) else outcome.exit_code,
        replies=counts(phases),
    )


def not_installed(sentences: Iterable[str]) -> list[str]:
    """Return what to do about a module that apps could not import: of a package, not of a part of one."""
    modules = dict.fromkeys(module for sentence in sentences for module in _ABSENT.findall(sentence))
    words = "is not installed where apps run: declare it in `images`, or use `submit --local --with PACKAGE`"
    return [f"{listed(modules)} {words}"] if modules else []


def fruitless(phase: Phase) -> bool:
    """Return whether nodes were asked and not one of them gave a good reply."""
    return phase.over and phase.results == 0 < phase.total


def counts(phases: Iterable[Phase]) -> ReplyCounts | None:
    """Return the sums over phases, None where nothing is known."""
    found = list(phases)
    return (
        ReplyCounts(
            asked=sum(one.total for one in found),
            results=sum(one.results for one in found),
            failures=sum(one.failures for one in found),
            missing=sum(one.missing for one in found),
        )
        if found
        else None
    )


def remarks(replies: Replies, known: Known) -> list[str]:
    """Return what Flower's status does not say: failed replies, missing ones, figures that are not finite."""
    phases = replies.counted(nobody=known.silent)
    found = [_failed(phases, replies.whole, known), _missing(phases, known.nodes)]
    if known.silent and not any(one.total for one in phases):
        found.append("no node replied: nodes took messages of the run, and no ClientApp ended")
    if not phases and not known.silent and (errors := known.errors()):
        told = (f"{words} on {node}" for node, words in errors.items())
        found.append(f"ClientApps failed: {listed(told)}")
    if not known.silent and (unknown := replies.uncounted()):
        found.append(f"the log does not say what became of {unknown} replies of nodes")
    return [sentence for sentence in [*found, *replies.infinite()] if sentence]


def so_far(replies: Replies, nodes: Callable[[], tuple[Node, ...]]) -> str:
    """Return what a run that goes on waits for, and what its replies and figures say by now.

    `nodes` is called only where a name is needed.
    """
    told = remarks(replies, Known())
    told = told and remarks(replies, Known(nodes=nodes()))
    return "; ".join([f"it {replies.waiting}"] * bool(replies.waiting) + told)


def _failed(phases: Sequence[Phase], whole: Sequence[Phase], known: Known) -> str:
    failures, total = sum(one.failures for one in phases), sum(one.total for one in phases)
    if not failures:
        return ""
    causes: dict[str, list[str]] = {}
    for one in phases:
        for node, reason in one.errors:
            who = causes.setdefault(in_words(reason), [])
            names = lost(one, known.nodes) if node == SUPERLINK else [name_of(node, known.nodes)]
            who += [name for name in names if name not in who]
    if not causes or NOT_LOADED in causes:
        for name, words in known.errors().items():
            if name in causes.get(NOT_LOADED, [name]):
                causes.setdefault(words, []).append(name)
        if len(causes) > 1:
            causes.pop(NOT_LOADED, None)
    if not causes:  # with the older API the log of the run has them only as its process counted them
        for node, reason in (error for one in whole for error in one.errors):
            causes.setdefault(in_words(reason), []).append(name_of(node, known.nodes))
    told = listed(f"{cause} on {listed(sorted(who))}{_note(cause)}" for cause, who in causes.items())
    words = f"{_share(failures, total)} failed{_only(phases)}"
    return f"{words}: {told}" if told else f"{words}; the logs of the nodes say why"


def _share(part: int, total: int) -> str:
    if total == 1:
        return "the only reply of a node"
    return f"{f'all {total}' if part == total else f'{part} of {total}'} replies of nodes"


def _note(cause: str) -> str:
    return f" ({NOTES[cause]})" if cause in NOTES else ""


def _only(phases: Sequence[Phase]) -> str:
    """Return ` in evaluation` where training and evaluation had replies and only one of them failed ones."""
    kinds = {one.kind for one in phases if one.failures}
    return f" in {WORDS[kinds.pop()]}" if len(kinds) == 1 < len({one.kind for one in phases}) else ""


def _missing(phases: Sequence[Phase], nodes: Sequence[Node]) -> str:
    missing, total = sum(one.missing for one in phases), sum(one.total for one in phases)
    if not missing:
        return ""
    places = listed(
        f"{one.missing} of {one.total} in {place(one)}{_by_name(one, nodes)}" for one in phases if one.missing
    )
    return f"{_share(missing, total)} {'are' if missing > 1 else 'is'} missing: {places}"


def _by_name(phase: Phase, nodes: Sequence[Node]) -> str:
    """Return who sent nothing, and whether they are online; "" where that cannot be known."""
    found = absent(phase, nodes)
    left = [] if found else _unheard(phase, nodes)
    names = listed(sorted(map(_name, found or left)))
    if not names or len(left) > SHOWN:
        return ""
    states = {one.online for one in found or left}
    state = states.pop() if len(states) == 1 else None
    if found:
        return f" ({names}{_STATES[state]})"
    return f" (of {names}{', which are online' * (state is True)})"


def absent(phase: Phase, nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes that sent nothing in a phase, an empty list where that cannot be known.

    It can be when all nodes were asked: they are those that neither gave figures nor failed themselves, or
    that went offline.
    """
    count = phase.missing + sum(node == SUPERLINK for node, _ in phase.errors)
    left = _unheard(phase, nodes)
    return next(
        (found for found in (left, [one for one in left if one.online is False]) if len(found) == count), []
    )


def _unheard(phase: Phase, nodes: Sequence[Node]) -> list[Node]:
    """Return those of all nodes that may have sent nothing in a phase; none where only some were asked.

    Over a whole run (round 0) it is not known how often which were.
    """
    heard = phase.replied | {node for node, _ in phase.errors}
    everyone = phase.round > 0 and phase.total == len(nodes)
    return [one for one in nodes if one.node_id not in heard] if everyone else []


def lost(phase: Phase, nodes: Sequence[Node]) -> list[str]:
    """Return the names of nodes that the SuperLink answered for, since they went offline."""
    return [_name(one) for one in absent(phase, nodes)] or ["a node that went offline"]


def _name(node: Node) -> str:
    return node.name or f"node {node.node_id}"


def place(phase: Phase) -> str:
    """Return where in a run a phase is: `round 2 (training)`; of round 0: `the whole run`."""
    return "the whole run" if not phase.round else f"round {phase.round} ({WORDS[phase.kind]})"


def name_of(node: str, nodes: Iterable[Node]) -> str:
    """Return the name of a node by its id."""
    return next((_name(one) for one in nodes if one.node_id == node), f"node {node}")


def listed(items: Iterable[str]) -> str:
    """Return the first of some texts, and how many more there are."""
    found = list(items)
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ", ".join([*found[:SHOWN], *more])
