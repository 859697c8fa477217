"""Explanations: planted sentences are found, by effect and by attention, with their characters and their numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import FILLERS, KEYS, LABELS, ByWords, Sigmoid, planted
from tiny_models import tiny_encoder_folder

from retrieve.classify.classifier import Classifier
from retrieve.classify.explain import explain, faithfulness, parts_of
from retrieve.classify.masked_document import without_passages
from retrieve.classify.records import Evidence, FloatArray, IntArray
from retrieve.corpora.open import open_corpus
from retrieve.errors import UsageError
from retrieve.types import Document, LabelledDocument, LabelSet

HIGH, LOW = 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))


def test_the_effect_is_the_drop_of_the_probability() -> None:
    (case,) = planted(1, 0)
    (found,) = explain(ByWords(), Sigmoid(), LABELS, [case.document])
    first, second, _ = found.passages
    assert (found.doc_id, found.label, found.predicted, found.passages_in_all) == ("0-0", "fishing", True, 12)
    assert found.probability == pytest.approx(HIGH)
    assert (first.start, first.end, first.text) == (case.start, case.end, KEYS["fishing"])
    assert first.effect == pytest.approx(HIGH - LOW)
    assert first.attention == pytest.approx(1, abs=1e-6)
    assert second.effect == 0
    assert second.position == (1 if first.position == 0 else 0)  # equal effects go by position


def test_what_is_not_predicted_is_explained_if_it_is_named_or_nothing_else_is_there() -> None:
    document = LabelledDocument(Document("d", "nothing\nof any label"))
    (found,) = explain(ByWords(), Sigmoid(), LABELS, [document])
    assert (found.label, found.predicted) == ("fishing", False)
    named = explain(ByWords(), Sigmoid(), LABELS, [document], of=["energy", "customs"])
    assert [(one.label, one.predicted) for one in named] == [("energy", False), ("customs", False)]
    decided = explain(
        ByWords(), Sigmoid(), LABELS, [document], names_of=lambda p: [("customs", "energy")] * len(p)
    )
    assert [(one.label, one.predicted) for one in decided] == [("customs", True), ("energy", True)]


def test_a_document_without_text_has_no_passages() -> None:
    (found,) = explain(ByWords(), Sigmoid(), LABELS, [LabelledDocument(Document("d", ""))])
    assert found.passages == ()
    assert found.passages_in_all == 0


def test_wrong_usage() -> None:
    with pytest.raises(UsageError, match="there is no label 'sport'"):
        explain(ByWords(), Sigmoid(), LABELS, [], of=["sport"])
    with pytest.raises(UsageError, match="passages is 0"):
        explain(ByWords(), Sigmoid(), LABELS, [], passages=0)


class Binary(ByWords):
    """One column, of the second of two labels: whether the document is about energy."""

    def scores(self, documents: object, *, progress: object = None) -> FloatArray:
        return super().scores(documents)[:, 2:]  # type: ignore[arg-type]

    def evidence(self, document: LabelledDocument, spans: IntArray | None = None) -> Evidence:
        spans, _scores, without, attention = super().evidence(document, spans)
        assert attention is not None
        return Evidence(spans, super().scores([document])[0, 2:], without[:, 2:], attention[:, 2:])


@pytest.mark.parametrize(("key", "label", "sign"), [("energy", "about energy", 1), ("fishing", "other", 0)])
def test_of_a_binary_task_each_label_has_its_own_probability(key: str, label: str, sign: int) -> None:
    document = LabelledDocument(Document("d", f"one\n{KEYS[key]}\nthree"))
    labels = LabelSet(("other", "about energy"))
    (found,) = explain(Binary(), Sigmoid(), labels, [document])
    assert found.label == label
    assert found.probability == pytest.approx(HIGH)
    assert found.passages[0].effect == pytest.approx((HIGH - LOW) * sign)
    if sign:
        (against,) = explain(Binary(), Sigmoid(), labels, [document], of=["other"])
        assert against.probability == pytest.approx(LOW)
        assert against.passages[-1].effect == pytest.approx(LOW - HIGH)
        assert against.passages[-1].attention == pytest.approx(1, abs=1e-6)


def test_passages_of_two_parts_keep_both() -> None:
    (case,) = planted(1, 3)
    (found,) = explain(ByWords(parts=2), Sigmoid(), LABELS, [case.document])
    first = found.passages[0]
    assert len(first.parts) == 2
    assert (case.start, case.end) in first.parts
    assert (first.start, first.end) == (min(first.parts)[0], max(first.parts)[1])
    text = case.document.document.text
    assert first.text == " … ".join(text[start:end] for start, end in first.parts)
    assert parts_of(np.array([[0, 5], [7, 7]])) == ((0, 5),)
    assert parts_of(np.array([[3, 3], [7, 7]])) == ((3, 3),)


def test_it_is_json() -> None:
    found = explain(ByWords(), Sigmoid(), LABELS, [case.document for case in planted(3, 1)])
    again = json.loads(json.dumps([asdict(one) for one in found], allow_nan=False))
    assert again[0]["passages"][0]["text"] == found[0].passages[0].text


def test_faithfulness_tells_a_true_ranking_from_one_that_looks_elsewhere() -> None:
    documents = [case.document for case in planted(40, 2)]
    found = faithfulness(ByWords(), Sigmoid(), LABELS, documents)
    one, three = found.drops
    assert (one.passages, three.passages, one.documents) == (1, 3, 40)
    assert one.ranked == pytest.approx(HIGH - LOW)
    assert one.random < 0.3 * one.ranked  # 1 of 12 is the key: .083 expected, 5 sd of 40 draws are .22
    assert three.random < 0.65 * three.ranked
    assert one.better > 0.6
    beside = faithfulness(ByWords(attends_to_first=True), Sigmoid(), LABELS, documents, by="attention")
    assert beside.drops[0].ranked < 0.3 * one.ranked
    assert found == faithfulness(ByWords(), Sigmoid(), LABELS, documents)
    with pytest.raises(UsageError, match="more than 12 passages"):
        faithfulness(ByWords(), Sigmoid(), LABELS, documents, counts=[12])


@given(st.text(max_size=60), st.data())
def test_a_text_without_passages_is_what_is_left(text: str, data: st.DataObject) -> None:
    def span() -> tuple[int, int]:
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        return start, end

    zone, removed = span(), [span() for _ in range(data.draw(st.integers(1, 4)))]
    document = LabelledDocument(Document("d", text), paragraphs=(zone,), zones={"z": zone})
    found = without_passages(document, np.array(removed))
    stays = [not any(start <= at < end for start, end in removed) for at in range(len(text))]
    assert found.document.text == "".join(char for char, is_left in zip(text, stays, strict=True) if is_left)
    left = "".join(text[at] for at in range(*zone) if stays[at])
    assert [found.document.text[a:b] for a, b in found.paragraphs] == ([left] if left else [])
    assert [found.document.text[a:b] for a, b in found.zones.values()] == ([left] if left else [])


LEARNED = {
    "passages.cut": "paragraphs",
    "passages.merge": False,
    "passages.most": 0,
    "training.epochs": 40,
    "training.patience": 0,
    "training.dropout": 0.0,
}


def places_found(settings: dict[str, Any], fillers: Sequence[str] = FILLERS) -> tuple[int, int]:
    """Of 100 documents, those whose planted passage has the greatest effect, and those where it has most attention.

    The network learns to tell documents with the planted sentence from documents without: nothing else is different.
    """
    classifier = Classifier("attention", settings=settings, task="binary", labels=["other", "fishing"])
    learned = planted(80, 1, fillers, sentences=8, without="other")
    classifier.fit([case.document for case in learned])
    by_effect = by_attention = 0
    cases = planted(200, 2, fillers, sentences=8, without="other")[::2]
    every = classifier.explain([case.document for case in cases], of=["fishing"], passages=1_000)
    for case, found in zip(cases, every, strict=True):
        most_attended = max(found.passages, key=lambda passage: passage.attention or 0)
        by_effect += found.passages[0].start <= case.start and case.end <= found.passages[0].end
        by_attention += most_attended.start <= case.start and case.end <= most_attended.end
    return by_effect, by_attention


def test_a_trained_network_points_at_what_was_planted(tmp_path: Path) -> None:
    model = {"passages.size": 60, "encoder.model": str(tiny_encoder_folder(tmp_path / "tiny", limit=64))}
    by_effect, by_attention = places_found(LEARNED | model)
    assert by_effect >= 95
    assert by_attention >= 95


@pytest.mark.data
@pytest.mark.model
@pytest.mark.long
def test_in_real_text_too() -> None:
    """Sentences of SciFact's abstracts, among which one of another subject decides the label."""
    data = os.environ.get("RETRIEVE_DATA")
    if data is None:
        pytest.skip("set RETRIEVE_DATA to the folder of collections")
    sentences = []
    for document in islice(open_corpus(Path(data) / "scifact"), 400):
        sentences += [part for part in document.text.split(". ") if 40 < len(part) < 120 and "\n" not in part]
    by_effect, by_attention = places_found(LEARNED, sentences[:1500])
    assert by_effect >= 95
    assert by_attention >= 95
