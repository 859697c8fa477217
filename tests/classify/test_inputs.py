"""Texts and labels in scikit-learn's forms, and what cannot be learned from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from retrieve.classify.inputs import as_documents, known_labels, targets_of, values_of
from retrieve.errors import UsageError
from retrieve.types import Document, LabelledDocument, LabelSet


def labelled(*labels: tuple[str, ...] | None) -> list[LabelledDocument]:
    return [LabelledDocument(Document(f"d{place}", "text"), row) for place, row in enumerate(labels)]


def test_texts_documents_and_labelled_documents_mix() -> None:
    given = ["a text", Document("x", "another"), LabelledDocument(Document("y", "third"), ("l",))]
    documents = as_documents(np.array(given, dtype=object))
    assert [document.document.id for document in documents] == ["0", "x", "y"]


@pytest.mark.parametrize("wrong", ["one text", Document("x", "one"), 7, [3.5], [None]])
def test_what_is_no_list_of_texts_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError, match="wanted a"):
        as_documents(wrong)


@pytest.mark.parametrize(
    ("y", "task", "classes"),
    [
        (["a", "b", "a"], "binary", ["a", "b"]),
        ([0, 1, 2], "multiclass", [0, 1, 2]),
        (np.array([True, False, True]), "binary", [False, True]),
        ([["a"], ["b", "c"], []], "multilabel", ["a", "b", "c"]),
        ([["a"], ["b"], ["c"]], "multilabel", ["a", "b", "c"]),
        (np.array([[1, 0], [0, 1], [1, 1]]), "multilabel", [0, 1]),
        ([[1, 0], [0, 1], [1, 1]], "multilabel", [0, 1]),
        (csr_array(np.array([[1, 0], [0, 1], [1, 1]])), "multilabel", [0, 1]),
        ([{"a"}, {"a", "b"}, set()], "multilabel", ["a", "b"]),
    ],
)
def test_labels_say_what_the_task_is(y: object, task: str, classes: list[object]) -> None:
    known = known_labels(labelled(None, None, None), y, task=None, labels=None)
    assert known.task == task
    assert known.classes.tolist() == classes


@pytest.mark.parametrize(
    ("rows", "task"),
    [
        ([("a",), ("b",), ("a",)], "binary"),
        ([("a",), ("b",), ("c",)], "multiclass"),
        ([("a",), ("b", "c"), ()], "multilabel"),
    ],
)
def test_documents_bring_their_own_labels(rows: list[tuple[str, ...]], task: str) -> None:
    documents = labelled(*rows)
    known = known_labels(documents, None, task=None, labels=None)
    assert known.task == task
    targets = targets_of(documents, None, known)
    expected = [[name in row for name in known.labels.names] for row in rows]
    assert targets.tolist() == [
        row[1:] if task == "binary" else row for row in np.array(expected, float).tolist()
    ]


def test_an_indicator_array_comes_back_as_targets() -> None:
    y = np.array([[1, 0, 1], [0, 0, 0]])
    known = known_labels(labelled(None, None), y, task=None, labels=["p", "q", "r"])
    assert known.labels.names == ("p", "q", "r")
    assert targets_of(labelled(None, None), y, known).tolist() == y.tolist()


def test_labels_that_are_given_keep_their_order_and_need_not_occur() -> None:
    known = known_labels(labelled(None), [["b"]], task=None, labels=LabelSet(("c", "b", "a")))
    assert targets_of(labelled(None), [["b"]], known).tolist() == [[0, 1, 0]]


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (["a", "a"], {}, "all 2 documents have the label a"),
        ([[], []], {}, "none of 2 documents has a label"),
        (["a"], {}, "labels were given for 1 documents, there are 2"),
        ([[1, 0], [1]], {}, "unequal length"),
        (np.array([[1, 2], [0, 1]]), {}, "other values than 0 and 1"),
        (np.array([[1, 0], [0, 1]]), {"labels": ["a"]}, "2 columns, labels has 1 names"),
        (np.array([[1, 0], [0, 1]]), {"task": "binary"}, "task is 'binary'"),
        (["a", "b"], {"labels": "ab"}, "wanted a list of names"),
        (["a", "b"], {"labels": ["a", "a"]}, "wanted each once"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(y: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        known_labels(labelled(None, None), y, task=options.get("task"), labels=options.get("labels"))  # type: ignore[arg-type]


def test_a_document_that_nobody_has_labelled_is_named() -> None:
    with pytest.raises(UsageError, match="1 of 2 documents are not labelled, the first is 'd1'"):
        known_labels(labelled(("a",), None), None, task=None, labels=None)


def test_a_label_that_is_not_in_the_set_is_named_with_its_document() -> None:
    known = known_labels(labelled(None, None), [["a"], ["b"]], task=None, labels=None)
    with pytest.raises(UsageError, match="document 'd0' has the label z, which is not among the 2"):
        targets_of(labelled(None), [["z"]], known)


def test_one_label_is_wanted_of_a_multiclass_document() -> None:
    documents = labelled(("a",), ("b",), ("c", "a"))
    known = known_labels(documents, None, task="multiclass", labels=["a", "b", "c"])
    with pytest.raises(UsageError, match="document 'd2' has 2 labels, a multiclass task wants exactly one"):
        targets_of(documents, None, known)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_values_are_numbers(value: float | None) -> None:
    with pytest.raises(UsageError, match="document 'd1' has the value"):
        values_of(labelled(None, None), [1.0, value])
