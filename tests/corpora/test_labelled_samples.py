"""The readers on real records: sizes, splits and labels as the collections' own descriptions say them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from retrieve.corpora.labelled.open import read_labelled
from retrieve.corpora.labelled.records import LabelledData

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("RETRIEVE_DATA" not in os.environ, reason="RETRIEVE_DATA is not set"),
]


def read(name: str, **wants: Any) -> LabelledData:
    return read_labelled(Path(os.environ["RETRIEVE_DATA"]) / name, **wants)


@pytest.mark.parametrize(
    ("name", "wants", "task", "sizes", "labels"),
    [
        ("eurlex57k_sample", {}, "multilabel", (100, 100, 100), None),
        ("multi_eurlex_sample", {"language": "de"}, "multilabel", (10, 10, 10), None),
        ("ecthr_sample", {}, "multilabel", (20, 20, 20), None),
        ("ecthr_sample", {"target": "violation"}, "binary", (20, 20, 20), 2),
        ("swiss_judgment_sample", {}, "binary", (5, 5, 5), 2),
        ("swiss_judgment_sample", {"translated": True}, "binary", (10, 5, 5), 2),
        ("lexglue_sample/ecthr_a", {}, "multilabel", (3, 1, 2), None),
        ("lexglue_sample/ecthr_b", {}, "multilabel", (3, 1, 2), None),
        ("lexglue_sample/scotus", {}, "multiclass", (2, 2, 2), None),
        ("lexglue_sample/eurlex", {}, "multilabel", (2, 2, 2), None),
        ("lexglue_sample/ledgar", {}, "multiclass", (2, 2, 2), None),
        ("lexglue_sample/unfair_tos", {}, "multilabel", (2, 2, 2), 1),
        ("lexglue_sample/case_hold", {}, "binary", (10, 10, 10), 2),
        ("pubmedqa", {}, "multiclass", (500, 0, 500), 3),
        ("reuters", {}, "multilabel", (7770, 0, 3019), 90),
        ("eurlex_acts", {}, "multilabel", (1129, 187, 188), 2285),
        ("eurlex_acts", {"field": "subjects"}, "multilabel", (1129, 187, 188), 154),
        ("eurlex_acts", {"label_set": "subjects_min10"}, "multilabel", (1129, 187, 188), 54),
        ("eurlex_acts", {"label_set": "eurovoc_min10"}, "multilabel", (1129, 187, 188), 245),
    ],
)
def test_sizes(
    name: str, wants: dict[str, Any], task: str, sizes: tuple[int, ...], labels: int | None
) -> None:
    data = read(name, **wants)
    assert data.task == task
    assert (len(data.train), len(data.validation), len(data.test)) == sizes
    assert labels in (None, len(data.labels.names))
    assert not data.unlabelled
    for labelled in [*data.train, *data.validation, *data.test]:
        text = labelled.document.text
        assert all(
            text[start:end].strip() == text[start:end].strip() != "" for start, end in labelled.paragraphs
        )
        assert set(labelled.labels or ()) <= set(data.labels.names)


def test_acts_per_label_are_as_described() -> None:
    data = read("eurlex57k_sample")
    for part, mean, distinct in (
        (data.train, 5.22, 339),
        (data.validation, 5.24, 342),
        (data.test, 5.36, 314),
    ):
        found = Counter(label for labelled in part for label in labelled.labels or ())
        assert (round(found.total() / 100, 2), len(found)) == (mean, distinct)


def test_a_language_that_not_every_law_has() -> None:
    data = read("multi_eurlex_sample", language="bg")
    left_out = next(int(remark.split()[0]) for remark in data.remarks if "no text in 'bg'" in remark)
    assert len(data.train) + len(data.validation) + len(data.test) + left_out == 30


def test_articles_per_case_are_as_described() -> None:
    for target, means in (
        ("violated_articles", (1.25, 1.05, 1.05)),
        ("allegedly_violated_articles", (2.2, 1.95, 1.45)),
    ):
        data = read("ecthr_sample", target=target)
        for part, mean in zip((data.train, data.validation, data.test), means, strict=True):
            assert sum(len(labelled.labels or ()) for labelled in part) / 20 == mean


def test_texts_that_occur_twice_and_acts_without_a_label() -> None:
    assert len(read("reuters").duplicates) == 3
    data = read("eurlex_acts", label_set="subjects_min10")
    assert not data.duplicates
    documents = [*data.train, *data.validation, *data.test]
    assert sum(labelled.labels == () for labelled in documents) == 57
    assert sum(labelled.labels == () for labelled in data.test) == 12


def test_answers() -> None:
    data = read("pubmedqa")
    for part in (data.train, data.test):
        assert Counter(labelled.labels for labelled in part) == {("yes",): 276, ("no",): 169, ("maybe",): 55}
