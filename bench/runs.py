"""How long a list takes once many runs are kept: `flowerbed runs` beside `flwr ls`.

    python bench/runs.py [--kept N] [--records N] [--runs N]

A SuperLink on loopback, with TLS, keeps N runs in SQLite (one real run, its rows copied), and the folder of
records holds N records of them. Whole processes, in turn. Meant to hold: below a second with 5,000 runs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from measure import BenchError, Command, Summary, environment, interleave, run_once, table, write_results
from submit import BIN, LIMIT, QUIET, commands, superlink

SECONDS = 1.0


def copies(database: Path, count: int) -> list[int]:
    """Add copies of the only run that a SuperLink keeps until it keeps `count`; return the ids of all."""
    with sqlite3.connect(database) as opened:
        opened.row_factory = sqlite3.Row
        runs = opened.execute("SELECT * FROM run").fetchall()
        if len(runs) != 1:
            raise BenchError(f"{len(runs)} runs where one was submitted")
        (run,) = runs
        (task,) = opened.execute("SELECT * FROM task WHERE task_id = ?", [run["primary_task_id"]]).fetchall()
        for number in range(1, count):
            new = {"run_id": run["run_id"] + number, "task_id": task["task_id"] + number}
            _insert(opened, "task", {**task, **new, "token": None})
            changed = {"run_id": new["run_id"], "primary_task_id": new["task_id"]}
            _insert(opened, "run", {**run, **changed})
        found = [int(row["run_id"]) for row in opened.execute("SELECT run_id FROM run")]
    # Flower keeps its unsigned ids as SQLite's signed integers (flwr 1.41).
    return [number % 2**64 for number in found]


def _insert(opened: sqlite3.Connection, name: str, row: dict[str, object]) -> None:
    places = ", ".join("?" * len(row))
    opened.execute(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({places})", list(row.values()))


def records(root: Path, first: str, runs: list[int], count: int) -> None:
    """Copy the record of one run for others."""
    text = (root / first / "record.json").read_text()
    for number in [one for one in runs if str(one) != first][:count]:
        folder = root / str(number)
        shutil.copytree(root / first, folder)
        (folder / "record.json").write_text(text.replace(first, str(number)))


def main() -> int:
    """Fill, measure, print, write; 1 if the list takes longer than is meant to hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kept", type=int, default=5000, metavar="N", help="runs (default: 5000)")
    parser.add_argument("--records", type=int, default=5000, metavar="N", help="records (default: 5000)")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="turns (default: 5)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "state.db"
        with superlink(folder, database) as port:
            first = run_once(commands(folder, port)["flowerbed submit"]).output.strip()
        kept = copies(database, given.kept)
        with superlink(folder, database) as port:
            found = interleave(lists(folder, port, first, kept, given.records), given.runs)
    return report(found, given.kept, given.records)


def lists(folder: Path, port: int, first: str, kept: list[int], count: int) -> dict[str, Command]:
    """Return what is measured, by name."""
    commands(folder, port)  # a home of `flwr` with this port
    roots, root = str(folder / "ca.crt"), folder / "runs"
    connection = folder / "connection.toml"
    connection.write_text(f'[superlink]\naddress = "localhost:{port}"\nroot-certificates = "{roots}"\n')
    flowerbed, where = str(BIN / "flowerbed"), ["--connection", str(connection)]
    run_once(Command([flowerbed, "report", first, *where, "--records", str(root)], limit=LIMIT))
    records(root, first, kept, count)
    ours = [flowerbed, "runs", *where, "--records", str(root)]
    home = {**QUIET, "FLWR_HOME": str(folder / "home")}
    flwr = Command([str(BIN / "flwr"), "ls", "bench"], env=home, limit=LIMIT)

    def expect(number: int) -> Command:
        def check(output: str) -> None:
            if len(json.loads(output)) != number:
                raise BenchError(f"not {number} runs: {output[:300]}")

        return Command([*ours, "--json", "--limit", str(number)], check=check, limit=LIMIT)

    return {
        "flowerbed runs": Command(ours, limit=LIMIT),
        f"flowerbed runs --limit {len(kept)} --json": expect(len(kept)),
        "flwr ls": flwr,
    }


def report(found: dict[str, Summary], kept: int, count: int) -> int:
    """Print the table and write the figures."""
    flwr = found["flwr ls"]
    rows = [
        (
            name,
            f"{one.seconds:.2f}",
            f"{one.cpu_seconds:.2f}",
            f"{one.peak_mb:.0f}",
            f"{one.seconds / flwr.seconds:.2f}",
        )
        for name, one in found.items()
    ]
    print(f"A list where {kept} runs and {count} records are kept ({environment()})\n")
    print(table(("program", "s", "CPU s", "peak MB", "to flwr ls"), rows))
    write_results(
        "runs", {"kept": kept, "records": count, "programs": {k: asdict(v) for k, v in found.items()}}
    )
    return 1 if found["flowerbed runs"].seconds > SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
