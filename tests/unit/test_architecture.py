"""The flow goes one way; pods run on Flower alone; functions are short; public things are documented."""

from __future__ import annotations

import ast
import functools
import re
from importlib import metadata
from pathlib import Path

import pytest

from support.import_graph import (
    Module,
    chart_programs,
    circles,
    distributions,
    import_graph,
    imported,
    package_modules,
)
from support.paths import CHARTS, PACKAGE, ROOT, TESTS

# The steps of the flow, first to last: a step imports from the steps before it and from itself only. A listed
# part of a package is a step of its own: `local` and `kubernetes` know `runs.control`, but not the records.
LAYERS = [
    "flower",
    "errors",
    "names",
    "files",
    "project",
    "documents",
    "plan",
    "cluster",
    "images",
    "starters",
    "declaration",
    "identities",
    "connection",
    "values",
    "bundles",
    "runs.model",
    "runs.control",
    "runs.submission",
    "runs",
    "local",
    "access",
    "kubernetes",
    "backups",
    "runs.metrics",
    "runs.report",
    "runs.records",
    "runs.sweeps",
    "runs.live",
    "runs.python_words",
    "runs.client",
    "cli",
]
# Neither is a step: the public face resolves its names on first use, and `python -m` runs the command line.
FACE = {"flowerbed", "flowerbed.__main__"}
MODULES = package_modules()
FLOWER = [module for module in MODULES if module.name.startswith("flowerbed.flower")]
POD_FILES = [*FLOWER, *chart_programs()]
ALL = [*MODULES, *chart_programs()]
FUNCTION_LIMIT = 60


def layer_of(name: str) -> str:
    """Return the narrowest step that a module, or a name in it, belongs to; "" for none."""
    below = name.removeprefix("flowerbed.")
    while below and below not in LAYERS:
        below = below.rpartition(".")[0]
    return below


def imported_layers(tree: ast.AST, package: str = "") -> set[str]:
    """Return the steps that a module imports from, at its top or inside functions."""
    found = imported(tree, package)
    return {layer_of(text) for text in found if text.startswith("flowerbed.")} - {""}


