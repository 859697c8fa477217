"""How documents are cut: paragraphs, zones, head and tail, titles, and what of a text is not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_models import WORDS, tiny_encoder_folder
from toy_networks import labelled

from retrieve.classify.passages import Cut, cut, encoder_recipe, structure_remarks
from retrieve.classify.preset import load_preset
from retrieve.errors import InputError, RecipeError
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.given_spans import span_text
from retrieve.types import Document, LabelledDocument

TEXT = " ".join(WORDS[number % 80] for number in range(120))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("cut") / "model", limit=64)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> PassageEncoder:
    """Windows of 24 tokens, which are words here; up to 30 are taken."""
    return parts(folder, size=24)


def parts(folder: Path, **passages: Any) -> PassageEncoder:
    return PassageEncoder(encoder_recipe(preset(folder, **passages)), cache=False)


def preset(folder: Path, **passages: Any) -> Any:
    return load_preset(
        {
            "name": "toy",
            "description": "",
            "source": "",
            "passages": passages,
            "encoder": {"model": str(folder), "limit": 32},
        }
    )


def cuts(encoder: PassageEncoder, documents: list[LabelledDocument], **passages: Any) -> Cut:
    return cut(encoder, preset(Path("unused"), **passages).passages, documents)


def texts(found: Cut, number: int = 0) -> list[str]:
    return [span_text(found.documents[number].text, span) for span in found.spans[number]]


def unlabelled(text: str, title: str = "", **structure: Any) -> LabelledDocument:
    return LabelledDocument(Document("x", text, title), **structure)


def test_windows_are_the_encoders_and_the_first_are_kept(encoder: PassageEncoder) -> None:
    every = cuts(encoder, [unlabelled(TEXT)], size=24, most=0)
    (windows,) = encoder.split([Document("x", TEXT)])
    np.testing.assert_array_equal(every.spans[0], windows.spans)
    assert every.unread[0] == 0
    some = cuts(encoder, [unlabelled(TEXT)], size=24, most=2)
    np.testing.assert_array_equal(some.spans[0], windows.spans[:2])
    read = sum(len(word) for word in TEXT[: windows.spans[1, 1]].split())
    assert some.unread[0] == pytest.approx(1 - read / sum(map(len, TEXT.split())))


@pytest.mark.parametrize("way", ["tokens", "paragraphs", "zones", "head-tail"])
def test_a_document_without_text_has_no_passage(encoder: PassageEncoder, way: str) -> None:
    empty = [
        unlabelled(""),
        unlabelled(" \n "),
        unlabelled(" ", paragraphs=((0, 1),), zones={"header": (0, 1)}),
    ]
    found = cuts(encoder, empty, cut=way, zones=["header"], head=10, tail=5)
    assert [len(spans) for spans in found.spans] == [0, 0, 0]
    assert found.unread.tolist() == [0, 0, 0]


def test_paragraphs_one_to_one(encoder: PassageEncoder) -> None:
    document = labelled("x", TEXT.split()[:40])
    found = cuts(encoder, [document], cut="paragraphs", merge=False)
    assert found.spans[0].tolist() == [list(span) for span in document.paragraphs]


@example(lengths=[1, 24, 3], spaced=False)
@given(lengths=st.lists(st.integers(0, 60), min_size=1, max_size=12), spaced=st.booleans())
def test_merging_loses_nothing_and_goes_as_far_as_it_can(
    encoder: PassageEncoder, lengths: list[int], spaced: bool
) -> None:
    words = iter(WORDS[number % 80] for number in range(10_000))
    paragraphs = [" ".join(next(words) for _ in range(length)) for length in lengths]
    joint = "\n\n" if spaced else " "
    text = joint.join(paragraphs)
    ends = np.cumsum([len(each) + len(joint) for each in paragraphs]) - len(joint)
    spans = tuple((int(end) - len(each), int(end)) for each, end in zip(paragraphs, ends, strict=True))
    found = cuts(encoder, [unlabelled(text, paragraphs=spans)], cut="paragraphs", size=24, most=0)
    made = texts(found)
    assert found.unread[0] == pytest.approx(0)
    assert " ".join(made).split() == text.split()
    counts = [len(passage.split()) for passage in made]
    assert all(0 < count <= 24 for count in counts)
    if max(lengths) <= 24:
        assert counts == greedy([length for length in lengths if length], 24)


def greedy(lengths: list[int], size: int) -> list[int]:
    """Neighbours added up as long as the sum is at most `size`."""
    sums: list[int] = []
    for length in lengths:
        if sums and sums[-1] + length <= size:
            sums[-1] += length
        else:
            sums.append(length)
    return sums


def test_what_has_no_paragraphs_or_zones_is_cut_as_tokens(encoder: PassageEncoder) -> None:
    windows = cuts(encoder, [unlabelled(TEXT)], size=24).spans[0]
    for way in ("paragraphs", "zones"):
        mixed = [
            unlabelled(TEXT),
            labelled("x", TEXT.split()[:30]),
            unlabelled(TEXT, zones={"annex": (0, 9)}),
        ]
        found = cuts(encoder, mixed, cut=way, size=24, zones=["header"])
        np.testing.assert_array_equal(found.spans[0], windows)
        np.testing.assert_array_equal(found.spans[2], windows)
        assert found.spans[1].tolist() != windows.tolist()
        (said,) = structure_remarks(preset(Path("unused"), cut=way, zones=["header"]).passages, mixed)
        assert said.startswith("2 of 3 documents to learn from have no ") and way[:4] in said
    assert structure_remarks(preset(Path("unused"), zones=["header"]).passages, mixed) == []


def test_zones_apart_and_as_one_text(encoder: PassageEncoder) -> None:
    document = labelled("x", TEXT.split())  # header: 13 words, recitals: 39
    apart = cuts(encoder, [document], cut="zones", zones=["recitals", "header"], merge=False, size=24)
    assert [len(text.split()) for text in texts(apart)][-1] == 13
    assert texts(apart)[-1] == " ".join(TEXT.split()[:13])
    assert " ".join(texts(apart)[:-1]).split() == TEXT.split()[13:52]
    joined = cuts(encoder, [document], cut="zones", zones=["header", "recitals"], size=24, most=0)
    assert joined.spans[0].shape[1:] == (2, 2)
    assert " ".join(texts(joined)).split() == TEXT.split()[:52]
    assert len(texts(joined)[0].split()) > 13
    assert joined.unread[0] == pytest.approx(1 - len("".join(TEXT.split()[:52])) / len("".join(TEXT.split())))


def test_zones_without_names(encoder: PassageEncoder) -> None:
    with pytest.raises(RecipeError, match=r"passages\.zones"):
        cuts(encoder, [unlabelled(TEXT)], cut="zones")


def test_head_and_tail(encoder: PassageEncoder) -> None:
    words = TEXT.split()
    both = cuts(encoder, [unlabelled(TEXT)], cut="head-tail", head=10, tail=5)
    assert both.spans[0].shape == (1, 2, 2)
    assert texts(both)[0].split() == [*words[:10], *words[-5:]]
    (head,) = texts(cuts(encoder, [unlabelled(TEXT)], cut="head-tail", head=12, tail=0))
    assert head.split() == words[:12]
    (tail,) = texts(cuts(encoder, [unlabelled(TEXT)], cut="head-tail", head=0, tail=12))
    assert tail.split() == words[-12:]
    short = " ".join(words[:15])
    whole = cuts(encoder, [unlabelled(short)], cut="head-tail", head=10, tail=5)
    assert whole.spans[0].tolist() == [[0, len(short)]]


def test_a_title_takes_of_the_tail(encoder: PassageEncoder) -> None:
    found = cuts(encoder, [unlabelled(TEXT, "query search index error")], cut="head-tail", head=20, tail=10)
    (fed,) = encoder.fed(found.documents[0], found.spans[0])
    assert fed.split() == ["query", "search", "index", "error", *TEXT.split()[:20], *TEXT.split()[-6:]]
    assert not encoder.vectors(found.documents, found.spans).cut.any()


def test_head_and_tail_beyond_the_limit(encoder: PassageEncoder) -> None:
    with pytest.raises(RecipeError, match=r"= 31 tokens.*takes 30 .*encoder\.model"):
        cuts(encoder, [unlabelled(TEXT)], cut="head-tail", head=16, tail=15)


@pytest.mark.model
def test_long_needs_another_model_than_the_default() -> None:
    long = load_preset("long")
    with pytest.raises(RecipeError, match=r"= 4094 tokens.*encoder\.model"):
        cut(PassageEncoder(encoder_recipe(long), cache=False), long.passages, [unlabelled(TEXT)])


@pytest.mark.parametrize(
    ("title", "text", "shown"),
    [
        ("The  Law of courts", "no. 5 OF THE journal\nThe law\nof Courts of the state", False),
        ("law of courts", "the law of patients", True),
        ("", "the law", False),
        ("law", "the " * 3000 + "law", True),
    ],
)
def test_a_title_that_the_text_begins_with_is_read_once(
    encoder: PassageEncoder, title: str, text: str, shown: bool
) -> None:
    found = cuts(encoder, [unlabelled(text, title)], size=24, most=2)
    fed = encoder.fed(found.documents[0], found.spans[0])
    assert fed[0].startswith(title) is (shown or not title)
    assert bool(found.documents[0].title) is shown
    assert not any(title and each.startswith(title) for each in fed[1:])


def test_a_title_alone_is_a_passage(encoder: PassageEncoder) -> None:
    for way in ("tokens", "head-tail"):
        found = cuts(encoder, [unlabelled("", "the law")], cut=way, head=5, tail=5)
        assert encoder.fed(found.documents[0], found.spans[0])[0].strip() == "the law"


def test_structure_outside_of_the_text(encoder: PassageEncoder) -> None:
    for structure in ({"paragraphs": ((0, 99),)}, {"zones": {"header": (5, 2)}}):
        with pytest.raises(InputError, match=r"x: .* the text has 7"):
            cuts(encoder, [unlabelled("the law", **structure)])


def test_equal_encoders_have_equal_recipes(folder: Path) -> None:
    assert encoder_recipe(load_preset("mean")) == encoder_recipe(load_preset("first-mean-max"))
    assert encoder_recipe(load_preset("truncate")) == encoder_recipe(load_preset("truncate-head-tail"))
    assert encoder_recipe(load_preset("mean")) != encoder_recipe(load_preset("robert"))
