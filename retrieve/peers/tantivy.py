"""tantivy: Lucene's design in Rust. An index of one field without positions, as BM25 needs no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieve.errors import UsageError
from retrieve.peers.protocol import FloatArray, IntArray, Peer, Task, Texts, folder_bytes

_TEXT, _ROW, _ANALYZER = "text", "row", "retrieve"


def make_analyzer(language: str, stopwords: Sequence[str]) -> Any:
    """Words in lower case without the stop words, by tantivy's Snowball stemmer; `none` has none.

    Raises `UsageError` for a language that it has no stemmer for.
    """
    import tantivy

    kind = tantivy.Filter
    chain = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).filter(kind.lowercase())
    if stopwords:
        chain = chain.filter(kind.custom_stopword(list(stopwords)))
    if language != "none":
        try:
            chain = chain.filter(kind.stemmer(language))
        except ValueError as error:
            raise UsageError(
                f"tantivy has no stemmer for bm25.language = {language!r}: leave it out of the peers"
            ) from error
    return chain.build()


class Tantivy(Peer):
    """Words in lower case, the stop words that ours has, and tantivy's Snowball stemmer."""

    differences = (
        "k1 1.2 and b .75 are fixed",
        "analyzer: its own words, by its own Snowball stemmer and the same stop words",
        "lengths in one byte, scores in single precision, times k1 + 1",
    )

    def __init__(self, task: Task) -> None:
        import tantivy

        super().__init__(task)
        self._package: Any = tantivy
        self._analyzer: Any = make_analyzer(task.language, task.stopwords)
        schema = tantivy.SchemaBuilder()
        schema.add_text_field(_TEXT, stored=False, tokenizer_name=_ANALYZER, index_option="freq")
        schema.add_unsigned_field(_ROW, stored=False, fast=True)
        self._schema: Any = schema.build()

    def build(self, texts: Texts, folder: Path) -> None:
        """One writer of one thread."""
        self._folder = folder
        folder.mkdir()
        index = self._package.Index(self._schema, path=str(folder))
        index.register_tokenizer(_ANALYZER, self._analyzer)
        writer = index.writer(num_threads=1)
        for row, text in enumerate(texts):
            made = self._package.Document()
            made.add_text(_TEXT, text)
            made.add_unsigned(_ROW, row)
            writer.add_document(made)
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        self._searcher: Any = index.searcher()

    def search(self, query: str, depth: int) -> tuple[IntArray, FloatArray]:
        """The query's terms, as often as they are there."""
        make = self._package.Query
        terms = [
            (
                self._package.Occur.Should,
                make.term_query(self._schema, _TEXT, term, index_option="freq"),
            )
            for term in self._analyzer.analyze(query)
        ]
        found = self._searcher.search(make.boolean_query(terms), depth, count=False).hits
        rows = self._searcher.fast_field_values(_ROW, [place for _, place in found])
        return np.array(rows, np.int64), np.array([score for score, _ in found], np.float32)

    def stored_bytes(self, folder: Path) -> int | None:
        """Of its index."""
        return folder_bytes(self._folder)
