"""Snippets and highlights: where the words are, in plain text, for what a search found, and only when looked at."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_index import make_index, toy_recipe, unit_vectors

from retrieve import Document, Hit, Index, Query, UsageError
from retrieve.recipe import BM25
from retrieve.search import snippets
from retrieve.search.snippets import WIDTH, QueryWords
from retrieve.text.analyze import Analyzer
from retrieve.types import Excerpt, Hits, PassageHit

FILLER = "Member States shall communicate the text of these provisions to the Commission without any delay. "
SENTENCE = "A carrier by air is liable for lost baggage."
LONG = Document(
    "long", FILLER * 300 + SENTENCE + " " + FILLER * 20, "Act on <b>carriers</b> & co", {"year": 1999}
)
OTHERS = [
    Document("pages", "First page.\fSecond page.\fThe wagon is railway property. It is blue.\fLast page."),
    Document("zh", "我们讨论法律。航空运输承运人的责任很大。其他内容。"),
    Document("ar", "نص اول. مسؤولية الناقل الجوي عن الأضرار. نص آخر."),
    Document("ru", "Введение сюда. Ответственность перевозчика велика."),
    Document("parted", "A respon\u00ad\u00adsible owner\x1b[31m pays.\u202e It is so."),
    Document("bare", "", "Untexted heading"),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with Index.create(tmp_path_factory.mktemp("snippets") / "index", "bm25") as index:
        index.add([LONG, *OTHERS])
        yield index


def hit_of(text: str, query: str) -> Hit:
    """A hit of one passage that is the whole text."""
    return Hit(
        "d",
        1.0,
        1,
        passages=(PassageHit(0, len(text), 0, text, 1.0),),
        shows=QueryWords(query, BM25()),
    )


def test_a_long_document_shows_the_sentence_with_the_words(index: Index) -> None:
    (hit,) = index.search("liability of carriers for baggage")
    assert len(LONG.text.split()) > 4_800
    assert SENTENCE in hit.snippet
    assert len(hit.snippet) <= WIDTH
    assert [part.text for part in hit.excerpt.text if part.found] == ["carrier", "baggage"]
    assert [part.text for part in hit.excerpt.title if part.found] == ["carriers"]
    assert [LONG.text[start:end] for start, end in hit.highlights] == ["carrier", "baggage"]
    assert hit.excerpt.place == ""  # the only passage of a document without pages


@pytest.mark.parametrize(
    ("query", "doc_id", "words", "shown"),
    [
        ("承运人", "zh", ["承运人"], "航空运输承运人的责任很大。"),
        ("الناقل", "ar", ["الناقل"], "مسؤولية الناقل الجوي عن الأضرار."),
        ("перевозчика", "ru", ["перевозчика"], "Ответственность перевозчика велика."),
        ("responsible", "parted", ["respon\u00ad\u00adsible"], "A responsible owner [31m pays. It is so."),
    ],
)
def test_words_of_several_scripts(
    index: Index, query: str, doc_id: str, words: list[str], shown: str
) -> None:
    (hit,) = index.search(query)
    document = index.get(doc_id)
    assert document is not None and hit.doc_id == doc_id
    assert [document.text[start:end] for start, end in hit.highlights] == words
    assert shown in hit.snippet


def test_a_snippet_joins_nothing_across_pages(tmp_path: Path) -> None:
    """Head and foot of pages stood in the middle of what was quoted, under the number of the first page."""
    text = (
        "Lease of Unit 7\nThe rent is payable on the usual quarter days.\nPage 1 of 3\f"
        "Lease of Unit 7\nThe rent shall be reviewed by a surveyor at each\nPage 2 of 3\f"
        "Lease of Unit 7\nanniversary of this lease. Nothing else is agreed.\nPage 3 of 3"
    )
    with Index.create(tmp_path / "i", "bm25") as index:
        index.add([Document("lease", text)])
        (hit,) = index.search("reviewed by a surveyor")
        assert hit.excerpt.place == "page 2"
        assert "reviewed" in hit.snippet
        assert "Page 1" not in hit.snippet
        (hit,) = index.search("quarter surveyor anniversary")
        assert hit.excerpt.place == "pages 1–3"
        assert "Page 2 of 3 Lease" not in hit.snippet


def test_the_page_is_that_of_the_words(index: Index) -> None:
    (hit,) = index.search("railway wagon")
    assert hit.excerpt.place == "page 3"
    assert hit.passages[0].page == 1
    assert hit.snippet.startswith("The wagon is railway property.")


def test_the_place_among_several_passages(tmp_path: Path) -> None:
    words = " ".join(f"word{number}" for number in range(60))
    recipe = {
        "name": "toy",
        "passages": {"unit": "words", "size": 10, "overlap": 5, "boundaries": "none"},
        "bm25": {},
    }
    with make_index(tmp_path / "index", [Document("d", words)], None, recipe) as index:
        (hit,) = index.search("word33")
        assert hit.passage_count == len(index.passages("d")) > 6
        assert hit.excerpt.place == f"passage {hit.passages[0].position + 1} of {hit.passage_count}"
        shared = [passage for passage in hit.passages if "word33" in passage.text]
        assert len(shared) == 2  # they overlap: the word is marked once
        assert [words[start:end] for start, end in hit.highlights] == ["word33"]
        (passage, *_) = index.search("word33", unit="passage")
        assert passage.excerpt.place == f"passage {passage.passages[0].position + 1} of {hit.passage_count}"


def test_a_passage_without_the_words_shows_how_it_begins(tmp_path: Path) -> None:
    documents = [Document("a", "wing flow heat. " * 60), Document("b", "law court")]
    vectors = [unit_vectors(30, 1), unit_vectors(1, 2)]
    with make_index(tmp_path / "index", documents, vectors, toy_recipe(views=("dense",))) as index:
        for hit in index.search(vector=unit_vectors(1, 1)[0]):
            assert hit.highlights == ()
            assert hit.snippet and hit.passages[0].text.startswith(hit.snippet.removesuffix(" …"))
            assert not any(part.found for part in hit.excerpt.text)


def test_a_document_that_is_all_title(index: Index) -> None:
    (hit,) = index.search("untexted")
    assert (hit.snippet, hit.highlights) == ("", ())
    assert [part.text for part in hit.excerpt.title if part.found] == ["Untexted"]
    (none,) = index.search("untexted", passages=0)
    assert none.excerpt.text == ()


def test_a_sentence_without_end_is_cut_between_words() -> None:
    text = "alpha " * 500 + "needle in the haystack " + "omega " * 500
    hit = hit_of(text, "haystack needles")
    assert hit.snippet.startswith("… alpha") and hit.snippet.endswith("omega …")
    assert "needle in the haystack" in hit.snippet
    assert len(hit.snippet) <= WIDTH + 4
    assert set(hit.snippet.split()) == {"…", "alpha", "needle", "in", "the", "haystack", "omega"}


def test_a_list_shows_the_items_with_the_words() -> None:
    items = [f"({number})\nitem about cargo and mail and fuel;" for number in range(40)]
    text = "The rules are:\n" + "\n".join([*items, "(x)\na carrier is liable;", *items]) + "\nand so on."
    hit = hit_of(text, "liable carrier")
    assert "(x) a carrier is liable;" in hit.snippet
    assert hit.snippet.startswith("… ") and hit.snippet.endswith(" …")
    assert len(hit.snippet) <= WIDTH + 4


def test_the_densest_part_of_a_long_sentence_is_shown() -> None:
    text = "law " * 300 + "and " * 200 + "court and law" + " and" * 300
    assert "court and law" in hit_of(text, "law court").snippet


def test_a_word_longer_than_a_snippet() -> None:
    assert len(hit_of("x" * 10_000, "law").snippet) <= WIDTH + 2
    assert hit_of("x" * 10_000, "x" * 10_000).highlights == ((0, 10_000),)


def test_sentences_said_twice_are_shown_once() -> None:
    text = "The carrier pays. Something else. The carrier pays. A ship is a carrier too."
    assert hit_of(text, "carrier").snippet.count("The carrier pays.") == 1


@given(
    st.lists(
        st.sampled_from(
            ["law", "Court.", "acts", "\n", "\x07", "\f", "法律。", "é", "…", "<", "\u202e", "w" * 80]
        ),
        max_size=200,
    ),
    st.sampled_from(["law", "court law", "法律", "zebra"]),
    st.sampled_from([" ", ""]),
)
def test_every_snippet_is_plain_and_marks_words_of_the_query(
    words: list[str], query: str, space: str
) -> None:
    text = space.join(words)
    hit = hit_of(text, query)
    analyzer = Analyzer()
    wanted = set(analyzer.terms(query))
    excerpt = hit.excerpt
    assert hit.snippet == "".join(part.text for part in excerpt.text)
    assert hit.snippet == "" or hit.snippet.isprintable()
    assert "  " not in hit.snippet
    assert len(hit.snippet) <= max(WIDTH, *(end - start for start, end in hit.highlights), 0) + 12
    assert all(wanted & set(analyzer.terms(part.text)) for part in excerpt.text if part.found)
    assert all(wanted & set(analyzer.terms(text[start:end])) for start, end in hit.highlights)
    if hit.highlights:
        assert any(part.found for part in excerpt.text)


def test_hits_pickle_and_compare_as_before(index: Index) -> None:
    hits = index.search("liability of carriers for baggage")
    again = pickle.loads(pickle.dumps(hits))
    assert again == hits == list(hits)
    assert isinstance(again, Hits)
    assert again[0].snippet == hits[0].snippet
    assert replace(hits[0], shows=None) == hits[0]
    assert "shows" not in repr(hits[0])
    assert isinstance(hits[:1], Hits) and isinstance(hits[0], Hit)


def test_hits_as_dicts(index: Index) -> None:
    (made,) = index.search("liability of carriers for baggage").to_dicts()
    (hit,) = index.search("liability of carriers for baggage")
    assert made == hit.to_dict()
    assert (made["snippet"], made["rank"], made["metadata"]) == (hit.snippet, 1, {"year": 1999})
    assert made["highlights"] == [list(span) for span in hit.highlights]


def test_a_notebook_shows_escaped_text(index: Index) -> None:
    hits = index.search("liability of carriers for baggage")
    shown = hits._repr_html_()
    assert shown is not None and shown == hits[0]._repr_html_()
    assert "&lt;b&gt;<mark>carriers</mark>&lt;/b&gt; &amp; co" in shown
    assert "<b>carriers" not in shown and 'dir="auto"' in shown
    assert index.search("zebra")._repr_html_() is None


def test_a_hit_made_by_hand_says_so() -> None:
    hit = Hit("d", 1.0, 1)
    assert hit._repr_html_() is None
    with pytest.raises(UsageError, match="made by hand"):
        _ = hit.snippet


def test_who_does_not_look_pays_nothing(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(*_: object) -> Excerpt:
        raise AssertionError("a snippet was computed")

    monkeypatch.setattr(snippets, "found_words", looked)
    monkeypatch.setattr(snippets, "sentence_spans", looked)
    hits = index.search("liability of carriers")
    assert index.search_many(["carriers", "wagon"])[0] == index.search("carriers")
    index.run([Query("q", "carriers")])
    assert pickle.loads(pickle.dumps(hits)) == hits
    with pytest.raises(AssertionError, match="was computed"):
        _ = hits[0].snippet
