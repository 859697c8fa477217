"""Contexts: within the budget, every piece where it says it is, nothing twice, and what is left out is told."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieve import Hit, Index, PassageHit, UsageError
from retrieve.rag import Context, Omitted, Piece, context
from retrieve.rag.packing import GAP

TEXTS = {
    "a": "".join(f"Sentence {number} of a says {'x' * (number % 7)}. " for number in range(30)),
    "b": "".join(f"The {number}. paragraph of b is long, è vero? " for number in range(30)),
    "c": "One sentence alone.",
}
TITLES = {"a": "The first", "b": "", "c": "Third"}


def words(text: str) -> int:
    return len(text.split())


def hit(doc_id: str, *spans: tuple[int, int]) -> Hit:
    text = TEXTS[doc_id]
    passages = tuple(PassageHit(start, end, 0, text[start:end], 1.0) for start, end in spans)
    return Hit(doc_id, 1.0, 1, TITLES[doc_id], {"of": doc_id}, passages)


@st.composite
def hits(draw: st.DrawFn) -> list[Hit]:
    made = []
    for doc_id in draw(st.lists(st.sampled_from("abc"), max_size=8)):
        length = len(TEXTS[doc_id])
        spans = (
            st.tuples(st.integers(0, length), st.integers(0, length))
            .map(sorted)
            .filter(lambda s: s[0] < s[1])
        )
        made.append(hit(doc_id, *draw(st.lists(spans, min_size=1, max_size=3))))  # type: ignore[arg-type]
    return made


def shown(packed: Context) -> dict[str, set[int]]:
    """The characters of each document that a context shows."""
    return {
        source.doc_id: {at for piece in source.pieces for at in range(piece.start, piece.end)}
        for source in packed.sources
    }


@given(hits(), st.integers(1, 400))
def test_a_context_keeps_its_promises(found: list[Hit], budget: int) -> None:
    try:
        packed = context(found, budget, count=words)
    except UsageError as error:
        assert "not even its first sentence" in str(error)
        return
    assert packed.tokens == words(packed.text) <= budget
    assert [source.number for source in packed.sources] == list(range(1, len(packed.sources) + 1))
    order = list(dict.fromkeys(one.doc_id for one in found))
    assert [source.doc_id for source in packed.sources] == [one for one in order if one in shown(packed)]
    for source in packed.sources:
        assert (source.title, source.metadata) == (TITLES[source.doc_id], {"of": source.doc_id})
        for piece in source.pieces:
            assert piece.text == TEXTS[source.doc_id][piece.start : piece.end] and piece.text
            assert piece.text.strip() in packed.text
        assert all(before.end < after.start for before, after in pairwise(source.pieces))
    left = {
        (one.doc_id, at)
        for one in packed.omitted
        if one.reason == "budget"
        for at in range(one.start, one.end)
    }
    there = {(doc_id, at) for doc_id, places in shown(packed).items() for at in places}
    wanted = {
        (one.doc_id, at)
        for one in found
        for passage in one.passages
        for at in range(passage.start, passage.end)
    }
    texts = {" ".join(piece.text.split()) for source in packed.sources for piece in source.pieces}
    repeated = {
        (one.doc_id, at)
        for one in packed.omitted
        if one.reason == "duplicate"
        for at in range(one.start, one.end)
    }
    assert there <= wanted <= there | left | repeated
    assert texts or not found


@given(hits(), st.integers(1, 200), st.integers(0, 200))
def test_a_larger_budget_shows_all_that_a_smaller_one_does(found: list[Hit], budget: int, more: int) -> None:
    try:
        small = context(found, budget, count=words)
    except UsageError:
        return
    large = shown(context(found, budget + more, count=words))
    assert all(places <= large[doc_id] for doc_id, places in shown(small).items())


def test_passages_that_touch_or_overlap_are_one_piece() -> None:
    packed = context([hit("a", (60, 100)), hit("a", (0, 40), (30, 60)), hit("a", (200, 230))])
    (source,) = packed.sources
    assert source.pieces == (Piece(0, 100, TEXTS["a"][:100]), Piece(200, 230, TEXTS["a"][200:230]))
    assert packed.text == f"[1] The first\n{TEXTS['a'][:100].strip()}\n{GAP}\n{TEXTS['a'][200:230].strip()}"


def test_a_text_that_is_there_is_not_shown_again_in_another_document() -> None:
    text = "One sentence\n alone."
    twin = Hit("d", 0.5, 2, passages=(PassageHit(0, len(text), 0, text, 0.5),))
    packed = context([hit("c", (0, 19)), twin, hit("c", (0, 12)), hit("b", (0, 10))])
    assert [source.doc_id for source in packed.sources] == ["c", "b"]
    assert packed.omitted == (Omitted("d", 0, len(text), "duplicate"), Omitted("c", 0, 12, "duplicate"))


def test_of_the_first_that_does_not_fit_the_leading_sentences_are_shown() -> None:
    whole = context([hit("c", (0, 19))], count=words).tokens
    end = TEXTS["a"].index(" Sentence 3")
    budget = whole + 3 + words(TEXTS["a"][:end])  # its heading is "[2] The first"
    for spare in (0, 5):  # the next sentence has six words
        packed = context(
            [hit("c", (0, 19)), hit("a", (0, 200)), hit("b", (0, 5))], budget + spare, count=words
        )
        assert packed.sources[1].pieces == (Piece(0, end, TEXTS["a"][:end]),)
        assert packed.omitted == (Omitted("a", end, 200, "budget"), Omitted("b", 0, 5, "budget"))
        assert packed.tokens == budget


def test_no_hits_no_context() -> None:
    assert context([]) == Context("", (), 0, 2000)


def test_tokens_are_estimated_by_bytes_unless_they_are_counted() -> None:
    packed = context([hit("b", (0, 100))])
    assert packed.tokens == -(-len(packed.text.encode()) // 4)


def test_what_cannot_be_packed_is_refused() -> None:
    for budget in (0, -1, 2.5, True):
        with pytest.raises(UsageError, match="whole number of tokens"):
            context([], budget)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not even its first sentence"):
        context([hit("a", (0, 200))], 4, count=words)
    with pytest.raises(UsageError, match="passages=1"):
        context([Hit("a", 1.0, 1)])
    with pytest.raises(UsageError, match=r"write \[hit\]"):
        context(hit("a", (0, 5)))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="of type str"):
        context(["a"])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="offsets 0 to 5"):
        context([Hit("a", 1.0, 1, passages=(PassageHit(0, 5, 0, "abc", 1.0),))])


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    recipe = {"name": "windows", "passages": {"unit": "words", "size": 20, "overlap": 5}, "bm25": {}}
    with Index.create(tmp_path / "index", recipe) as index:
        index.add([{"id": doc_id, "text": text, "title": TITLES[doc_id]} for doc_id, text in TEXTS.items()])
        yield index


@pytest.mark.parametrize("unit", ["document", "passage"])
def test_what_a_search_gives_is_found_again_in_its_documents(index: Index, unit: str) -> None:
    packed = context(index.search("long sentence alone", 20, unit=unit), 10_000)  # type: ignore[arg-type]
    assert {source.doc_id for source in packed.sources} == set(TEXTS)
    for source in packed.sources:
        document = index.get(source.doc_id)
        assert document is not None
        assert all(document.text[piece.start : piece.end] == piece.text for piece in source.pieces)
    if unit == "passage":  # all windows, which overlap: each document is there once, from end to end
        assert [len(source.pieces) for source in packed.sources] == [1, 1, 1]
