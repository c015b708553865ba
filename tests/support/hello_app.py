"""An app in which every node says its `site`, and the server waits first."""

from __future__ import annotations

from pathlib import Path

APP_PYPROJECT = """\
[project]
name = "hello"
version = "1.0.0"
[tool.flwr.app]
publisher = "tests"
[tool.flwr.app.components]
serverapp = "hello:server"
clientapp = "hello:client"
[tool.flwr.app.config]
seconds = 0.0
"""


APP = """\
import time
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

server, client = ServerApp(), ClientApp()


@server.main()
def main(grid, context):
    print("hello from the server", flush=True)
    end = time.time() + context.run_config["seconds"]
    while time.time() < end:
        time.sleep(0.1)
    nodes = list(grid.get_node_ids())
    asked = [Message(RecordDict(), dst_node_id=node, message_type="query") for node in nodes]
    answers = list(grid.send_and_receive(asked, timeout=60))
    said = sorted(str(answer.content["said"]["site"]) for answer in answers if answer.has_content())
    print("answers:", ", ".join(said), flush=True)
    if len(said) != len(nodes):
        raise RuntimeError(f"{len(said)} of {len(nodes)} nodes answered")


@client.query()
def query(message, context):
    site = context.node_config.get("site", "nowhere")
    return Message(RecordDict({"said": ConfigRecord({"site": site})}), reply_to=message)
"""


def write_app(folder: Path) -> Path:
    """Write an app in which every node says its `site`."""
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(APP_PYPROJECT)
    (folder / "hello.py").write_text(APP)
    return folder
