"""python.md: the page, the app that its blocks submit, and the tables that a notebook shows."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from support.paths import ROOT

DOCUMENT = ROOT / "docs" / "reference" / "python.md"
PYPROJECT = """\
[project]
name = "told"
version = "1.0.0"
[tool.flwr.app]
publisher = "tests"
[tool.flwr.app.components]
serverapp = "told:server"
clientapp = "told:client"
[tool.flwr.app.config]
num-server-rounds = 1
"""


APP = """\
import json
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

server, client = ServerApp(), ClientApp()


@server.main()
def main(grid, context):
    for number in range(1, context.run_config["num-server-rounds"] + 1):
        print("metrics", json.dumps({"round": number, "accuracy": 1 - 0.5**number, "<b>": number}))
    told = {"name": "model.txt", "part": 1, "parts": 1, "data": "aGk="}
    told["sha256"] = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"
    print("artifact", json.dumps(told), flush=True)
"""
# The same, with other figures and a pause after each round.
PACED = (
    APP.replace("import json\n", "import json\nimport time\n", 1)
    .replace("    told = {", "        time.sleep(context.run_config['pause'])\n    told = {", 1)
    .replace('"<b>": number', '"loss": 0.5**number', 1)
)


def write_paced(above: Path) -> Path:
    """Write the app into a directory `told`; it pauses after each round."""
    folder = above / "told"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT + "pause = 0.0\n")
    (folder / "told.py").write_text(PACED)
    return folder


class Rows(HTMLParser):
    """The cells of tables, row by row, as a browser would show them; a paragraph or a drawing is one row."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag in {"tr", "caption", "p", "svg"}:
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        self.rows[-1].append(data)
