"""Texts and labels in scikit-learn's forms, and what cannot be learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone

from retrieve import Classifier, Regressor
from retrieve.classify.inputs import as_documents, known_labels, label_set, targets_of, values_of
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


@pytest.mark.parametrize(
    "y",
    [
        [None, "a", "b"],
        [float("nan"), "a", "b"],
        [float("nan"), 1.0, 2.0],
        pd.Series([1, None, 2], dtype="Int64"),
        [["a", None], ["b"], ["c"]],
        [["a"], ["b", float("nan")], ["c"]],
    ],
)
def test_a_missing_label_is_no_label(y: object) -> None:
    with pytest.raises(UsageError, match=r"document 'd[01]' has the label .* which is none"):
        known_labels(labelled(None, None, None), y, task=None, labels=None)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([["a", "b"], "contract", ["c"]], "document 'd1' has 'contract' where others have lists"),
        ([["a", "b"], None, ["c"]], "document 'd1' has None where others have lists"),
        ("abc", "the labels are a str"),
        ({"a": 1, "b": 2, "c": 3}, "the labels are a dict"),
        (iter("abc"), "the labels are a str_"),
        ([b"a", b"b", b"c"], "wanted a text, decode it"),
        ([1, 2.0, 3], r"several types \(float, int\)"),
        ([1, True, False], r"several types \(bool, int\)"),
        (["a", "\ud800", "b"], "half a surrogate pair"),
        (np.zeros((3, 0)), r"shape \(3, 0\)"),
        (np.zeros((3, 2, 2)), r"shape \(3, 2, 2\)"),
    ],
)
def test_labels_that_would_be_read_as_others_are_refused(y: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        known_labels(labelled(None, None, None), y, task=None, labels=None)


def test_columns_of_a_table_are_the_names_of_its_labels() -> None:
    documents, y = labelled(None, None, None), pd.DataFrame({"tort": [1, 0, 1], "contract": [0, 1, 1]})
    known = known_labels(documents, y, task=None, labels=None)
    assert known.labels.names == ("tort", "contract")
    with pytest.raises(UsageError, match="column 'tort' where the label is 'contract'"):
        known_labels(documents, y, task=None, labels=["contract", "tort"])
    with pytest.raises(UsageError, match="column 'contract' where the label is 'tort'"):
        targets_of(documents, y[["contract", "tort"]], known)
    unnamed = known_labels(documents, pd.DataFrame(y.to_numpy()), task=None, labels=["a", "b"])
    assert unnamed.labels.names == ("a", "b")


def test_given_labels_say_the_task_and_the_classes() -> None:
    documents = labelled(None, None, None)
    assert known_labels(documents, ["a", "b", "a"], task=None, labels=["a", "b", "c"]).task == "multiclass"
    assert known_labels(documents, ["a", "a", "a"], task=None, labels=["a", "b"]).task == "binary"
    assert known_labels(documents, [1, 2, 3], task=None, labels=[1, 2, 3]).classes.tolist() == [1, 2, 3]
    for task in ("ordinal", "foo"):
        with pytest.raises(UsageError, match="or a Regressor"):
            known_labels(documents, [1, 2, 3], task=task, labels=None)  # type: ignore[arg-type]
    for names in (LabelSet(()), LabelSet(("a", "a"))):
        with pytest.raises(UsageError, match="wanted each once"):
            known_labels(documents, ["a", "b", "a"], task=None, labels=names)


@pytest.mark.parametrize(
    "texts", [{"a": "b"}, {"a", "b"}, pd.DataFrame({"text": ["a"], "n": [1]}), ["\ud800"]]
)
def test_texts_without_an_order_and_texts_of_no_encoding_are_refused(texts: object) -> None:
    with pytest.raises(UsageError, match=r"wanted a list, an array|half a surrogate pair"):
        as_documents(texts)


@pytest.mark.parametrize("wrong", ["3", pd.NA, 1e39, float("-inf"), np.datetime64("2020-01-01")])
def test_a_value_that_is_no_number_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError, match="document 'd1' has the value"):
        values_of(labelled(None, None), pd.Series([1.0, wrong], dtype=object))


def test_values_of_one_column() -> None:
    assert values_of(labelled(None, None), pd.DataFrame({"v": [1, 2]})).tolist() == [[1], [2]]
    assert values_of(labelled(None, None), iter([1, 2.5])).tolist() == [[1], [2.5]]
    with pytest.raises(UsageError, match=r"shape \(2, 2\)"):
        values_of(labelled(None, None), np.ones((2, 2)))


@pytest.mark.parametrize("made", [Classifier("tfidf"), Regressor("tfidf")])
def test_settings_and_validation_that_make_no_sense_are_refused(made: Classifier | Regressor) -> None:
    texts, y = ["a text", "another text"] * 5, [1.0, 2.0] * 5
    for settings, message in (
        ({"regime": "endtoend"}, "regime is 'endtoend'"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": None}, "seed is None"),
        ({"validation": "0.2"}, "validation is '0.2'"),
    ):
        with pytest.raises(UsageError, match=message):
            clone(made).set_params(**settings).fit(texts, y)
    with pytest.raises(UsageError, match="validation is a tuple of 3"):
        made.fit(texts, y, validation=(texts, y, y))
    with pytest.raises(UsageError, match="validation has no documents"):
        made.fit(texts, y, validation=([], []))


@pytest.mark.parametrize("wrong", ["law", [], ["a", "a"], ["\ud800"], LabelSet((1, 2))])  # type: ignore[arg-type]
def test_label_sets_that_are_none_are_refused(wrong: object) -> None:
    with pytest.raises(UsageError, match=r"wanted|half a surrogate pair"):
        label_set(wrong)
    assert label_set([1, 2]).names == ("1", "2")
