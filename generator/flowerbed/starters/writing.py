"""Writes what `flowerbed new` and `flowerbed init` give to start from: whole, or not at all."""

from __future__ import annotations

import keyword
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal

from flowerbed.errors import UsageError
from flowerbed.files import write_atomic
from flowerbed.flower import app_helper
from flowerbed.flower.app.checks import NAME

Kind = Literal["numpy", "sklearn", "torch"]

HERE = Path(__file__).parent
# What each kind needs besides Flower, as pyproject.toml says it.
REQUIREMENTS: dict[Kind, tuple[str, ...]] = {
    "numpy": ("numpy>=1.26",),
    "sklearn": ("numpy>=1.26", "scikit-learn>=1.5,<2"),
    "torch": ("numpy>=1.26", "torch>=2.4,<3"),
}
LEARNING_RATES: dict[Kind, float] = {"numpy": 1.0, "sklearn": 0.02, "torch": 0.05}
# Modules that an app or Flower imports: a package of the same name would be imported instead.
TAKEN = frozenset({*sys.stdlib_module_names, "flwr", "numpy", "sklearn", "torch"})

PYPROJECT = """\
[project]
name = "{name}"
version = "0.1.0"
description = "A Flower app"
requires-python = ">=3.11"
dependencies = [{dependencies}]

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.flwr.app]
publisher = "local"
# The files that are sent to the nodes.
fab-include = ["{package}/**/*.py"]

[tool.flwr.app.components]
serverapp = "{package}.server_app:app"
clientapp = "{package}.client_app:app"

# The run config. `flowerbed submit {name} --set num-server-rounds=10` changes a value for one run.
[tool.flwr.app.config]
num-server-rounds = 3
local-epochs = 10
learning-rate = {learning_rate}
seed = 1
# Each round waits until this many nodes are online, and then this many seconds for their replies.
min-nodes = 2
round-timeout = 120.0
"""
README = """\
# {name}

A Flower app that trains with {kind}.

```sh
flowerbed submit {name} --local      # train in a temporary federation of two nodes on this machine
flowerbed report RUN -o report.html  # the metrics of each round and node; RUN is the id that submit printed
flowerbed artifacts RUN              # the files of the run: the trained model
```

| file | what it contains |
|---|---|
| `pyproject.toml` | the name, the requirements and the run config |
| `{package}/task.py` | the model and the data: replace both with your own |
| `{package}/client_app.py` | what runs on each node |
| `{package}/server_app.py` | what runs beside the SuperLink |
| `{package}/flowerbed_helper.py` | functions for metrics and files that Flowerbed shows |

Until you replace it, each node trains on {data}. To train on a file instead, set `data` in the
config of the node to the path of an `.npz` file with the arrays `inputs` and `labels`.
"""
DATA: dict[Kind, str] = {
    "numpy": "made-up rows",
    "sklearn": "handwritten digits that come with scikit-learn",
    "torch": "made-up points",
}


def write_app(directory: Path, kind: Kind) -> tuple[str, ...]:
    """Write a new app of this kind and return its files, relative to the directory, sorted.

    The last part of `directory` is the app's name. Raises UsageError if the name is not one that Flower
    accepts, if the directory exists, or if its parent is missing or not writable.
    """
    _check(directory)
    name = directory.name
    package = name.replace("-", "_")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=directory.parent) as scratch:
            app = Path(scratch) / name
            shutil.copytree(HERE / "app", app / package, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copyfile(HERE / kind / "task.py", app / package / "task.py")
            shutil.copyfile(app_helper.__file__, app / package / "flowerbed_helper.py")
            dependencies = ", ".join(f'"{one}"' for one in ("flwr>=1.41,<1.42", *REQUIREMENTS[kind]))
            words = {"name": name, "package": package, "kind": kind, "dependencies": dependencies}
            words |= {"learning_rate": str(LEARNING_RATES[kind]), "data": DATA[kind]}
            (app / "pyproject.toml").write_text(PYPROJECT.format(**words), encoding="utf-8")
            (app / "README.md").write_text(README.format(**words), encoding="utf-8")
            app.rename(directory)
    except OSError as error:
        raise UsageError(f"cannot write the app: {error.strerror}", where=str(directory)) from None
    return tuple(sorted(str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()))


def _check(directory: Path) -> None:
    name = directory.name
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a name for an app: Flower accepts 1 to 32 letters, digits and hyphens, "
            "and the first must be a letter",
            remedy=_proposal(name),
        )
    if name.replace("-", "_") in TAKEN or keyword.iskeyword(name.replace("-", "_")):
        raise UsageError(
            f"{name!r} is the name of a Python module or keyword, so the app's package cannot have it",
            remedy=f"choose another name, such as {name}-app",
        )
    if directory.exists() or directory.is_symlink():
        raise UsageError("it exists already", where=str(directory), remedy="choose another name")
    if not directory.parent.is_dir():
        raise UsageError("there is no such directory", where=str(directory.parent), remedy="create it first")


def _proposal(name: str) -> str:
    """Return a remedy: the nearest name that Flower accepts, if there is one."""
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
    nearest = "-".join(part for part in letters.lstrip("-0123456789")[:32].split("-") if part)
    return f"for example: {nearest}" if NAME.fullmatch(nearest) else "choose another name"


STARTER = """\
# A Flower federation: one SuperLink, its tenants and its users. `flowerbed check` reports every error in it.
# To let your editor complete it: `flowerbed schema > federation.schema.json`, and as this file's first line
#   # yaml-language-server: $schema=federation.schema.json
version: 1
name: hospitals                 # every release and Service name begins with it
flower: "1.41"                  # minor line of flwr
admission: listed               # only SuperNodes with a declared key may join; open: any

superlink:
  namespace: hospitals
  # context: hub                # kubeconfig context of its cluster; left out: the current one
  # exposure:                   # left out: reached inside its own cluster only
  #   fleet: {type: load-balancer, host: fleet.example.org, port: 443}
  #   control: {type: load-balancer, host: control.example.org, port: 443}
  storage: {size: 10Gi}

tenants:
  - name: north
    namespace: north
    nodes: 2                    # SuperNodes, each with its own key and its own partition of the data
    config: {site: "Hôpital Nord", batch-size: 32}    # what the app sees as its node config
    isolation: process          # apps run beside the node and cannot read its key; subprocess: within it
    # data: [{claim: scans, mount: /data}]            # an existing PersistentVolumeClaim, read-only
    # resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 2Gi}}
  - name: south
    namespace: south
    nodes: 1
    isolation: process

users:
  - {name: analyst, role: submitter}    # viewer reads; submitter also runs apps; operator also manages nodes
"""


def write_starter(path: Path, *, force: bool = False) -> None:
    """Write the starting file whole, or not at all.

    Raises UsageError if there is something already and `force` is not set, or if there is no such directory.
    """
    if not path.parent.is_dir():
        raise UsageError("there is no such directory", where=str(path.parent), remedy="make it first")
    if path.is_dir():
        raise UsageError("this is a directory", where=str(path), remedy="name a file in it")
    if not force and (path.exists() or path.is_symlink()):
        remedy = "choose another name, or write over it with --force"
        raise UsageError("there is a file already", where=str(path), remedy=remedy)
    write_atomic(path, STARTER.encode())
