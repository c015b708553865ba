"""How app processes of a local federation start: what its SuperExecs write (`flower/start/warm.py`)."""

from __future__ import annotations

from flowerbed.local.commands import execution_file
from flowerbed.local.state import StateDirectory
from flowerbed.plan import Plan

STOCK = "stock: "


def slower(plan: Plan, directory: StateDirectory) -> dict[str, list[str]]:
    """Return whose app processes start in Flower's own way although they were to be forked, by reason."""
    if plan.execution == "stock":
        return {}
    folders = {"ServerApps": directory.path / "superexec"}
    folders |= {f"ClientApps of {node.name}": directory.node(node.name) for node in plan.nodes}
    reasons: dict[str, list[str]] = {}
    for apps, folder in folders.items():
        try:
            text = execution_file(folder).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            continue
        if text.startswith(STOCK):
            reasons.setdefault(text.removeprefix(STOCK), []).append(apps)
    return reasons


def sentence(reason: str, apps: list[str]) -> str:
    """Return an entry of `slower` as text."""
    return f"{', '.join(apps)}: their processes are started in Flower's own way, which is slower: {reason}"


def sentences(plan: Plan, directory: StateDirectory) -> list[str]:
    """Return all that `slower` returns as text."""
    return [sentence(reason, apps) for reason, apps in slower(plan, directory).items()]
