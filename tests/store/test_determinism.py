"""The same corpus and recipe give the same bytes: in another process, from another path, in other batches of adding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from store_index import documents, lexical_recipe, make, own_recipe, segment_files, vectors
from tiny_models import tiny_encoder_folder

from retrieve import Document, Index
from retrieve.store.manifest import read_manifest

_BUILD = """
import json, sys
from retrieve import Index
folder, source, model = sys.argv[1:]
recipe = {"name": "t", "bm25": {}, "dense": {"model": model, "backend": "torch"}}
recipe |= {"segments": {"passages": 20}, "filters": {"fields": ["tags"]}}
with Index.create(folder, recipe) as index, index.writer() as writer:
    writer.add(json.loads(line) for line in open(source, encoding="utf-8"))
"""


@pytest.mark.long
def test_two_processes_give_the_same_bytes(tmp_path: Path) -> None:
    """Another hash seed, another source path, another folder of the same encoder: only its name may differ."""
    built, running = [], []
    for number in (1, 2):
        place = tmp_path / f"place-{number}"
        model = tiny_encoder_folder(place / "encoder")
        source = place / "documents.jsonl"
        with source.open("w", encoding="utf-8") as file:
            for row in documents(50):
                tags = '["b", "a", "ü"]' if row.metadata["number"] % 3 else '"x"'
                file.write(f'{{"_id": "{row.id}", "text": "{row.text}", "metadata": {{"tags": {tags}}}}}\n')
        environment = {**os.environ, "PYTHONHASHSEED": str(number)}
        arguments = [str(place / "a.index"), str(source), str(model)]
        running.append(subprocess.Popen([sys.executable, "-c", _BUILD, *arguments], env=environment))
        built.append(place / "a.index")
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    first, second = (segment_files(folder) for folder in built)
    assert first == second
    assert len({name.split("/")[1] for name in first}) > 1
    one, other = (read_manifest(folder) for folder in built)
    assert (one.segments, one.recipe_digest) == (other.segments, other.recipe_digest)


@pytest.mark.parametrize("recipe", [lexical_recipe(7), own_recipe(7)])
def test_how_the_documents_are_handed_over_changes_nothing(tmp_path: Path, recipe: dict[str, object]) -> None:
    rows, own = documents(40), vectors(40)
    dense = "dense" in recipe
    whole = make(tmp_path / "whole.index", recipe, rows, own if dense else None)
    with Index.create(tmp_path / "pieces.index", recipe) as pieces, pieces.writer() as writer:
        for start in range(0, 40, 3):
            writer.add(rows[start : start + 3], own[start : start + 3] if dense else None)
    assert segment_files(pieces.path) == segment_files(whole.path)
    assert (pieces.path / "manifest.json").read_bytes() == (whole.path / "manifest.json").read_bytes()


def test_a_merged_index_is_the_one_built_of_what_is_left(tmp_path: Path) -> None:
    """Tables, postings and vectors are those of a fresh index; only the segment's name tells them apart."""
    rows, own = documents(40), vectors(40)
    index = make(tmp_path / "a.index", own_recipe(9), rows[20:], own[20:])
    with index.writer() as writer:
        writer.add(rows[:20], own[:20])
        writer.add([Document("d0007", "something else entirely")], vectors(1, seed=3))
        writer.delete([f"d{number:04}" for number in range(0, 40, 5)])
    left = [row for row in rows if row.metadata["number"] % 5]
    left[left.index(rows[7])] = Document("d0007", "something else entirely")
    kept = [vectors(1, seed=3)[0] if row.id == "d0007" else own[int(row.id[1:])] for row in left]
    with make(tmp_path / "one.index", own_recipe(100), left, kept) as fresh:
        wanted = {name.split("/", 2)[2]: data for name, data in segment_files(fresh.path).items()}
    # A larger limit would be another recipe, so the merged index is told its own.
    object.__setattr__(index.recipe, "segments", index.recipe.segments.model_copy(update={"passages": 100}))
    index.merge()
    found = {name.split("/", 2)[2]: data for name, data in segment_files(index.path).items()}
    assert found == wanted
