"""`flowerbed generate` beside `nvflare provision`, and beside the floor: keys and files alone.

    python bench/generate.py [--folder FOLDER] [--quick]

Whole processes on one machine, in turn. Bundles are written into a memory file system where there is one, so
that the figures are those of the programs; one table is taken on the disk as well.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from federations import write_declaration, write_project
from measure import Command, Summary, environment, interleave, linear_fit, table, write_results

HERE = Path(__file__).parent
NVFLARE = "nvflare==2.9.0"
CACHE = Path.home() / ".cache" / "flowerbed" / "bench-nvflare"
MEMORY = Path("/dev/shm")
# Turns by number of tenants: fewer where one turn takes minutes.
TURNS = {2: 7, 10: 7, 100: 5, 1000: 3}
QUICK_TURNS = {2: 3, 10: 3, 100: 1}
FIT = (50, 150, 500, 1500, 5000)  # tenants of two nodes: 100 to 10,000 nodes
NODES_PER_TENANT = (1, 2, 10)
CHANGES = {
    "full": "new bundles",
    "value": "one value changed",
    "node": "one node more",
    "nothing": "nothing changed",
}


@dataclass(frozen=True, slots=True)
class Bench:
    """Where to work: `folder` for what the programs write, `inputs` for what they read."""

    folder: Path
    inputs: Path

    def flowerbed(self, declaration: Path, *, fresh: bool = True) -> Command:
        """Return a generation; into an empty folder, or onto what is there."""
        target = self.folder / "flowerbed"
        argv = [sys.executable, "-m", "flowerbed", "generate", str(declaration), "-o", str(target)]
        return (
            Command(argv, prepare=lambda: shutil.rmtree(target, ignore_errors=True))
            if fresh
            else Command(argv)
        )

    def floor(self, declaration: Path, nodes: int) -> Command:
        """Return the floor under a generation: as many keys, and files of the same names and sizes."""
        reference, target = self.folder / "reference", self.folder / "floor"
        argv = [sys.executable, "-m", "flowerbed", "generate", str(declaration), "-o", str(reference)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        sizes = {str(p.relative_to(reference)): p.stat().st_size for p in reference.rglob("*") if p.is_file()}
        shutil.rmtree(reference)
        listing = self.inputs / f"sizes-{declaration.stem}.json"
        listing.write_text(json.dumps(sizes))
        argv = [sys.executable, str(HERE / "floor.py"), str(nodes), "4", str(listing), str(target)]
        return Command(argv, prepare=lambda: shutil.rmtree(target, ignore_errors=True))

    def nvflare(self, program: Path, sites: int) -> Command:
        """Return NVFLARE's provisioning into an empty workspace."""
        project = write_project(self.inputs / f"project-{sites}.yml", sites)
        target = self.folder / "nvflare"
        argv = [str(program), "provision", "-p", str(project), "-w", str(target), "--force"]
        return Command(argv, cwd=self.inputs, prepare=lambda: shutil.rmtree(target, ignore_errors=True))


def install_nvflare() -> Path | None:
    """Return NVFLARE's program, in an environment of its own; None, saying why, where it cannot be there."""
    program = CACHE / "bin" / "nvflare"
    if program.exists():
        return program
    print(f"installing {NVFLARE} into {CACHE}", file=sys.stderr)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(CACHE)], check=True)
        pip = [str(CACHE / "bin" / "python"), "-m", "pip", "install", "--quiet", NVFLARE]
        subprocess.run(pip, check=True, timeout=600)
    except (subprocess.SubprocessError, OSError) as error:
        shutil.rmtree(CACHE, ignore_errors=True)
        print(f"without NVFLARE, which cannot be installed: {error}", file=sys.stderr)
        return None
    return program


