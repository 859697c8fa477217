"""What a caller hands to a classifier, texts and labels in any of scikit-learn's forms, as documents and targets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.errors import UsageError
from retrieve.types import Document, LabelledDocument, LabelSet, Task

Array = npt.NDArray[Any]

_GREATEST = float(np.finfo(np.float32).max)
_TASKS = ("binary", "multiclass", "multilabel")


class Known(NamedTuple):
    """What the labels of a training say: the task, the labels in order, and the classes (L,) that `predict` returns."""

    task: Task
    labels: LabelSet
    classes: Array


def as_documents(texts: Any) -> list[LabelledDocument]:
    """Texts, `Document`s or `LabelledDocument`s, mixed or not; a text's id is its place, counted from 0.

    Raises `UsageError` for a single text, for what has no order or iterates over its keys (a set, a mapping, a
    DataFrame), and for anything else in the list.
    """
    if isinstance(texts, str | bytes | Document | LabelledDocument) or not isinstance(texts, Iterable):
        raise UsageError(f"the documents are one {type(texts).__name__}: wanted a list of texts or documents")
    if isinstance(texts, Mapping | Set) or hasattr(texts, "columns"):
        raise UsageError(
            f"the documents are a {type(texts).__name__}: wanted a list, an array or one column of texts"
        )
    return [_document(text, place) for place, text in enumerate(texts)]


def _document(text: Any, place: int) -> LabelledDocument:
    if isinstance(text, LabelledDocument):
        return text
    if isinstance(text, Document):
        return LabelledDocument(text)
    if isinstance(text, str):
        document = Document(str(place), str(text))
        _check_writable(document.text, f"document {place}")
        return LabelledDocument(document)
    raise UsageError(
        f"document {place} is of type {type(text).__name__}: wanted a text, a Document or a LabelledDocument"
    )


def _check_writable(text: str, what: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UsageError(
                f"{what} has half a surrogate pair at character {error.start}, which no file can hold: decode it anew"
            ) from error


def with_labels(validation: Any) -> tuple[Any, Any]:
    """What `fit` takes as `validation`, in two: documents, and their labels or values (None: the documents' own).

    Raises `UsageError` for a tuple of other than two.
    """
    if not isinstance(validation, tuple):
        return validation, None
    if len(validation) != 2:
        raise UsageError(
            f"validation is a tuple of {len(validation)}: wanted (documents, labels), or a list of labelled documents"
        )
    return validation


def held_documents(texts: Any) -> list[LabelledDocument]:
    """Validation documents. Raises `UsageError` where there are none."""
    documents = as_documents(texts)
    if not documents:
        raise UsageError("validation has no documents: leave it out, and a share of the others is held out")
    return documents


def known_labels(documents: Sequence[LabelledDocument], y: Any, *, task: Task | None, labels: Any) -> Known:
    """The task and the labels of a training, from the labels themselves where they are not given.

    Without `task`: one of two or of several values a document is binary or multiclass, lists of labels and indicator
    arrays are multilabel; of labelled documents, multilabel unless each has exactly one. Raises `UsageError` where all
    documents have one label, or none has any.
    """
    if task not in (None, *_TASKS):
        raise UsageError(f"task is {task!r}: wanted {', '.join(_TASKS)}, or a Regressor for values in order")
    named = None if labels is None else label_set(labels)
    rows = label_rows(documents, y)
    if isinstance(rows, np.ndarray):
        if task not in (None, "multilabel"):
            raise UsageError(f"an indicator array is multilabel: task is {task!r}")
        columns = column_names(y)
        names = named.names if named else columns or tuple(map(str, range(rows.shape[1])))
        if len(names) != rows.shape[1]:
            raise UsageError(
                f"the indicator array has {rows.shape[1]} columns, labels has {len(names)} names"
            )
        _check_columns(y, names)
        return Known("multilabel", named or LabelSet(names), np.arange(len(names)))
    found = task or ("multilabel" if y is not None and not _is_flat(y) else _task(rows, named))
    values = [value for row in rows for value in row]
    if not values:
        raise UsageError(f"none of {len(rows)} documents has a label: there is nothing to learn")
    if found == "multilabel":
        names = named.names if named else tuple(sorted({str(value) for value in values}))
        return Known(found, named or LabelSet(names), np.array(names))
    classes = _classes(values, labels, named)
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
        _check_columns(y, known.labels.names)
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
    given = [document.value for document in documents] if y is None else _column(y)
    if len(given) != len(documents):
        raise UsageError(f"{len(given)} values were given for {len(documents)} documents")
    for document, value in zip(documents, given, strict=True):
        if not isinstance(value, int | float) or not abs(value) <= _GREATEST:
            raise UsageError(
                f"document {document.document.id!r} has the value {value!r}: wanted a number of float32"
            )
    return np.array(given, np.float32).reshape(-1, 1)


def _column(y: Any) -> list[Any]:
    """Values in one column, as numbers of Python where they are numbers."""
    values = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y if hasattr(y, "__len__") else list(y))
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise UsageError(f"the values have the shape {values.shape}: wanted one for each document")
    return [value.item() if isinstance(value, np.number | np.bool_) else value for value in values]


def label_rows(documents: Sequence[LabelledDocument], y: Any) -> list[tuple[Any, ...]] | Array:
    """The labels of each document as tuples, or an indicator array (N,L) as it was given.

    Raises `UsageError` naming the document for what is no label: nothing (None, NaN), bytes, half a surrogate pair.
    """
    if y is None:
        bare = [document.document.id for document in documents if document.labels is None]
        if bare:
            raise UsageError(
                f"{len(bare)} of {len(documents)} documents are not labelled, the first is {bare[0]!r}: "
                "give y, or leave them out"
            )
        return [document.labels or () for document in documents]
    if isinstance(y, str | bytes | Mapping | Set) or not hasattr(y, "__len__"):
        raise UsageError(
            f"the labels are a {type(y).__name__}: wanted a list or an array, in the documents' order"
        )
    if hasattr(y, "toarray"):
        y = y.toarray()
    if hasattr(y, "to_numpy"):
        y = y.to_numpy()
    if len(y) != len(documents):
        raise UsageError(f"labels were given for {len(y)} documents, there are {len(documents)}")
    if isinstance(y, np.ndarray) and y.ndim > 1:
        return _indicator(y)
    if _is_flat(y):
        return [
            (_label(value.item() if isinstance(value, np.generic) else value, document),)
            for value, document in zip(y, documents, strict=True)
        ]
    rows = [_labels(row, document) for row, document in zip(y, documents, strict=True)]
    cells = [cell for row in rows for cell in row]
    if cells and not any(isinstance(cell, str) for cell in cells):
        if len({len(row) for row in rows}) != 1:
            raise UsageError(
                "y has rows of numbers of unequal length: wanted an indicator array or lists of names"
            )
        return _indicator(np.array(rows))
    return rows


def _labels(row: Any, document: LabelledDocument) -> tuple[Any, ...]:
    if isinstance(row, str | bytes | Mapping) or not isinstance(row, Iterable):
        raise UsageError(
            f"document {document.document.id!r} has {row!r} where others have lists of labels: wanted a list for each"
        )
    return tuple(_label(value, document) for value in row)


def _label(value: Any, document: LabelledDocument) -> Any:
    where = f"document {document.document.id!r}"
    missing = value is None or type(value).__name__ in ("NAType", "NaTType")
    if missing or (isinstance(value, float) and math.isnan(value)):
        raise UsageError(f"{where} has the label {value}, which is none: leave it out, or name the label")
    if isinstance(value, bytes):
        raise UsageError(f"{where} has the label {value!r}: wanted a text, decode it")
    if isinstance(value, str):
        _check_writable(value, f"the label of {where}")
    return value


def column_names(y: Any) -> tuple[str, ...] | None:
    """What a DataFrame calls its columns, where it calls them something; None for every other array."""
    names = getattr(y, "columns", None)
    return None if names is None else tuple(map(str, names))


def _check_columns(y: Any, names: tuple[str, ...]) -> None:
    """Raise `UsageError` where a DataFrame has its labels in another order, or other ones; numbers are no names."""
    columns = column_names(y)
    if columns and columns != names and columns != tuple(map(str, range(len(names)))):
        other = next((one, two) for one, two in zip(columns, names, strict=True) if one != two)
        raise UsageError(
            f"the DataFrame has the column {other[0]!r} where the label is {other[1]!r}: put its columns in the order "
            "of the labels"
        )


def _classes(values: Sequence[Any], labels: Any, named: LabelSet | None) -> Array:
    if named is not None:
        return np.array(named.names if isinstance(labels, LabelSet) else list(labels))
    classes = np.unique(np.array(values))
    names = set(map(str, classes.tolist()))
    if strange := [value for value in values if str(value) not in names]:
        kinds = sorted({type(value).__name__ for value in values})
        raise UsageError(
            f"the labels are of several types ({', '.join(kinds)}), as {strange[0]!r}: wanted one type"
        )
    return classes


def _is_flat(y: Any) -> bool:
    return all(isinstance(value, str | bytes) or np.ndim(value) == 0 for value in y) and not any(
        isinstance(value, set | frozenset) for value in y
    )


def _indicator(y: Array) -> Array:
    values = np.asarray(y)
    if values.ndim != 2 or not values.shape[1]:
        raise UsageError(f"the indicator array has the shape {values.shape}: wanted documents × labels")
    if not np.isin(values, (0, 1)).all():
        raise UsageError("the indicator array has other values than 0 and 1")
    return values.astype(np.int8)


def _task(rows: Sequence[tuple[Any, ...]], named: LabelSet | None) -> Task:
    if any(len(row) != 1 for row in rows):
        return "multilabel"
    count = len(named.names) if named else len({row[0] for row in rows})
    return "binary" if count == 2 else "multiclass"


def label_set(labels: Any) -> LabelSet:
    """A list of names, or of values that have one, as a label set; a `LabelSet` as it is.

    Raises `UsageError` for a text, and unless there are names, each once, that a file can hold.
    """
    if isinstance(labels, str):
        raise UsageError(f"labels is the text {labels!r}: wanted a list of names, or a LabelSet")
    found = labels if isinstance(labels, LabelSet) else LabelSet(tuple(map(str, labels)))
    names = found.names
    if len(set(names)) != len(names) or len(names) == 0:
        raise UsageError(
            f"labels has {len(names)} names, {len(set(names))} of them different: wanted each once"
        )
    for name in names:
        if not isinstance(name, str):
            raise UsageError(f"the label set has {name!r}: wanted texts")
        _check_writable(name, f"the label {name!r}")
    return found
