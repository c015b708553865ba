"""How long Flower's processes wait between two questions: a short time while there is work.

Flower waits for a fixed time wherever it asks again (flwr 1.41): 3 s between two pulls of a SuperNode or of
a ServerApp, 0.5 s between two looks at the reply of a ClientApp, 1 s until a SuperExec asks for a task, 1 s
until a ServerApp counts the nodes, 1 s until an object is asked for that was not there. With
FLOWERBED_EXECUTION=fast each of them waits a tenth of the time since there was work last, at least its
shortest time and at most Flower's. So a wait adds at most a tenth to what takes long, and after 10 to 30 s
without work all is as in Flower.

Where the other side is the SuperLink, two limits keep it from being overloaded. It answers about 170 pulls a
second (SQLite, 5.2 ms of CPU time each). FLOWERBED_PULL_INTERVAL, in seconds, is the shortest time of a
SuperNode in a federation of that size; and no process waits less than ANSWERS times as long as the last
answer took.
"""

from __future__ import annotations

import functools
import os
import time
from typing import Any

from . import hooks

EXECUTION, FAST = "FLOWERBED_EXECUTION", "fast"
PULL_INTERVAL = "FLOWERBED_PULL_INTERVAL"
FRACTION = 10.0  # of the time since the last work
# Shortest waits, in seconds.
PULL, REPLY, TASKS, REPLIES, NODES, BACKOFF = 0.25, 0.02, 0.1, 0.1, 0.1, 0.05
# Where Flower waits this long or longer, it waits for another machine, else for a process of its own.
REMOTE = 1.0
ANSWERS = 4.0


def wanted() -> bool:
    """Return whether FLOWERBED_EXECUTION asks for fast execution."""
    return os.environ.get(EXECUTION) == FAST


class Pace:
    """Stands in for a module `time` of Flower's: `sleep` waits as long as there is reason to.

    `shortest` is for waits of REMOTE seconds and more, `near` for shorter ones; both in seconds.
    """

    def __init__(self, shortest: float, near: float) -> None:
        self._shortest, self._near = shortest, near
        self._worked = time.monotonic()
        self._answer = 0.0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (of `time`)
        return getattr(time, name)

    def work(self) -> None:
        """Note that there is work now."""
        self._worked = time.monotonic()

    def wait(self, longest: float) -> float:
        """Return for how long to wait in place of `longest` seconds."""
        shortest = self._near
        if longest >= REMOTE:
            shortest = max(self._shortest, ANSWERS * self._answer)
        return min(longest, max(shortest, (time.monotonic() - self._worked) / FRACTION))

    def sleep(self, longest: float) -> None:
        """Wait in place of `longest` seconds."""
        time.sleep(self.wait(longest))

    def worked(self, original: hooks.Function, *, answers: bool = True) -> hooks.Function:
        """Return a function of Flower that does work if it returns something, and how long an answer takes.

        With `answers` its time is that of an answer where it returns nothing.
        """

        @functools.wraps(original)
        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  (Flower's)
            begun = time.monotonic()
            result = original(*arguments, **named)
            if result:
                self.work()
            elif answers:
                self._answer = time.monotonic() - begun
            return result

        return call


def _pull_interval() -> float:
    try:
        return max(PULL, float(os.environ.get(PULL_INTERVAL) or PULL))
    except ValueError:
        return PULL


def supernode() -> None:
    """In a SuperNode: pull messages and look for replies often while there is work."""
    without = "this SuperNode asks for messages every 3 s"
    module = hooks.module(hooks.SUPERNODE, hooks.TIME, hooks.RECEIVE, hooks.SEND, without=without)
    if module is not None:
        pace = Pace(_pull_interval(), REPLY)
        setattr(module, hooks.TIME, pace)
        hooks.replace(module, hooks.RECEIVE, pace.worked)
        hooks.replace(module, hooks.SEND, functools.partial(_sending, pace))
    _objects()


def _sending(pace: Pace, original: hooks.Function) -> hooks.Function:
    """Return Flower's function that waits for a reply and sends it: both count as work."""

    def send(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  (Flower's)
        pace.work()
        try:
            return original(*arguments, **named)
        finally:
            pace.work()

    return send


def superexec() -> None:
    """In a SuperExec: ask for tasks often while there are some."""
    without = "this SuperExec asks for tasks every second"
    executor = f"{hooks.EXECUTOR_CLASS}.{hooks.LAUNCH}"
    module = hooks.module(hooks.SUPEREXEC_LOOP, hooks.TIME, without=without)
    launcher = hooks.module(hooks.EXECUTOR, executor, without=without)
    if module is not None and launcher is not None:
        pace = Pace(TASKS, TASKS)
        setattr(module, hooks.TIME, pace)
        hooks.replace(getattr(launcher, hooks.EXECUTOR_CLASS), hooks.LAUNCH, pace.worked)


def app(program: str) -> None:
    """In an app process: wait briefly for replies, nodes and objects. `program` is a key of hooks.APPS."""
    _objects()
    if program != "flwr-serverapp":
        return
    without = "this ServerApp asks for replies every 3 s"
    names = [f"{hooks.GRID_CLASS}.{name}" for name in (hooks.PUSH, hooks.PULL)]
    if (module := hooks.module(hooks.GRID, hooks.TIME, *names, without=without)) is not None:
        pace = Pace(REPLIES, REPLIES)
        setattr(module, hooks.TIME, pace)
        grid = getattr(module, hooks.GRID_CLASS)
        hooks.replace(grid, hooks.PUSH, functools.partial(pace.worked, answers=False))
        hooks.replace(grid, hooks.PULL, pace.worked)
    without = "this ServerApp counts the nodes every second"
    if (module := hooks.module(hooks.STRATEGIES, hooks.SLEEP, without=without)) is not None:
        setattr(module, hooks.SLEEP, Pace(NODES, NODES).sleep)


def _objects() -> None:
    """Ask soon for objects that are not there yet; Flower doubles the time at each attempt."""
    without = "objects that are not there yet are asked for after 1 s"
    module = hooks.module(hooks.OBJECTS, *hooks.PULLING, without=without)
    if module is None:
        return
    functions = [getattr(module, name) for name in hooks.PULLING]
    if all(hooks.BACKOFF in (function.__kwdefaults__ or {}) for function in functions):
        for function in functions:
            function.__kwdefaults__[hooks.BACKOFF] = BACKOFF
    else:
        hooks.tell(f"{without}: this version of Flower differs: no default {hooks.BACKOFF}")
