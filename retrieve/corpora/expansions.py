"""What documents are found by beside their own words: a file of ids and texts, made by whatever generator.

Expansions go beside the documents of a collection, not into their texts, so that snippets, offsets and everything that
is encoded stay those of the document (document expansion: Nogueira et al. 2019, doc2query).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from retrieve.corpora.check import check_document
from retrieve.corpora.corpus import DEFAULT_OPTIONS, Corpus, ReadOptions, Records
from retrieve.corpora.jsonl import read_jsonl
from retrieve.corpora.part import FilePart
from retrieve.corpora.rows import Row
from retrieve.corpora.stream import Stream
from retrieve.corpora.tsv import read_tsv_queries
from retrieve.errors import InputError, UsageError
from retrieve.types import Document

_SHOWN = 5

_log = logging.getLogger("retrieve")


def read_expansions(path: str | Path) -> dict[str, str]:
    """Id → text of a file of JSON lines (`_id` or `id`, `text`) or of tab-separated id and text, plain or gzip.

    Raises `InputError` with file and line for a bad record, one with other keys, and an id that occurs again.
    """
    rows = Corpus(str(path), [FilePart.at(Path(path), _read)], DEFAULT_OPTIONS)
    return {row.id: row.text for row in rows}


def _read(stream: Stream, options: ReadOptions) -> Records:
    start = stream.peek().removeprefix(b"\xef\xbb\xbf").lstrip()
    records = read_jsonl(stream, options) if start.startswith(b"{") else read_tsv_queries(stream, options)
    for line, outcome in records:
        if isinstance(outcome, Document) and (outcome.title or outcome.metadata):
            others = ", ".join(sorted({*outcome.metadata, *(["title"] if outcome.title else [])}))
            yield Row(
                line, InputError(f"{stream.name}:{line}", f"an expansion has id and text alone, not {others}")
            )
        else:
            yield Row(line, outcome)


class Expansions:
    """Joins expansions to the documents that they are of, and remembers which found theirs."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        if not isinstance(texts, Mapping):
            raise UsageError(f"expansions are of type {type(texts).__name__}: wanted a mapping, id → text")
        self._texts = texts
        self._found: set[str] = set()
        self._unread = 0

    def over(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents, those with an expansion here expanded by it. Raises `InputError` for one that is no text."""
        for document in documents:
            if document.id in self._texts:
                self._found.add(document.id)
                document = replace(document, expansion=self._texts[document.id])  # noqa: PLW2901
                check_document(document)
                self._unread += bool(document.expansion) and not document.text.strip()
            yield document

    @property
    def unknown(self) -> list[str]:
        """Ids that no document had, sorted."""
        return sorted(self._texts.keys() - self._found)

    def warn(self) -> None:
        """Say which expansions are of no use."""
        if unknown := self.unknown:
            shown = ", ".join(map(repr, unknown[:_SHOWN])) + (", …" if len(unknown) > _SHOWN else "")
            _log.warning("%d of %d expansions are of no document: %s", len(unknown), len(self._texts), shown)
        if self._unread:
            _log.warning(
                "%d expanded documents have no text, so that they have no passage, and nothing finds them",
                self._unread,
            )
