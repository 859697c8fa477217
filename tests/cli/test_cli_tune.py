"""`retrieve tune` from the command line: a gain that is kept, shown and taken back, and one that is not there."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from retrieve.cli import main

WORDS = [f"word{number}" for number in range(40)]


def _call(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(part) for part in arguments])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """Long documents that name a word often are relevant, which is far from what the defaults hold."""
    chance = random.Random(2)
    folder = tmp_path / "data"
    (folder / "qrels").mkdir(parents=True)
    rows, judged = [], ["query-id\tcorpus-id\tscore"]
    for number in range(40):
        for length, times in ((4, 1), (200, 6)):
            text = [WORDS[number]] * times + chance.choices(WORDS, k=length)
            rows.append({"_id": f"{number}-{length}", "text": " ".join(text)})
        judged.append(f"q{number}\t{number}-200\t1")
    queries = [{"_id": f"q{number}", "text": WORDS[number]} for number in range(40)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)) + "\n")
    (folder / "qrels/test.tsv").write_text("\n".join(judged) + "\n")
    return folder


def test_from_a_collection_to_defaults_and_back(collection: Path, tmp_path: Path) -> None:
    index = tmp_path / "i"
    _call("index", "create", index, collection, "--recipe", "bm25", "--set", "search.bm25.b=1")
    dry = json.loads(_call("tune", index, collection, "-m", "RR", "--dry-run", "--json").stdout)
    assert dry["gain"]["low"] > 0 and not dry["kept"] and dry["defaults"]["b"] == 1
    said = _call(
        "tune", index, collection / "queries.jsonl", collection / "qrels/test.tsv", "-m", "RR"
    ).stdout
    assert "these are its search defaults now" in said and "held out" in said
    info = json.loads(_call("index", "info", index, "--json").stdout)
    assert info["recipe"]["search"]["bm25"]["b"] == dry["chosen"]["b"] < 1
    assert info["tuned"]["queries"] == 40
    assert "tuned.measure\tRR" in _call("index", "info", index).stdout
    assert "stays as it was" in _call("tune", index, collection, "-m", "RR").stdout
    assert "are back" in _call("tune", index, "--reset").stdout
    assert json.loads(_call("index", "info", index, "--json").stdout)["recipe"]["search"]["bm25"]["b"] == 1


def test_what_is_wrong_is_said(collection: Path, tmp_path: Path) -> None:
    index = tmp_path / "i"
    _call("index", "create", index, collection, "--recipe", "bm25")
    assert "never tuned" in _call("tune", index, "--reset", status=2).output
    assert "wanted QUERIES" in _call("tune", index, status=2).output
    assert "nothing but INDEX" in _call("tune", index, collection, "--reset", status=2).output
    assert "leave out 'dry_run'" in _call("tune", index, "--reset", "--dry-run", status=2).output
    assert "21 folds of 40" in _call("tune", index, collection, "--folds", 21, status=2).output
    (collection / "queries.jsonl").write_text('{"_id": "q1", "text": "word1"}\n')
    assert "39 judged queries have no text" in _call("tune", index, collection, status=1).output