def beside_nvflare(bench: Bench, turns: dict[int, int]) -> Iterator[tuple[int, dict[str, Summary]]]:
    """Yield, by number of tenants, what each program took."""
    program = install_nvflare()
    for tenants, runs in turns.items():
        declaration = write_declaration(bench.inputs / f"many-{tenants}.yaml", tenants)
        commands = {
            "flowerbed": bench.flowerbed(declaration),
            "floor": bench.floor(declaration, 2 * tenants),
        }
        if program:
            commands["nvflare"] = bench.nvflare(program, tenants)
        yield tenants, interleave(commands, runs, warm_up=tenants < 1000)


def beside_floor(bench: Bench, tenants: int, runs: int) -> Iterator[tuple[int, dict[str, Summary]]]:
    """Yield, by nodes per tenant, what a generation and its floor took."""
    for nodes in NODES_PER_TENANT:
        declaration = write_declaration(bench.inputs / f"wide-{nodes}.yaml", tenants, nodes)
        commands = {
            "flowerbed": bench.flowerbed(declaration),
            "floor": bench.floor(declaration, nodes * tenants),
        }
        yield nodes, interleave(commands, runs, warm_up=False)


def growth(bench: Bench, sizes: tuple[int, ...], runs: int) -> dict[int, Summary]:
    """Return what a generation took, by number of nodes."""
    commands = {
        str(2 * tenants): bench.flowerbed(write_declaration(bench.inputs / f"grow-{tenants}.yaml", tenants))
        for tenants in sizes
    }
    return {int(nodes): summary for nodes, summary in interleave(commands, runs, warm_up=False).items()}


def one_changed(bench: Bench, tenants: int, runs: int) -> dict[str, Summary]:
    """Return what a full generation took, and one after a change of the tenant in the middle, and after none.

    The changes: another value in its config; one node more, which needs a new key. Each also as the time of
    `bundles.generate` alone, inside its process.
    """
    kept, fresh = bench.folder / "kept", bench.folder / "fresh"
    full = write_declaration(bench.inputs / "full.yaml", tenants)
    file = write_declaration(bench.inputs / "changing.yaml", tenants)
    changed = {"node": 0, "value": 32}

    def change(what: str) -> None:
        changed[what] += 1
        write_declaration(file, tenants, changed=(changed["node"], changed["value"]))

    process = [sys.executable, "-m", "flowerbed", "generate", str(file), "-o", str(kept)]
    inside = [sys.executable, str(HERE / "inside.py")]
    subprocess.run(process, check=True, stdout=subprocess.DEVNULL)
    commands = {
        "full": bench.flowerbed(full),
        "value": Command(process, prepare=lambda: change("value")),
        "node": Command(process, prepare=lambda: change("node")),
        "nothing": Command(process),
        "full inside": Command(
            [*inside, str(full), str(fresh)],
            prepare=lambda: shutil.rmtree(fresh, ignore_errors=True),
            figure=float,
        ),
        "value inside": Command(
            [*inside, str(file), str(kept)], prepare=lambda: change("value"), figure=float
        ),
        "node inside": Command([*inside, str(file), str(kept)], prepare=lambda: change("node"), figure=float),
        "nothing inside": Command([*inside, str(file), str(kept)], figure=float),
    }
    return interleave(commands, runs)


def print_beside_nvflare(rows: dict[int, dict[str, Summary]]) -> None:
    """Print the first table."""
    print("\nNew bundles for tenants of 2 nodes, beside as many NVFLARE sites")
    headings = [
        "tenants",
        "flowerbed s",
        "floor s",
        "x floor",
        "x floor CPU",
        "nvflare s",
        "x nvflare",
        "flowerbed MB",
        "nvflare MB",
    ]
    print(table(headings, [_nvflare_row(tenants, row) for tenants, row in rows.items()]))


def _nvflare_row(tenants: int, row: dict[str, Summary]) -> list[str]:
    own, floor, other = row["flowerbed"], row["floor"], row.get("nvflare")
    return [
        str(tenants),
        f"{own.seconds:.2f}",
        f"{floor.seconds:.2f}",
        f"{own.seconds / floor.seconds:.2f}",
        f"{own.cpu_seconds / floor.cpu_seconds:.2f}",
        f"{other.seconds:.2f}" if other else "-",
        f"1/{other.seconds / own.seconds:.1f}" if other else "-",
        f"{own.peak_mb:.0f}",
        f"{other.peak_mb:.0f}" if other else "-",
    ]


