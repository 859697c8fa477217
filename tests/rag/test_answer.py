"""Answers: what a generator is asked and cites, and what is quoted without one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieve import Index, UsageError
from retrieve.rag import Answer, answer

RECIPE = {"name": "windows", "passages": {"unit": "words", "size": 30, "overlap": 5}, "bm25": {}}
DOCUMENTS = [
    {
        "id": "air",
        "title": "Carriage by air",
        "year": 1999,
        "text": "It has a scope. The carrier is liable for the death of a passenger. Baggage is carried too.",
    },
    {"id": "sea", "year": 1974, "text": "A ship sails. The carrier at sea is liable for faults.\n\nIt pays."},
    {"id": "twin", "year": 1975, "text": "The carrier at sea  is liable for faults."},
    {"id": "cooking", "year": 2001, "text": "Bread is baked of flour."},
]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "index", RECIPE) as index:
        index.add(DOCUMENTS)
        yield index


def check_places(index: Index, given: Answer) -> None:
    """Every citation, quote and piece points at text that is there."""
    for citation in given.citations:
        assert given.text[citation.start : citation.end].startswith("[")
        assert citation.source in given.context.sources
    for source in given.context.sources:
        document = index.get(source.doc_id)
        assert document is not None
        assert source.pieces
        assert all(document.text[piece.start : piece.end] == piece.text for piece in source.pieces)
    for quote in given.quotes:
        document = index.get(quote.doc_id)
        assert document is not None and document.text[quote.start : quote.end] == quote.text
        source = given.context.sources[quote.number - 1]
        assert source.doc_id == quote.doc_id
        assert any(piece.start <= quote.start and quote.end <= piece.end for piece in source.pieces)


def test_a_generator_gets_the_sources_and_its_citations_are_checked(index: Index) -> None:
    asked: list[str] = []

    def generate(prompt: str) -> str:
        asked.append(prompt)
        return "For death [1] and faults [2, 9]. Not for {bread} [12]."

    given = answer("When is the carrier {liable}?", index, generate)
    assert asked == [given.prompt]
    assert given.context.text in asked[0] and "Question: When is the carrier {liable}?\n" in asked[0]
    assert given.context.text.startswith("[1]\n")
    assert [(one.number, one.source.doc_id) for one in given.citations if one.source] == [
        (number, given.context.sources[number - 1].doc_id) for number in (1, 2)
    ]
    assert [(one.number, given.text[one.start : one.end]) for one in given.unknown] == [
        (9, "[2, 9]"),
        (12, "[12]"),
    ]
    assert given.quotes == ()
    check_places(index, given)


def test_without_a_generator_the_best_sentences_are_quoted(index: Index) -> None:
    given = answer("liability of a carrier for a passenger's death", index)
    assert given.quotes[0].text == "The carrier is liable for the death of a passenger."
    assert " ".join(given.quotes[1].text.split()) == "The carrier at sea is liable for faults."
    assert len(given.quotes) == 2  # what the twin says is said, and nothing else has a word of the question
    assert given.text == " ".join(f"{' '.join(q.text.split())} [{q.number}]" for q in given.quotes)
    assert [given.text[one.start : one.end] for one in given.citations] == [
        f"[{q.number}]" for q in given.quotes
    ]
    assert given.prompt is None and given.unknown == ()
    check_places(index, given)


def test_a_question_in_no_sentence_gets_the_first_of_the_best_passage(
    tmp_path: Path, tiny_encoder: Path
) -> None:
    recipe = {"name": "dense", "dense": {"model": str(tiny_encoder)}}
    with Index.create(tmp_path / "index", recipe, cache=False) as index:
        index.add(DOCUMENTS)
        best = index.search("unknown words", 1)[0]
        given = answer("unknown words", index)
        assert [quote.doc_id for quote in given.quotes] == [best.doc_id]
        assert best.passages[0].text.startswith(given.quotes[0].text)
        check_places(index, given)


def test_nothing_found_nothing_asked(index: Index) -> None:
    def generate(prompt: str) -> str:
        raise AssertionError(prompt)

    for given in (answer("zebra", index, generate), answer("zebra", index)):
        assert (given.text, given.citations, given.context.sources, given.prompt) == ("", (), (), None)


def test_filters_and_options_are_those_of_a_search(index: Index) -> None:
    given = answer("carrier", index, where={"year": 1974}, k=5, using="bm25", k1=1.2)
    assert [source.doc_id for source in given.context.sources] == ["sea"]
    assert len(answer("carrier", index, k=1).context.sources) == 1
    assert answer("carrier", index, budget=25, count=lambda text: len(text.split())).context.tokens <= 25
    with pytest.raises(UsageError, match="unknown search options"):
        answer("carrier", index, top_k=3)  # type: ignore[call-arg]


def test_what_cannot_work_is_refused(index: Index) -> None:
    with pytest.raises(UsageError, match="of passages"):
        answer("carrier", index, unit="document")
    with pytest.raises(UsageError, match="wanted a function"):
        answer("carrier", index, "model")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"generate gave dict.*content"):
        answer("carrier", index, lambda prompt: {"text": prompt})  # type: ignore[arg-type,return-value]
    with pytest.raises(UsageError, match="at least one word"):
        answer(" ", index)


@pytest.mark.data
@pytest.mark.skipif("RETRIEVE_DATA" not in os.environ, reason="RETRIEVE_DATA is not set")
def test_every_citation_over_pubmedqa_points_at_text_that_is_there(tmp_path: Path) -> None:
    """200 questions, quoted, and answered by a generator that cites each source it is shown and one that it is not."""
    folder = Path(os.environ["RETRIEVE_DATA"]) / "pubmedqa"
    with Index.create(tmp_path / "index", RECIPE) as index:
        with (folder / "corpus.jsonl").open(encoding="utf-8") as file:
            index.add(json.loads(line) for line in file)
        with (folder / "questions.jsonl").open(encoding="utf-8") as file:
            questions = [json.loads(line) for line, _ in zip(file, range(200), strict=False)]
        own = 0
        for question in questions:
            quoted = answer(question["question"], index, budget=600)
            assert 1 <= len(quoted.citations) == len(quoted.quotes) <= 3
            check_places(index, quoted)
            shown = len(quoted.context.sources)
            cited = f"It is said {list(range(1, shown + 2))}."
            given = answer(question["question"], index, lambda prompt, cited=cited: cited, budget=600)
            assert given.context == quoted.context and given.context.tokens <= 600
            assert [one.number for one in given.citations] == list(range(1, shown + 1))
            assert [one.number for one in given.unknown] == [shown + 1]
            own += quoted.quotes[0].doc_id.split("-")[0] == question["id"]
        assert (
            own >= 160
        )  # the best sentence is from the question's own abstract: 176 times when this was written
