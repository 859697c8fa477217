"""Collections of the `ir_datasets` catalogue, by name. Needs the extra `eval`.

The catalogue gives each collection its own record type; what they share is `doc_id` and `default_text()`. Where a
record has a title and a text they are taken, and its other plain fields become metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from retrieve.corpora.check import check_document
from retrieve.corpora.corpus import Corpus, ReadOptions, Records
from retrieve.corpora.rows import parsed_rows
from retrieve.errors import InputError, MissingExtra
from retrieve.types import Document

_PREFIX = "ir_datasets:"
_TEXT_FIELDS = ("text", "body")
_MARKUP_FIELDS = frozenset(("marked_up_doc", "raw_doc"))  # the same text once more, with its tags
# What the catalogue raises for a collection that is not there and cannot be fetched; requests' errors are OSErrors.
_FAILURES = (KeyError, OSError, RuntimeError, ValueError)


def catalogue_corpus(name: str, options: ReadOptions) -> Corpus:
    """The documents of a collection."""
    return Corpus(_PREFIX + name, [_CataloguePart(name, "docs")], options)


def catalogue_queries(name: str, options: ReadOptions) -> Corpus:
    """The queries of a collection, as documents."""
    return Corpus(_PREFIX + name, [_CataloguePart(name, "queries")], options)


def catalogue_qrels(name: str) -> dict[str, dict[str, int]]:
    """The judgments of a collection: query id → document id → grade. Raises `InputError` for two grades of a pair."""
    dataset = load(name, "qrels")
    qrels: dict[str, dict[str, int]] = {}
    try:
        for qrel in dataset.qrels_iter():
            judged = qrels.setdefault(qrel.query_id, {})
            if judged.setdefault(qrel.doc_id, qrel.relevance) != qrel.relevance:
                raise InputError(
                    _PREFIX + name,
                    f"query {qrel.query_id!r}, document {qrel.doc_id!r} is judged twice, differently",
                )
    except _FAILURES as error:
        raise _failed(name, error) from error
    return qrels


def has(name: str, what: str) -> bool:
    """Whether a collection of that name is in the catalogue and has `docs`, `queries` or `qrels`."""
    return name in _catalogue().registry and bool(getattr(load(name), f"has_{what}")())


def load(name: str, what: str | None = None) -> Any:
    """The catalogue's object. Raises `InputError` if there is none, or if it lacks `what`."""
    try:
        dataset = _catalogue().load(name)
    except _FAILURES as error:
        raise _failed(name, error) from error
    if what is not None and not getattr(dataset, f"has_{what}")():
        raise InputError(_PREFIX + name, f"has no {what}: choose a part of it that has, as in NAME/test")
    return dataset


def _catalogue() -> Any:
    try:
        import ir_datasets
    except ImportError as error:
        raise MissingExtra("reading ir_datasets collections", "eval") from error
    return ir_datasets


def _failed(name: str, error: Exception) -> InputError:
    return InputError(
        _PREFIX + name,
        f"ir_datasets cannot give it ({type(error).__name__}: {error}): check the name, the network, and whether the "
        f"collection has to be fetched by hand",
    )


class _CataloguePart:
    """Documents or queries of one collection; the `line` of a record is its place in the collection."""

    size: int | None = None
    position = 0

    def __init__(self, name: str, what: str) -> None:
        self.name = _PREFIX + name
        self._dataset_name = name
        self._what = what

    def records(self, options: ReadOptions) -> Records:
        dataset = load(self._dataset_name, self._what)
        items = dataset.docs_iter() if self._what == "docs" else dataset.queries_iter()
        parse = _document if self._what == "docs" else _query
        yield from parsed_rows(self.name, self._numbered(items), parse)

    def _numbered(self, items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        try:
            yield from enumerate(items, start=1)
        except _FAILURES as error:
            raise _failed(self._dataset_name, error) from error


def _document(item: Any, where: str) -> Document:
    fields: dict[str, Any] = item._asdict()
    used = next((name for name in _TEXT_FIELDS if name in fields), None)
    # default_text() joins every text field, the title among them
    title = fields.get("title") or "" if used else ""
    text = fields[used] if used else item.default_text()
    taken = {"doc_id", *((used, "title") if used else ()), *_MARKUP_FIELDS}
    metadata = {
        name: value
        for name, value in fields.items()
        if name not in taken and isinstance(value, str | int | float | None)
    }
    document = Document(id=item.doc_id, text=text, title=title, metadata=metadata)
    check_document(document, where)
    return document


def _query(item: Any, where: str) -> Document:
    document = Document(id=item.query_id, text=item.default_text())
    check_document(document, where)
    return document