def print_beside_floor(tenants: int, rows: dict[int, dict[str, Summary]]) -> None:
    """Print the second table."""
    print(f"\nNew bundles for {tenants} tenants, by their nodes")
    body = [
        [
            str(nodes),
            f"{row['flowerbed'].seconds:.2f}",
            f"{row['floor'].seconds:.2f}",
            f"{row['flowerbed'].seconds / row['floor'].seconds:.2f}",
            f"{row['flowerbed'].cpu_seconds / row['floor'].cpu_seconds:.2f}",
            f"{row['flowerbed'].peak_mb:.0f}",
        ]
        for nodes, row in rows.items()
    ]
    print(table(["nodes each", "flowerbed s", "floor s", "x floor", "x floor CPU", "MB"], body))


def print_growth(rows: dict[int, Summary]) -> dict[str, float]:
    """Print what a generation takes by number of nodes, and return the straight line through it."""
    print("\nNew bundles, by nodes (tenants of 2)")
    print(
        table(
            ["nodes", "s", "MB"], [[str(n), f"{s.seconds:.2f}", f"{s.peak_mb:.0f}"] for n, s in rows.items()]
        )
    )
    slope, intercept, r2 = linear_fit((nodes, summary.seconds) for nodes, summary in rows.items())
    print(f"line: {intercept:.2f} s + {slope * 1000:.3f} s per 1000 nodes, R2 {r2:.4f}")
    return {"seconds_per_node": slope, "seconds": intercept, "r_squared": r2}


def print_one_changed(title: str, rows: dict[str, Summary]) -> None:
    """Print what one change takes, as a part of a full generation."""
    print(f"\n{title}")
    full, inside = rows["full"], rows["full inside"]
    body = [
        [
            label,
            f"{rows[key].seconds:.3f}",
            f"1/{full.seconds / rows[key].seconds:.1f}",
            f"1/{full.cpu_seconds / rows[key].cpu_seconds:.1f}",
            f"{rows[f'{key} inside'].seconds:.3f}",
            f"1/{inside.seconds / rows[f'{key} inside'].seconds:.1f}",
        ]
        for key, label in CHANGES.items()
    ]
    print(table(["", "process s", "part", "CPU part", "generate() s", "part"], body))


def main() -> None:
    """Measure everything, print the tables and write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, default=MEMORY if MEMORY.is_dir() else None, help="where to write"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes only: seconds instead of minutes")
    options = parser.parse_args()
    many, fit, turns = (100, FIT[:3], QUICK_TURNS) if options.quick else (1000, FIT, TURNS)
    print(environment())
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, tempfile.TemporaryDirectory() as inputs:
        bench = Bench(Path(folder), Path(inputs))
        first = dict(beside_nvflare(bench, turns))
        print_beside_nvflare(first)
        second = dict(beside_floor(bench, many, 3))
        print_beside_floor(many, second)
        third = growth(bench, fit, 2)
        results["line"] = print_growth(third)
        fourth = one_changed(bench, many, 5)
        print_one_changed(f"One tenant of {many} changed, in {folder}", fourth)
    with tempfile.TemporaryDirectory(dir=HERE) as folder, tempfile.TemporaryDirectory() as inputs:
        fifth = one_changed(Bench(Path(folder), Path(inputs)), many, 3)
        print_one_changed(f"The same on the disk, in {folder}", fifth)
    results |= {
        "beside_nvflare": {tenants: _plain(row) for tenants, row in first.items()},
        "beside_floor": {nodes: _plain(row) for nodes, row in second.items()},
        "growth": _plain(third),
        "one_changed": {"memory": _plain(fourth), "disk": _plain(fifth)},
    }
    write_results("generate", results)


def _plain(row: Mapping[Any, Summary]) -> dict[str, object]:
    return {str(name): asdict(summary) for name, summary in row.items()}


if __name__ == "__main__":
    main()
