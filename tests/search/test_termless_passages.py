"""Passages without a term, blank ones or of stop words and marks alone, are in no statistic of BM25."""

from __future__ import annotations

import json
import math
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from bm25_formula import oracle_of
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve import Document, Index
from retrieve.files import write_file
from retrieve.store.manifest import MANIFEST, Manifest, Totals, read_manifest

TERMLESS = ["", " ", "— — —", "the of and", "…!", "and\n\nthe"]
WORDS = ["wing", "flow", "heat", "the", "of", "—"]
QUERIES = ["wing", "flow heat heat", "the wing of heat", "—", "and the"]
K1, B = 1.2, 0.75


def _recipe(size: int | None = None) -> dict[str, Any]:
    """Whole documents, or windows of so many words, among which some are of stop words alone."""
    passages = {"mode": "whole"} if size is None else {"unit": "words", "size": size, "boundaries": "none"}
    return {"name": "t", "passages": passages, "bm25": {}}


def _answers(index: Index) -> list[list[tuple[str, float]]]:
    return [[(hit.doc_id, hit.score) for hit in index.search(text, k=100, k1=K1, b=B)] for text in QUERIES]


def _check(index: Index) -> None:
    """Every answer is what the formula makes of the live passages."""
    oracle = oracle_of(index)
    for text, ranking in zip(QUERIES, _answers(index), strict=True):
        oracle.check(ranking, text, 100, k1=K1, b=B)


def _documents(draw: random.Random, count: int) -> list[Document]:
    texts = (
        draw.choice(TERMLESS) if draw.random() < 0.5 else " ".join(draw.choices(WORDS, k=draw.randint(1, 12)))
        for _ in range(count)
    )
    return [Document(f"d{number}", text) for number, text in enumerate(texts)]


@pytest.mark.parametrize("filler", TERMLESS)
def test_a_score_by_hand(tmp_path: Path, filler: str) -> None:
    """One passage with a term among ten documents: N and df 1, its length the average: ln(1 + .5/1.5) / (1 + k1)."""
    with Index.create(tmp_path / "i", _recipe()) as index:
        with index.writer() as writer:
            writer.add([Document("a", "wing"), *(Document(f"e{number}", filler) for number in range(9))])
        assert index.search("wing", k1=K1, b=B)[0].score == pytest.approx(math.log(1 + 0.5 / 1.5) / (1 + K1))
        view = index.explain("wing", "a")["views"]["bm25"]
        assert (view["passages_with_terms"], view["average_length"]) == (1, 1.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 1, 2, 3]))
def test_segments_deletions_and_merges_score_as_the_formula_says(seed: int, size: int | None) -> None:
    """And as one segment of what is left, to the bit."""
    draw = random.Random(seed)
    documents = _documents(draw, draw.randint(1, 40))
    doomed = {document.id for document in documents if draw.random() < 0.3}
    cuts = sorted(draw.sample(range(len(documents)), min(len(documents), draw.randint(0, 9))))
    with tempfile.TemporaryDirectory() as folder:
        with Index.create(Path(folder) / "one", _recipe(size)) as index:
            with index.writer() as writer:
                writer.add(document for document in documents if document.id not in doomed)
            expected = _answers(index)
            _check(index)
        with Index.create(Path(folder) / "many", _recipe(size)) as index:
            for start, end in zip([0, *cuts], [*cuts, len(documents)], strict=True):
                with index.writer() as writer:
                    writer.add(documents[start:end])
            _check(index)
            for part in (sorted(doomed)[::2], sorted(doomed)[1::2]):
                with index.writer() as writer:
                    writer.delete(part)
            assert _answers(index) == expected
            index.merge()
            assert _answers(index) == expected
            assert index.verify() == []


@pytest.mark.parametrize("size", [None, 2])
def test_an_index_of_an_older_version_is_counted_when_it_is_searched(
    tmp_path: Path, size: int | None
) -> None:
    """Its manifest says how many passages it has, not how many of them have a term; what is added to it counts too."""
    documents = _documents(random.Random(3), 60)
    with Index.create(tmp_path / "i", _recipe(size)) as index:
        for start in (0, 20):
            with index.writer() as writer:
                writer.add(documents[start : start + 20])
        with index.writer() as writer:
            writer.delete(["d0", "d1", "d2", "d3", "d25"])
        expected = _answers(index)
    older = _without_count(read_manifest(index.path))
    assert b"termed" not in older.encode()
    write_file(index.path / MANIFEST, older.encode())
    assert read_manifest(index.path) == older
    with Index.open(index.path) as index:
        assert _answers(index) == expected
        _check(index)
        with index.writer() as writer:
            writer.add(documents[40:])
            writer.delete(["d4", "d5", "d6", "d26"])
        _check(index)
        expected = _answers(index)
        index.merge()
        assert _answers(index) == expected
        _check(index)
    counted = read_manifest(index.path).totals.termed
    assert counted is not None
    assert 0 < counted < read_manifest(index.path).totals.passages


def _without_count(manifest: Manifest) -> Manifest:
    """The same manifest in the form that had no count."""

    def strip(values: Any) -> Any:
        if isinstance(values, dict):
            return {key: strip(value) for key, value in values.items() if key != "termed"}
        return [strip(value) for value in values] if isinstance(values, list) else values

    return Manifest.model_validate(strip(json.loads(manifest.model_dump_json())))


def test_a_count_that_is_missing_stays_missing_in_sums() -> None:
    one, other = Totals(passages=3, termed=2), Totals(passages=2)
    assert one.plus(one) == Totals(passages=6, termed=4)
    assert one.minus(one) == Totals(termed=0)
    assert one.plus(other) == Totals(passages=5) == other.plus(one)
