"""What a caller hands to a classifier, texts and labels in any of scikit-learn's forms, as documents and targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.errors import UsageError
from retrieve.types import Document, LabelledDocument, LabelSet, Task

Array = npt.NDArray[Any]


class Known(NamedTuple):
    """What the labels of a training say: the task, the labels in order, and the classes (L,) that `predict` returns."""

    task: Task
    labels: LabelSet
    classes: Array


def as_documents(texts: Any) -> list[LabelledDocument]:
    """Texts, `Document`s or `LabelledDocument`s, mixed or not; a text's id is its place, counted from 0.

    Raises `UsageError` for a single text, and for anything else in the list.
    """
    if isinstance(texts, str | bytes | Document | LabelledDocument) or not isinstance(texts, Iterable):
        raise UsageError(f"the documents are one {type(texts).__name__}: wanted a list of texts or documents")
    return [_document(text, place) for place, text in enumerate(texts)]


def _document(text: Any, place: int) -> LabelledDocument:
    if isinstance(text, LabelledDocument):
        return text
    if isinstance(text, Document):
        return LabelledDocument(text)
    if isinstance(text, str):
        return LabelledDocument(Document(str(place), str(text)))
    raise UsageError(
        f"document {place} is of type {type(text).__name__}: wanted a text, a Document or a LabelledDocument"
    )


def known_labels(documents: Sequence[LabelledDocument], y: Any, *, task: Task | None, labels: Any) -> Known:
    """The task and the labels of a training, from the labels themselves where they are not given.

    Without `task`: one of two or of several values a document is binary or multiclass, lists of labels and indicator
    arrays are multilabel; of labelled documents, multilabel unless each has exactly one. Raises `UsageError` where all
    documents have one label, or none has any.
    """
    named = _label_set(labels)
    rows = label_rows(documents, y)
    if isinstance(rows, np.ndarray):
        if task not in (None, "multilabel"):
            raise UsageError(f"an indicator array is multilabel: task is {task!r}")
        names = named.names if named else tuple(map(str, range(rows.shape[1])))
        if len(names) != rows.shape[1]:
            raise UsageError(
                f"the indicator array has {rows.shape[1]} columns, labels has {len(names)} names"
            )
        return Known("multilabel", named or LabelSet(names), np.arange(len(names)))
    found = task or ("multilabel" if y is not None and not _is_flat(y) else _task(rows))
    values = [value for row in rows for value in row]
    if not values:
        raise UsageError(f"none of {len(rows)} documents has a label: there is nothing to learn")
    if found == "multilabel":
        names = named.names if named else tuple(sorted({str(value) for value in values}))
        return Known(found, named or LabelSet(names), np.array(names))
    classes = np.array(named.names) if named else np.unique(np.array(values))
    if len(classes) < 2:
        raise UsageError(
            f"all {len(rows)} documents have the label {classes[0]!s}: wanted at least two labels"
        )
    if found == "binary" and len(classes) != 2:
        raise UsageError(f"task is 'binary' and there are {len(classes)} labels: take 'multiclass'")
    if found == "multiclass" and len(classes) == 2:
        found = "binary"
    return Known(found, named or LabelSet(tuple(map(str, classes.tolist()))), classes)


def targets_of(documents: Sequence[LabelledDocument], y: Any, known: Known) -> npt.NDArray[np.float32]:
    """Targets (N,L) float32 of documents by the labels of a training, (N,1) of a binary task.

    Raises `UsageError` naming the document for a label that is not among them, and for none or several where one is
    wanted.
    """
    rows = label_rows(documents, y)
    count = len(known.labels.names)
    if isinstance(rows, np.ndarray):
        if rows.shape[1] != count:
            raise UsageError(f"the indicator array has {rows.shape[1]} columns, the training had {count}")
        return rows.astype(np.float32)
    column = {name: number for number, name in enumerate(known.labels.names)}
    targets = np.zeros((len(rows), count), np.float32)
    for place, row in enumerate(rows):
        where = f"document {documents[place].document.id!r}"
        if known.task != "multilabel" and len(row) != 1:
            raise UsageError(f"{where} has {len(row)} labels, a {known.task} task wants exactly one")
        for value in row:
            if str(value) not in column:
                raise UsageError(
                    f"{where} has the label {value!s}, which is not among the {count} labels known"
                )
            targets[place, column[str(value)]] = 1
    return targets[:, 1:] if known.task == "binary" else targets


def values_of(documents: Sequence[LabelledDocument], y: Any) -> npt.NDArray[np.float32]:
    """Values (N,1) float32 of an ordinal task. Raises `UsageError` naming the document without a number."""
    given = [document.value for document in documents] if y is None else list(y)
    if len(given) != len(documents):
        raise UsageError(f"{len(given)} values were given for {len(documents)} documents")
    for document, value in zip(documents, given, strict=True):
        if value is None or not np.isfinite(value):
            raise UsageError(f"document {document.document.id!r} has the value {value}: wanted a number")
    return np.array(given, np.float32).reshape(-1, 1)


def label_rows(documents: Sequence[LabelledDocument], y: Any) -> list[tuple[Any, ...]] | Array:
    """The labels of each document as tuples, or an indicator array (N,L) as it was given."""
    if y is None:
        bare = [document.document.id for document in documents if document.labels is None]
        if bare:
            raise UsageError(
                f"{len(bare)} of {len(documents)} documents are not labelled, the first is {bare[0]!r}: "
                "give y, or leave them out"
            )
        return [document.labels or () for document in documents]
    if hasattr(y, "toarray"):
        y = y.toarray()
    if hasattr(y, "to_numpy"):
        y = y.to_numpy()
    if len(y) != len(documents):
        raise UsageError(f"labels were given for {len(y)} documents, there are {len(documents)}")
    if isinstance(y, np.ndarray) and y.ndim == 2:
        return _indicator(y)
    if _is_flat(y):
        return [(value.item() if isinstance(value, np.generic) else value,) for value in y]
    rows = [tuple(row) for row in y]
    cells = [cell for row in rows for cell in row]
    if cells and not any(isinstance(cell, str) for cell in cells):
        if len({len(row) for row in rows}) != 1:
            raise UsageError(
                "y has rows of numbers of unequal length: wanted an indicator array or lists of names"
            )
        return _indicator(np.array(rows))
    return rows


def _is_flat(y: Any) -> bool:
    return all(isinstance(value, str | bytes) or np.ndim(value) == 0 for value in y) and not any(
        isinstance(value, set | frozenset) for value in y
    )


def _indicator(y: Array) -> Array:
    values = np.asarray(y)
    if not np.isin(values, (0, 1)).all():
        raise UsageError("the indicator array has other values than 0 and 1")
    return values.astype(np.int8)


def _task(rows: Sequence[tuple[Any, ...]]) -> Task:
    if any(len(row) != 1 for row in rows):
        return "multilabel"
    return "binary" if len({row[0] for row in rows}) == 2 else "multiclass"


def _label_set(labels: Any) -> LabelSet | None:
    if labels is None or isinstance(labels, LabelSet):
        return labels
    if isinstance(labels, str):
        raise UsageError(f"labels is the text {labels!r}: wanted a list of names, or a LabelSet")
    names = tuple(map(str, labels))
    if len(set(names)) != len(names) or len(names) == 0:
        raise UsageError(
            f"labels has {len(names)} names, {len(set(names))} of them different: wanted each once"
        )
    return LabelSet(names)