def tree_of(module: Module) -> ast.Module:
    return ast.parse(module.path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_imports_go_one_way(module: Module) -> None:
    """A module imports only from steps that come before its own."""
    if module.name in FACE:
        return
    own = layer_of(module.name)
    assert own, f"{module.name} belongs to no step of the flow: add it to LAYERS"
    imported_here = imported_layers(tree_of(module), module.package)
    later = {layer for layer in imported_here if LAYERS.index(layer) > LAYERS.index(own)}
    assert not later, f"{module.name} imports from later steps: {sorted(later)}"


def test_the_direction_is_really_read() -> None:
    """The reader of imports sees an import in each form, inside a function as well."""
    source = (
        "from flowerbed.cli import main\nfrom . import ports\nfrom ..runs.metrics import log\n"
        "from flowerbed.runs import NodeRecord\n"
        "def f():\n  import flowerbed.runs.report\n  from flowerbed import plan"
    )
    found = set(imported(ast.parse(source), "flowerbed.local"))
    assert found == {
        "flowerbed.cli.main",
        "flowerbed.local.ports",
        "flowerbed.runs.metrics.log",
        "flowerbed.runs.NodeRecord",
        "flowerbed.runs.report",
        "flowerbed.plan",
    }
    assert imported_layers(ast.parse(source), "flowerbed.local") == {
        "cli",
        "local",
        "runs",
        "runs.metrics",
        "runs.report",
        "plan",
    }


def test_parts_of_a_package_have_an_order() -> None:
    """The parts of `runs` are steps of their own, and what no part is listed for belongs to the whole."""
    assert layer_of("flowerbed.runs.metrics.log.parse") == "runs.metrics"
    assert layer_of("flowerbed.runs.NodeRecord") == "runs"
    assert layer_of("flowerbed.kubernetes.verbs.apply") == "kubernetes"
    assert layer_of("flowerbed.unknown.part") == ""
    parts = {layer_of(module.name) for module in MODULES if module.name.startswith("flowerbed.runs.")}
    assert parts == {layer for layer in LAYERS if layer.startswith("runs.")}


def test_every_module_is_seen() -> None:
    """Each file of the package and of the charts' programs is held to the rules here, but for copies."""
    seen = {module.path.resolve() for module in ALL}
    folders = [PACKAGE, *CHARTS.glob("*/files")]
    generated = [*CHARTS.glob("*/files/flowerbed/**/*.py"), *CHARTS.glob("*/files/launch.py")]
    copies = {file.resolve() for file in generated}
    assert not {file.resolve() for folder in folders for file in folder.rglob("*.py")} - copies - seen


def test_no_import_circles() -> None:
    """No module imports itself by way of others, not even inside functions or for types alone.

    The public face imports nothing before a name is used, so that a way through it closes no circle.
    """
    graph = import_graph([module for module in MODULES if module.name not in FACE])
    assert not circles(graph), "\n".join(" -> ".join(circle) for circle in circles(graph))


def test_circles_are_really_found(tmp_path: Path) -> None:
    """Three modules in a circle are found, late imports included; what only leads into it is not in it."""
    texts = {
        "one": "from flowerbed import two",
        "two": "def f():\n  from flowerbed.three import g",
        "three": "from .one import f",
        "before": "from flowerbed import one",
    }
    modules = [Module(f"flowerbed.{name}", tmp_path / f"{name}.py") for name in texts]
    for module, text in zip(modules, texts.values(), strict=True):
        module.path.write_text(text)
    graph = import_graph(modules)
    names = ["flowerbed.one", "flowerbed.two", "flowerbed.three", "flowerbed.one"]
    assert [sorted(set(circle)) for circle in circles(graph)] == [sorted(set(names))]
    graph["flowerbed.three"].clear()
    assert circles(graph) == []


@functools.cache
def flower_brings() -> set[str]:
    """Return the import names of flwr and of all that an installation of flwr alone brings."""
    waiting, brought = ["flwr"], set()
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in brought:
            continue
        brought.add(name)
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another platform or Python
            continue
        waiting += [re.split(r"[^\w.-]", text)[0] for text in requirements if "extra ==" not in text]
    homes = metadata.packages_distributions().items()
    return {name for name, found in homes if {d.lower().replace("_", "-") for d in found} & brought}


@pytest.mark.parametrize("module", POD_FILES, ids=lambda module: module.name)
def test_pods_need_flower_alone(module: Module) -> None:
    """What runs in a pod imports the standard library, what comes with flwr, and the Flower side itself."""
    found = set(imported(tree_of(module), module.package))
    ours = {name for name in found if name.startswith("flowerbed.flower.")} if module in FLOWER else set()
    others = distributions(found - ours)
    assert others <= flower_brings(), f"{module.path}: a plain Flower image lacks {others - flower_brings()}"


@pytest.mark.parametrize("module", FLOWER, ids=lambda module: module.name)
def test_the_flower_side_imports_itself_relatively(module: Module) -> None:
    """A pod has a part of the package, beside whatever an image brings under its name."""
    # Without its package, the reader of imports takes relative ones for names without a first part.
    absolute = {name for name in imported(tree_of(module)) if name.partition(".")[0] == "flowerbed"}
    assert not absolute


def test_paths_beside_a_declaration_have_one_home() -> None:
    """Only project.py knows how what lies beside a declaration is called."""
    words = {"bundles", ".flowerbed", "images.lock", "images.lock.yaml"}

    def knows(module: Module) -> bool:
        joined = (
            node.right
            for node in ast.walk(tree_of(module))
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        )
        return any(isinstance(part, ast.Constant) and part.value in words for part in joined)

    assert {module.name for module in MODULES if knows(module)} == {"flowerbed.project"}


def test_what_flower_brings_is_really_read() -> None:
    """A package that flwr requires is among what it brings; Flowerbed's own and a developer's are not."""
    assert {"flwr", "cryptography", "google"} <= flower_brings()
    assert not {"flowerbed", "msgspec", "pytest", "jinja2"} & flower_brings()


def test_functions_are_short() -> None:
    """A function keeps to its limit of lines. A module is cut by its subject, however long it gets."""
    folders = (ROOT / name for name in ("bench", "examples", "scripts", "tests", "tools"))
    files = {module.path for module in ALL} | {file for folder in folders for file in folder.rglob("*.py")}
    long = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for file in sorted(files)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LIMIT
    ]
    assert long == []


def public_definitions(tree: ast.Module) -> list[ast.FunctionDef | ast.ClassDef]:
    return [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]


@pytest.mark.parametrize("module", ALL, ids=lambda module: module.name)
def test_public_things_are_documented(module: Module) -> None:
    """Every module, public class and public function says what it is for."""
    tree = tree_of(module)
    assert ast.get_docstring(tree), f"{module.path} has no docstring"
    silent = [node.name for node in public_definitions(tree) if not ast.get_docstring(node)]
    assert not silent, f"{module.path}: no docstring on {silent}"


def test_unit_tests_lie_as_the_package_does() -> None:
    """A directory of unit tests is named after the package that its tests are about."""
    unit = TESTS / "unit"
    folders = {file.parent.relative_to(unit) for file in unit.rglob("test_*.py")}
    assert sorted(str(folder) for folder in folders if not (PACKAGE / folder / "__init__.py").is_file()) == []


def test_no_test_changes_where_modules_are_found() -> None:
    """What tests share is found through `pythonpath` in pyproject.toml, by all of them alike."""
    texts = {file: file.read_text(encoding="utf-8") for file in TESTS.rglob("*.py")}
    trees = {file: ast.parse(text) for file, text in texts.items() if "sys.path" in text}
    found = [
        str(file.relative_to(ROOT))
        for file, tree in trees.items()
        if any(isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path" for node in ast.walk(tree))
    ]
    assert found == []
