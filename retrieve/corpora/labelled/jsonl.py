"""JSON lines that an analyst has: `id`, `text`, `labels`; and the two prepared collections that are close to it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.jsonl import json_rows
from retrieve.corpora.labelled.fields import (
    id_of,
    joined,
    labelled,
    labels_of,
    split_of,
    strings_of,
    text_of,
    value_of,
)
from retrieve.corpora.labelled.label_file import named_label_set, read_label_file
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.labelled.records import LabelledRows, Reading
from retrieve.corpora.labelled.renamed import RENAME, checked_names
from retrieve.corpora.split_files import file_part
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError, UsageError
from retrieve.types import LabelledDocument

_OWN = ("id", "_id", "text", "title", "labels", "label", "value", "paragraphs", "split", "metadata")


class _Documents:
    """Reads rows of `id` (or `_id`), `text` or `paragraphs` (a list of strings), and `labels` or `label`.

    Labels are a list or a string (a whole number is read as one), missing or null where nobody has labelled the
    document; also read are `title`, `split`, `value` (a number) and `metadata`, into which unknown fields go. A title
    with which the text begins goes into the metadata too: it would be read twice. `lists`: whether there was a list of
    labels. `columns`: our fields → those of the file, where they are called otherwise.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.lists = False
        self._ours = {theirs: ours for ours, theirs in columns.items()}

    def read(self, stream: Stream, options: ReadOptions) -> LabelledRows:
        def parse(row: dict[str, Any], where: str) -> LabelledDocument:
            fields = {self._ours.get(name, name): value for name, value in row.items()} if self._ours else row
            self.lists |= any(isinstance(fields.get(name), list) for name in ("labels", "label"))
            return _document(fields, where)

        return json_rows(stream, options, parse)


def open_json_documents(layout: Layout, *, columns: Mapping[str, str] | None = None) -> Reading:
    """A file or a folder of JSON lines, with the label set in `labels.json` beside them where that is there.

    `columns`: our fields (id, text, labels, title, split, value, …) → those of the file, where they are called
    otherwise.
    """
    documents = _Documents(checked_names(columns, _OWN))
    parts = [file_part(path, documents.read, split) for path, split in layout.json_files()]
    names, descriptions = read_label_file(layout.folder / "labels.json")
    return Reading(
        layout.name,
        parts,
        labels=names,
        descriptions=descriptions,
        several=lambda: documents.lists,
        remarks=layout.remarks(),
    )


def open_eurlex_acts(layout: Layout, *, field: str | None = None, label_set: str | None = None) -> Reading:
    """EU acts with EuroVoc `labels` and `subjects`: `field` says which of the two.

    `label_set` restricts to a set of `label_sets.json` (subjects_min10, eurovoc_min10); documents without one of its
    labels stay, with (). Without `field`, a set called subjects_… means the subjects. Raises `UsageError` for a field
    or a set that is not there.
    """
    if field is None:
        field = "subjects" if label_set and label_set.startswith("subjects") else "labels"
    if field not in ("labels", "subjects"):
        raise UsageError(f"field {field!r} does not hold labels; wanted labels or subjects")
    names = named_label_set(layout.folder / "label_sets.json", label_set) if label_set else None
    read = partial(_read_acts, field=field)
    return Reading(
        layout.name,
        [file_part(path, read, split) for path, split in layout.json_files()],
        task="multilabel",
        labels=names,
        restrict=names is not None,
        remarks=layout.remarks(),
    )


def _read_acts(stream: Stream, options: ReadOptions, *, field: str) -> LabelledRows:
    """`text` has the title already, so the title goes into the metadata and is not read twice."""

    def parse(fields: dict[str, Any], where: str) -> LabelledDocument:
        other = "subjects" if field == "labels" else "labels"
        return labelled(
            where,
            id_of(fields, "id", where),
            text_of(fields, "text", where),
            labels_of(fields, field, where),
            metadata={"title": text_of(fields, "title", where), other: list(labels_of(fields, other, where))},
            split=split_of(fields, "split", where),
        )

    return json_rows(stream, options, parse)


def _document(fields: dict[str, Any], where: str) -> LabelledDocument:
    names = [name for name in ("labels", "label") if fields.get(name) is not None]
    if len(names) == 2:
        raise InputError(where, '"labels" and "label" are both there: keep one of them')
    doc_id = "_id" if "_id" in fields and "id" not in fields else "id"
    body = "text" if fields.get("paragraphs") is None else "paragraphs"
    if lacking := next((name for name in (doc_id, body) if name not in fields), None):
        raise InputError(
            where, f'there is no "{lacking}"; fields: {", ".join(map(repr, fields)) or "none"}: {RENAME}'
        )
    text, spans = _text(fields, where)
    metadata = fields.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise InputError(where, '"metadata" is not an object')
    metadata = {**{key: value for key, value in fields.items() if key not in _OWN}, **metadata}
    title = text_of(fields, "title", where) if fields.get("title") is not None else ""
    if title.strip() and text.lstrip().startswith(title.strip()):
        title, metadata = "", {"title": title, **metadata}
    return labelled(
        where,
        id_of(fields, doc_id, where),
        text,
        labels_of(_with_texts(fields, names[0]), names[0], where) if names else None,
        title=title,
        metadata=metadata,
        value=value_of(fields, "value", where),
        paragraphs=spans,
        split=split_of(fields, "split", where),
    )


def _with_texts(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """The fields, with the texts of labels that are whole numbers: most data sets of two classes have 0 and 1."""
    value = fields[name]
    labels = value if isinstance(value, list) else [value]
    texts = [str(label) if type(label) is int else label for label in labels]
    return {**fields, name: texts if isinstance(value, list) else texts[0]}


def _text(fields: dict[str, Any], where: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The text and its paragraphs. With both given, each paragraph must be found in the text, in order."""
    if fields.get("paragraphs") is None:
        return text_of(fields, "text", where), ()
    paragraphs = strings_of(fields, "paragraphs", where)
    if fields.get("text") is None:
        return joined(paragraphs)
    text = text_of(fields, "text", where)
    spans, at = [], 0
    for place, paragraph in enumerate(paragraphs, start=1):
        start = text.find(paragraph, at)
        if start < 0:
            raise InputError(
                where, f"paragraph {place} of {len(paragraphs)} is not in the text after the one before it"
            )
        at = start + len(paragraph)
        if paragraph:
            spans.append((start, at))
    return text, tuple(spans)
