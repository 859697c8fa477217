"""`--encoder` in place of the recipe's, for each view that has one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_calls import call
from tiny_models import tiny_encoder_folder

from retrieve.cli.options import with_runtime
from retrieve.recipe import load_recipe


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_an_index_and_a_benchmark_are_encoded_by_it(tmp_path: Path) -> None:
    data, model = tmp_path / "data", tiny_encoder_folder(tmp_path / "1")  # a name that is a number
    write_lines(data / "corpus.jsonl", [{"_id": "a", "text": "court law"}, {"_id": "b", "text": "heat flow"}])
    write_lines(data / "queries.jsonl", [{"_id": "q", "text": "court law"}])
    (data / "qrels").mkdir()
    (data / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t1\n", encoding="utf-8")
    call(
        "index",
        "create",
        "own",
        data / "corpus.jsonl",
        "--encoder",
        model.name,
        "--set",
        "passages.overlap=4",
    )
    info = json.loads(call("index", "info", "own", "--json").stdout)
    hits = json.loads(call("search", "own", "court law", "--using", "dense", "--json").stdout.splitlines()[0])
    report = json.loads(call("bench", data, "--recipe", "flat", "--encoder", model.name, "--json").stdout)
    assert info["encoder"]["fingerprint"] == report["encoder"]["fingerprint"]
    assert report["settings"]["dense"]["model"] == "1"
    assert report["RR@10"] == 1
    assert hits


def test_every_view_with_an_encoder_is_told() -> None:
    found = with_runtime("uhd-hybrid", (), None, "int8", 'größe "x"')
    views = [name for name in load_recipe("uhd-hybrid").views if name != "bm25"]
    assert found == tuple(
        setting for view in views for setting in (f'{view}.model="größe \\"x\\""', f'{view}.precision="int8"')
    )
    section = load_recipe("uhd-hybrid", found).encoding
    assert section is not None
    assert section.model == 'größe "x"'


def test_a_recipe_without_an_encoder_takes_none() -> None:
    said = call("index", "create", "words", "--recipe", "bm25", "--encoder", "1", status=2).stderr
    assert "has no view with an encoder: leave out --encoder" in said
