"""Labels into the metadata of an index, where a filter finds them: one commit, and nothing is encoded again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from retrieve.api import Index
from retrieve.classify.predictions import batches, predictions
from retrieve.corpora.extracted import WithoutText
from retrieve.errors import UsageError
from retrieve.types import Document, Progress

if TYPE_CHECKING:
    from retrieve.classify.classifier import Classifier

FIELD = "labels"

_log = logging.getLogger("retrieve")


def label_index(
    classifier: Classifier,
    index: Index,
    field: str = FIELD,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> int:
    """Classify every live document of `index` and write its labels into metadata field `field`, a list of names.

    Returns the number of documents; the index answers from the new generation afterwards. Documents that have the field
    already are `UsageError` unless `force`, and nothing is written then: the labels there may be a person's. A document
    without text gets no label, which is said.
    """
    done = 0
    without_text = WithoutText()

    def labelled() -> Iterator[Document]:
        nonlocal done
        for batch in batches(_documents(index)):
            for document, prediction in zip(batch, predictions(classifier, batch, top=1), strict=True):
                if field in document.metadata and not force:
                    raise UsageError(
                        f"document {document.id!r} has a field {field!r} already: name another field, or replace it "
                        "everywhere with force"
                    )
                if prediction.no_text is not None:
                    without_text.add(document)
                yield replace(document, metadata={**document.metadata, field: list(prediction.labels)})
            done += len(batch)
            if progress is not None:
                progress("documents classified", done, len(index))

    with index.writer() as writer:
        index.refresh()  # what is read now is what the writer, alone from here on, writes on top of
        writer.add(labelled())
    if without_text.count:
        _log.warning("no label for %s", without_text)
    return done


def _documents(index: Index) -> Iterator[Document]:
    ids = list(index.ids())
    for start in range(0, len(ids), 64):
        for document in index.get_many(ids[start : start + 64]):
            assert document is not None  # of one generation, which the index holds
            yield document
