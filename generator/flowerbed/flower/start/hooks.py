"""The places in Flower's processes that Flowerbed changes: Flower's private names there stand here alone.

These names are private to Flower, so they may move with any release; they are those of flwr 1.41 and 1.42.
Where one is missing, Flower goes on in its own way, and one line says what that costs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

# The processes that run apps: program, and the module that it runs.
APPS = {
    "flwr-serverapp": "flwr.superlink.runtime.run_serverapp",
    "flwr-clientapp": "flwr.supernode.runtime.run_clientapp",
}
SUPEREXEC_PROGRAM, SUPERNODE_PROGRAM = "flower-superexec", "flower-supernode"
# What the scripts of these programs call: module and function.
ENTRIES = {
    "flwr-serverapp": ("flwr.superlink.cli", "flwr_serverapp"),
    "flwr-clientapp": ("flwr.supernode.cli", "flwr_clientapp"),
    SUPEREXEC_PROGRAM: ("flwr.supercore.cli", "flower_superexec"),
    SUPERNODE_PROGRAM: ("flwr.supernode.cli", "flower_supernode"),
}
# What each app process imports late: httpx with its first client, zipfile with its first archive.
LATE = ("httpcore", "encodings.cp437")
# What such a module calls first once it knows its run: its task has begun, and no code of the app was loaded.
BEGUN = {"flwr-serverapp": "start_log_uploader", "flwr-clientapp": "install_from_fab"}
INSTALL = "install_from_fab"  # in both; the FAB's bytes are its first argument
LOAD = "get_load_client_app_fn"  # in that of a ClientApp: returns what loads the app
HEARTBEAT = "make_task_heartbeat_fn_http"  # in those modules, too
HEARTBEAT_MODULE, HEARTBEAT_INTERVAL = "flwr.supercore.heartbeat", "HEARTBEAT_DEFAULT_INTERVAL"
EXECUTOR = (
    "flwr.supercore.superexec.executor.subprocess_executor"  # its class SubprocessExecutor, in a SuperExec
)
EXECUTOR_CLASS, LAUNCH = "SubprocessExecutor", "launch"
SUPEREXEC_LOOP = "flwr.supercore.superexec.run_superexec"
TIME, SLEEP = "time", "sleep"  # where modules of Flower import `time`, or `sleep` of it
STRATEGIES = "flwr.serverapp.strategy.strategy_utils"
OBJECTS = "flwr.supercore.inflatable.inflatable_utils"
PULLING, BACKOFF = ("pull_objects", "pull_and_inflate_object_from_tree"), "initial_backoff"  # in that module
SUPERNODE = "flwr.supernode.start_client_internal"
SUBPROCESS = "subprocess"  # in that module, by which it starts its SuperExec, and in that of EXECUTOR
RECEIVE, SEND, INSERT = "_pull_and_store_message", "_push_messages", "_insert_message"  # in a SuperNode
NODE_STATE, STATE_CLASS = "flwr.supernode.nodestate.in_memory_nodestate", "InMemoryNodeState"
FINISH, STORE_ERRORS = "finish_task", "_store_error_replies"  # in that class
GRID, GRID_CLASS = "flwr.superlink.grid.http_grid", "HttpGrid"  # of a ServerApp
PUSH, PULL = "push_messages", "pull_messages"  # in that class
TASK_FAILED = "failed"  # a sub-status
CLIENTS, CLIENT_CLASS, OUTPUT = "flwr.supercore.runtime", "RuntimeHttpClient", "PushTaskOutput"
# Arguments of the processes that run apps.
ADDRESS, TOKEN, CERTIFICATES = "--runtime-api-address", "--token", "--root-certificates"
# Arguments of a SuperNode that starts no SuperExec.
NO_SUPEREXEC = ("--isolation", "process")

Function = Callable[..., Any]


def module(name: str, *names: str, without: str) -> Any | None:  # noqa: ANN401  (a module of Flower)
    """Return a module of Flower that has those names, else None after a word on what is then missing.

    `CLASS.NAME` is a name in a class.
    """
    try:
        found = importlib.import_module(name)
        for each in names:
            attrgetter(each)(found)
    except (ImportError, AttributeError) as error:
        tell(f"{without}: this version of Flower differs: {error}")
        return None
    return found


def load(programs: Iterable[str]) -> None:
    """Import what these app processes import. Raises ImportError and AttributeError where a name moved."""
    for program in programs:
        entry(program)
        importlib.import_module(APPS[program])
    for name in LATE:
        importlib.import_module(name)


def entry(program: str) -> Function:
    """Return what the script of a program calls. Raises ImportError and AttributeError where it moved."""
    name, function = ENTRIES[program]
    found: Function = getattr(importlib.import_module(name), function)
    return found


def replace(place: Any, name: str, make: Callable[[Function], Function]) -> None:  # noqa: ANN401  (module or class)
    """Put `make(original)` in place of a function of Flower."""
    setattr(place, name, make(getattr(place, name)))


def once_begun(program: str, act: Callable[..., None], *, without: str) -> bool:
    """Have an app process call `act` once, with Flower's named arguments, when its task has begun.

    `program` is a key of APPS. Returns False where that cannot be.
    """
    name = BEGUN[program]
    if (app := module(APPS[program], name, without=without)) is None:
        return False

    def begun(original: Function) -> Function:
        def first(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  (whatever Flower passes on)
            setattr(app, name, original)
            act(**named)
            return original(*arguments, **named)

        return first

    replace(app, name, begun)
    return True


def once_over(act: Callable[[], None], *, without: str) -> None:
    """Have an app process call `act` when the outcome of its task was taken."""
    if (clients := module(CLIENTS, f"{CLIENT_CLASS}.{OUTPUT}", without=without)) is None:
        return

    def telling(original: Function) -> Function:
        def push(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  (Flower's)
            answer = original(*arguments, **named)
            act()
            return answer

        return push

    replace(getattr(clients, CLIENT_CLASS), OUTPUT, telling)


def runtime_client(program: str, *, address: str, token: str, certificates: str | None) -> Any:  # noqa: ANN401
    """Return Flower's client of the API that an app process uses, with that process's token.

    `certificates` is a file, None for plain HTTP.
    """
    from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor, RuntimeVersionHttpInterceptor
    from flwr.supercore.runtime import RuntimeHttpClient

    return RuntimeHttpClient.from_server_address(
        server_address=address,
        insecure=certificates is None,
        root_certificates=certificates,
        interceptors=[
            RuntimeVersionHttpInterceptor(component_name=program),
            RuntimeTokenHttpInterceptor(token),
        ],
    )


def fail(client: Any, details: str) -> None:  # noqa: ANN401
    """Finish the task of a client's token as failed. Raises httpx.HTTPError, as where it is over already."""
    from flwr.proto.runtime_pb2 import PushTaskOutputRequest

    client.PushTaskOutput(PushTaskOutputRequest(sub_status=TASK_FAILED, details=details))


def answer_for(state: Any, task_id: int, details: str) -> None:  # noqa: ANN401
    """Give a SuperNode an error as the reply to the message of a ClientApp's task, unless there is one."""
    from flwr.app import Error
    from flwr.common.constant import ErrorCode
    from flwr.supercore.constant import TaskType

    for task in state.get_tasks(task_ids=[task_id]):
        if task.type == TaskType.CLIENT_APP:
            getattr(state, STORE_ERRORS)({task.run_id}, Error(ErrorCode.CLIENT_APP_CRASHED, details))


def tell(text: str) -> None:
    """Say something on standard error: in the log of what started this process, and in the run's."""
    sys.stderr.write(f"flowerbed: {text}\n")
