"""A stream of documents to rows of a labelled table, in batches: memory does not grow with the collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retrieve.corpora.extracted import has_text, why_no_text
from retrieve.errors import UsageError
from retrieve.types import Document

if TYPE_CHECKING:
    from retrieve.classify.classifier import Classifier

_DOCUMENTS = 64
_CHARACTERS = 4 << 20


@dataclass(frozen=True, slots=True)
class Prediction:
    """A document's labels, the most probable first, and probabilities by label, in the same order.

    `undecided`: labels whose probability is in the band that validation documents could not decide, whether given or
    not. `probabilities` holds every label, or as many of the most probable ones as were asked for. `no_text` says why a
    document has neither text nor title (scanned, empty): nobody has labelled it then, and the others are empty.
    """

    id: str
    labels: tuple[str, ...]
    probabilities: dict[str, float]
    undecided: tuple[str, ...]
    no_text: str | None = None


def predictions(
    classifier: Classifier, documents: Sequence[Document], *, top: int | None = None
) -> list[Prediction]:
    """One row a document, in order. Raises `UsageError` for a `top` below 1."""
    if top is not None and top < 1:
        raise UsageError(f"top is {top}: wanted 1 at least")
    readable = [document for document in documents if has_text(document)]
    labelled = iter(_labelled(classifier, readable, top) if readable else [])
    return [
        next(labelled) if has_text(document) else Prediction(document.id, (), {}, (), why_no_text(document))
        for document in documents
    ]


def _labelled(classifier: Classifier, documents: Sequence[Document], top: int | None) -> list[Prediction]:
    """Of documents that have a text."""
    names = classifier.labels_.names
    probabilities = classifier.predict_proba(documents)
    decided = probabilities[:, 1:] if classifier.task_ == "binary" else probabilities
    labels = classifier.names_of(decided)
    band = classifier.undecided_
    held = np.zeros(decided.shape, bool) if band is None else band.holds(decided)
    judged = names[-decided.shape[1] :]  # of a binary task the second label alone
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return [
        Prediction(
            document.id,
            labels[row],
            {names[column]: float(probabilities[row, column]) for column in order[row].tolist()},
            tuple(judged[column] for column in np.flatnonzero(held[row]).tolist()),
        )
        for row, document in enumerate(documents)
    ]


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Documents in order, some dozens at a time, fewer where they are long."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if len(batch) == _DOCUMENTS or size >= _CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
