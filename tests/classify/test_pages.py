"""The two pages: what a report has is on them, what it has not is no fault, and texts stay texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from planted import KEYS, LABELS, ByWords, Sigmoid, planted

from retrieve.classify.explain import explain
from retrieve.classify.page_parts import curves, readings, tried
from retrieve.classify.pages import explanation_page, training_page
from retrieve.report.page import render
from retrieve.report.records import Highlighted, LineChart, Table
from retrieve.report.settings import flat
from retrieve.types import Document, LabelledDocument

BARE: dict[str, Any] = {
    "model": "m",
    "data": {
        "name": "/place/laws",
        "task": "multilabel",
        "labels": 3,
        "train": 10,
        "validation": 0,
        "test": 0,
        "unlabelled": 2,
        "skipped": 0,
        "duplicates": 4,
        "remarks": [],
    },
    "preset": {"name": "mean", "passages": {"most": 16}},
    "fit": {"regime": "frozen", "seed": 0, "train": 8, "validation": 2},
    "test": None,
    "versions": {"torch": "2"},
}


def test_a_report_without_test_documents_says_so() -> None:
    page = training_page(BARE)
    assert page.title == "laws: mean"
    assert [section.title for section in page.sections] == ["Data", "Made by"]
    html = render(page)
    assert "The data have no test documents" in html
    assert "4 validation or test documents have the same text" in html
    assert "passages.most" in html


def test_curves_have_the_epoch_of_the_least_validation_loss() -> None:
    rows = [
        {
            "epoch": float(epoch),
            "loss": 1 / epoch,
            "validation_loss": abs(epoch - 3.0),
            "micro_f1": 0.1 * epoch,
        }
        for epoch in range(1, 6)
    ]
    losses, measures = curves({"curves": rows})
    assert isinstance(losses, LineChart)
    assert isinstance(measures, LineChart)
    assert losses.mark == 3.0
    assert [line.name for line in losses.series] == ["loss", "validation_loss"]
    assert measures.series[0].points[4] == (5.0, 0.5)
    assert curves({}) == ()


def test_documents_to_read() -> None:
    reading = {"recall": 0.8, "positives": 5, "found": 4, "read": 9, "precision": 4 / 9}
    (table,) = readings(
        {"recall": [{"label": "a", "readings": [reading, reading | {"recall": 0.9, "read": 20}]}]}
    )
    assert isinstance(table, Table)
    assert table.header == ("label", "positives", "read for 80%", "precision", "read for 90%", "precision")
    assert table.rows == (("a", 5, 9, 4 / 9, 20, 4 / 9),)


def test_settings_are_named_as_they_are_set() -> None:
    found = dict(flat({"name": "x", "a": {"b": [1, 2], "c": None, "d": {"e": False}}}))
    assert found == {"name": "x", "a.b": "1, 2", "a.d.e": False}
    (table,) = tried({"tried": [{"average": {"tfidf svm": 2, "mean": 1}}]})
    assert isinstance(table, Table) and table.rows == ((1, "tfidf svm × 2, mean × 1"),)


def test_passages_are_marked_in_the_text() -> None:
    case = planted(1, 0)[0]
    document = replace(case.document, document=replace(case.document.document, title="<b>A title</b>"))
    page = explanation_page(
        "t", "", [(document, explain(ByWords(), Sigmoid(), LABELS, [document]))], left_out=7
    )
    (section,) = page.sections
    marked = next(block for block in section.blocks if isinstance(block, Highlighted))
    assert marked.marks[0].spans == ((case.start, case.end),)
    assert marked.marks[0].weight == pytest.approx(1.0)
    assert marked.marks[1].weight == 0.0
    assert marked.around is None
    html = render(page)
    assert f"<sup>1</sup>{KEYS['fishing']}</mark>" in html
    assert "&lt;b&gt;A title" in html
    assert "7 more documents" in html


def test_a_long_text_shows_its_passages_and_what_is_left_out() -> None:
    (case,) = planted(1, 0, sentences=400)
    found = explain(ByWords(), Sigmoid(), LABELS, [case.document], passages=1)
    html = render(explanation_page("t", "", [(case.document, found)]))
    assert "characters …]" in html
    assert KEYS["fishing"] in html
    assert len(html) < len(case.document.document.text) + 10_000


def test_a_document_without_text_or_label() -> None:
    document = LabelledDocument(Document("d", ""))
    html = render(explanation_page("t", "", [(document, explain(ByWords(), Sigmoid(), LABELS, [document]))]))
    assert "No label is predicted" in html
    assert "the document has no passages" in html
