"""What an app's code names: files that Flower leaves out, and records that it gave up."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.flower.app.app import load
from support.apps import CLIENT, client, write_app


def test_data_that_the_code_names_is_wanted(tmp_path: Path) -> None:
    """No advice that would take it from the app; data beside it that nothing names is told as before."""
    large = "0" * 1024 * 1024
    named = client('DATA = ROOT / "train.json"')
    files = {"tiny/data/train.json": large, "tiny/old/other.json": large, **named}
    [told] = load(write_app(tmp_path, files)).warnings
    assert told.startswith("tiny/old/ holds data")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('LABELS = open("labels.m")', "tiny/labels.m"),
        ('LABELS = Path(__file__).parent / "labels.m"', "tiny/labels.m"),
        ('DATA = read_csv("./data/train.csv")', "data/train.csv"),
        ('DATA = ROOT / "train.csv"', "data/train.csv"),
        ('KNOWN = open("data/known.json")', ""),
        ('TEXT = "labels.n"', ""),
        # What the code writes is there from an earlier run.
        ('torch.save(model.state_dict(), "labels.m")', ""),
        ('np.savez("./data/train.csv", weights)', ""),
        ('open("labels.m", "a").write(text)', ""),
        ('open("labels.m", mode="wb")', ""),
        ('Path("data/train.csv").write_text(text)', ""),
        ('place = ROOT / "train.csv"; frame.to_csv(place)', ""),
        ('json.dump(known, open(os.path.join(out, "labels.m"), "w"))', ""),
        # The controls: what is read, and what is read from a path and then saved elsewhere.
        ('open("labels.m", "rb")', "tiny/labels.m"),
        ('model = load("labels.m"); torch.save(model, "other.m")', "tiny/labels.m"),
    ],
)
def test_a_file_that_code_names_and_flower_leaves_out_is_told(tmp_path: Path, line: str, told: str) -> None:
    """A literal path is a hint, no more: a warning with place and rule."""
    files = {"tiny/labels.m": "", "data/train.csv": "", "data/known.json": "{}"}
    files["tiny/client.py"] = f"import tiny\ndef load():\n    {line}\n{CLIENT}"
    found = load(write_app(tmp_path, files)).warnings
    assert [warning.startswith("tiny/client.py:3 names ") for warning in found] == [True] * bool(told)
    assert all(f"but {told} does not get into the FAB: Flower packs no such files" in text for text in found)


def test_records_that_flower_gave_up_are_told(tmp_path: Path) -> None:
    """Flower's own registry does not know them; what only names them in an annotation is left alone."""
    from flwr.supercore.inflatable.inflatable_utils import inflatable_class_registry

    from flowerbed.flower.app.reads import RENAMED

    assert not set(RENAMED) & set(inflatable_class_registry)
    assert set(RENAMED.values()) <= set(inflatable_class_registry)
    write_app(tmp_path, client("from flwr.common import RecordSet as R\ndef f(x: R):\n    return R()"))
    assert load(tmp_path).warnings == (
        "tiny/client.py:3 makes a RecordSet, which Flower cannot send in a message: use RecordDict",
    )
    write_app(tmp_path, client("from flwr.common import RecordSet as R\ndef f(x: R):\n    return x"))
    assert load(tmp_path).warnings == ()
