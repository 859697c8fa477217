"""What a head learns from: a collection's documents and judged queries, crops of the documents, and all their vectors.

Every text has one row number, by which it is known from here on. Crops (titles and sentences) stand in for queries:
their pairs need no judgments, so they cover all of a collection and not only its judged part.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.corpora.dataset import Dataset
from retrieve.encoders.dense.encoder import Encoder
from retrieve.errors import TrainingError
from retrieve.text.boundaries import breaks
from retrieve.text.splitter import fed_text
from retrieve.types import Document, Progress

_log = logging.getLogger("retrieve")

SHORTEST = 20  # characters of a sentence that says something
MOST_CROPS = 20_000
"""Crops taken of a collection, chosen by the seed where there are more: each is a text to encode."""

IntArray = npt.NDArray[np.int64]


class Material(NamedTuple):
    """Texts (R) and their vectors (R,D) float32, unit norm. Rows 0 … are the documents, in the order of their ids.

    `query_rows`: judged query → row. `crops` (C,2): row of the crop, row of its document. `qrels` are of the judged
    documents that the collection has.
    """

    name: str
    doc_ids: list[str]
    query_rows: dict[str, int]
    crops: IntArray
    qrels: dict[str, dict[str, int]]
    texts: list[str]
    vectors: npt.NDArray[np.float32]

    def documents(self, excluded: Collection[str] = ()) -> IntArray:
        """Rows of the documents that are not excluded by id."""
        return np.array([row for row, doc in enumerate(self.doc_ids) if doc not in excluded], dtype=np.int64)

    def crop_pairs(self, excluded: Collection[str] = ()) -> IntArray:
        """Pairs (P,2): crop, document it was cut from, of documents that are not excluded by id."""
        return self.crops[np.isin(self.crops[:, 1], self.documents(excluded))]

    def judged_pairs(self, queries: Iterable[str]) -> IntArray:
        """Pairs (P,2): query, document of a grade above 0."""
        rows = {doc: row for row, doc in enumerate(self.doc_ids)}
        pairs = [
            (self.query_rows[query], rows[doc])
            for query in queries
            for doc, grade in sorted(self.qrels[query].items())
            if grade > 0
        ]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def gather(
    data: Dataset, encoder: Encoder, *, crops: bool, seed: int, progress: Progress | None = None
) -> Material:
    """Read, crop if asked, and encode. Document vectors come from, and go to, the encoder's cache.

    Raises `TrainingError` where no query has a relevant document in the collection.
    """
    documents = sorted(data.corpus, key=lambda document: document.id)
    documents = [document for document in documents if _whole(document).strip()]
    doc_ids = [document.id for document in documents]
    qrels = _present(data, set(doc_ids))
    cropped = list(_crops(documents)) if crops else []
    if len(cropped) > MOST_CROPS:
        chosen = np.random.default_rng(seed).choice(len(cropped), MOST_CROPS, replace=False)
        cropped = [cropped[place] for place in sorted(chosen)]
    whole = [_whole(document) for document in documents]
    queries = [query for query in data.queries if query.id in qrels]
    parts = (
        ("documents", whole),
        ("crops", [text for text, _ in cropped]),
        ("queries", [query.text for query in queries]),
    )
    vectors = [_encoded(encoder, stage, texts, progress) for stage, texts in parts]
    first_crop, first_query = len(whole), len(whole) + len(cropped)
    return Material(
        data.name,
        doc_ids,
        {query.id: first_query + number for number, query in enumerate(queries)},
        np.array(
            [(first_crop + number, row) for number, (_, row) in enumerate(cropped)], dtype=np.int64
        ).reshape(-1, 2),
        qrels,
        [text for _, texts in parts for text in texts],
        np.concatenate(vectors),
    )


def _present(data: Dataset, known: set[str]) -> dict[str, dict[str, int]]:
    """Judgments of documents that are there, of queries that have a relevant one among them."""
    qrels = {
        query: {doc: grade for doc, grade in grades.items() if doc in known}
        for query, grades in data.qrels.items()
    }
    usable = {query: grades for query, grades in qrels.items() if any(grade > 0 for grade in grades.values())}
    if not usable:
        raise TrainingError(
            f"{data.name}: none of {len(data.qrels)} judged queries has a relevant document in the collection, so "
            "nothing could be trained or judged: wanted judgments of these documents"
        )
    if len(usable) < len(qrels):
        _log.warning(
            "%s: %d judged queries have no relevant document in the collection and are left out",
            data.name,
            len(qrels) - len(usable),
        )
    return usable


def _whole(document: Document) -> str:
    """A document as an index feeds it to the encoder, which cuts it at its limit."""
    return fed_text(document, (0, len(document.text)), 0, title="every")


def _crops(documents: Iterable[Document]) -> Iterator[tuple[str, int]]:
    """Titles and sentences with the row of their document."""
    for row, document in enumerate(documents):
        if document.title.strip() and document.text.strip():
            yield document.title, row
        ends = [0, *breaks(document.text).sentences.tolist(), len(document.text)]
        sentences = [document.text[start:end].strip() for start, end in itertools.pairwise(ends)]
        if len(sentences) > 1 or document.title.strip():  # else the only sentence is all of the document
            yield from ((sentence, row) for sentence in sentences if len(sentence) >= SHORTEST)


def _encoded(
    encoder: Encoder, stage: str, texts: list[str], progress: Progress | None
) -> npt.NDArray[np.float32]:
    if not texts:
        return np.zeros((0, encoder.dimensions), np.float32)

    def report(done: int, _: int) -> None:
        if progress is not None:
            progress(f"encoding {stage}", done, len(texts))

    vectors = (
        encoder.encode_queries(texts)
        if stage == "queries"
        else encoder.encode_documents(texts, progress=report)
    )
    return vectors.vectors.astype(np.float32)
