"""An index of Lucene's that Anserini or pyserini made, searched as these search it: through Anserini's SimpleSearcher.

What is ours is only what it takes to fail loudly: Anserini answers with no hits where an index has other fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieve.errors import FormatTooNew, IndexCorrupt, IndexNotFound
from retrieve.index.lucene import close_with, java, java_exception

_TEXT, _RAW, _ID = "contents", "raw", "id"


class LuceneFolder:
    """One folder, opened. `documents` of Lucene's, and the `stored` fields of the first of them."""

    def __init__(self, folder: Path) -> None:
        """Raises `IndexNotFound` where there is none, `FormatTooNew`, or `IndexCorrupt` for what Lucene cannot read.

        An index without the field `contents`, or whose documents have no stored `id`, is `IndexNotFound` too: it was
        not made by Anserini.
        """
        if not is_lucene(folder):
            raise IndexNotFound(f"no index of Lucene's at {folder}: there is no file segments_N")
        with _faults_named(folder):
            self._searcher = java("io.anserini.search.SimpleSearcher")(str(folder))
            self.documents = int(self._searcher.get_total_num_docs())
            self.stored = self._check(folder)
        close_with(self, self._searcher)

    def _check(self, folder: Path) -> tuple[str, ...]:
        """Names of what the first document stores. Raises `IndexNotFound` for an index that Anserini did not make."""
        from jnius import cast

        place = java("java.nio.file.Paths").get(str(folder))
        opened = java("index.DirectoryReader").open(java("store.FSDirectory").open(place))
        try:
            reader = cast("org.apache.lucene.index.IndexReader", opened)
            fields = sorted(java("index.FieldInfos").getIndexedFields(reader).toArray())
            first = reader.storedFields().document(0) if reader.maxDoc() else None
            stored = () if first is None else tuple(field.name() for field in first.getFields().toArray())
        finally:
            opened.close()
        if self.documents and (_TEXT not in fields or _ID not in stored):
            raise IndexNotFound(
                f"the index of Lucene's at {folder} has the fields {', '.join(fields)} and stores "
                f"{', '.join(stored) or 'none'}: wanted {_TEXT}, and {_ID} stored, as Anserini and pyserini make them"
            )
        return stored

    def search(self, text: str, k: int, *, k1: float, b: float) -> list[tuple[str, float]]:
        """Ids and scores of the k best documents, as Anserini ranks and rounds them; [] for a query without terms."""
        self._searcher.set_bm25(k1, b)
        return [(hit.docid, float(hit.score)) for hit in self._searcher.search(text, k)]

    @property
    def stores_text(self) -> bool:
        """Whether texts are stored, as they were read (`raw`) or as they were indexed (`contents`)."""
        return _RAW in self.stored or _TEXT in self.stored

    def stored_text(self, doc_id: str) -> str | None:
        """A document's text, where that is stored; of a JSON object that was read its `contents`."""
        if _TEXT in self.stored:
            contents: str | None = self._searcher.doc_contents(doc_id)
            return contents
        raw: str | None = self._searcher.doc_raw(doc_id) if _RAW in self.stored else None
        return None if raw is None else _contents_of(raw)


def _contents_of(raw: str) -> str:
    try:
        text = json.loads(raw)[_TEXT]
    except (ValueError, TypeError, KeyError):
        return raw
    return text if isinstance(text, str) else raw


def is_lucene(folder: Path) -> bool:
    """Whether a folder holds a commit of Lucene's."""
    return folder.is_dir() and any(folder.glob("segments_*"))


@contextmanager
def _faults_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except java_exception() as error:
        said = str(error).partition("\n")[0]
        if "FormatTooNew" in str(error):
            raise FormatTooNew(
                f"{folder} was written by a newer Lucene than the 9.9 that pyserini 1.6.0 brings ({said})"
            ) from error
        raise IndexCorrupt(f"{folder} cannot be read by Lucene ({said}): make the index again") from error
