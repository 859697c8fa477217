"""Tables of labelled documents, separated by commas, semicolons or tabs, as their heading tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.csv_rows import DOCUMENTS
from retrieve.corpora.labelled.fields import checked_labels, labelled, split_of, value_of
from retrieve.corpora.labelled.headed import LABEL_NAMES, Columns, cut_labels, is_list, separation
from retrieve.corpora.labelled.label_file import read_label_file
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.labelled.records import LabelledRows, Reading
from retrieve.corpora.labelled.renamed import RENAME, checked_names
from retrieve.corpora.rows import parsed_rows
from retrieve.corpora.split_files import file_part
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError, UsageError
from retrieve.types import LabelledDocument

COLUMNS = {
    "id": DOCUMENTS.ids,
    "text": DOCUMENTS.texts,
    "labels": LABEL_NAMES,
    "title": ("title",),
    "split": ("split",),
    "value": ("value",),
}

Empty = Literal["unlabelled", "none"]


def open_table(
    layout: Layout,
    *,
    columns: Mapping[str, str] | None = None,
    separator: str | None = None,
    empty_labels: Empty = "unlabelled",
) -> Reading:
    """A .csv or .tsv with a heading, or a folder of them, and the label set in `labels.json` where that is beside.

    `columns`: ours (id, text, labels, title, split, value) → the heading's names, where it has others; labels or a
    value must be there. `separator` of the labels in a cell: ; or | or a comma, or "" where a cell is one label;
    without it ; or |, whichever occurs, an error where both do. `empty_labels`: whether an empty cell says that nobody
    has labelled the document, or that it has none of the labels, as the list [] does.
    """
    if empty_labels not in ("unlabelled", "none"):
        raise UsageError(f'empty_labels {empty_labels!r}: wanted "unlabelled" or "none"')
    ours = Columns(COLUMNS, ("id", "text"), RENAME, ("labels", "value"), checked_names(columns, COLUMNS))
    files = layout.tables()
    parted = separation([path for path, _ in files], ours, separator)
    table = _Table(ours, empty_labels, parted.separator)
    parts = [file_part(path, table.rows, split) for path, split in files]
    label_set, descriptions = read_label_file(layout.folder / "labels.json")
    return Reading(
        layout.name,
        parts,
        labels=label_set,
        descriptions=descriptions,
        several=lambda: parted.lists,
        remarks=[*parted.remarks(), *layout.remarks()],
    )


class _Table:
    """The rows of the files of one table: how columns are called, and what a cell of labels means."""

    def __init__(self, columns: Columns, empty: Empty, separator: str) -> None:
        self._columns = columns
        self._empty = empty
        self._separator = separator

    def rows(self, stream: Stream, options: ReadOptions) -> LabelledRows:
        rows, places, names = self._columns.read(stream, options)

        def parse(cells: list[str], where: str) -> LabelledDocument:
            return self._document(cells, places, names, where)

        yield from parsed_rows(stream.name, rows, parse)

    def _document(
        self, cells: list[str], places: Mapping[str, int], names: Mapping[str, str], where: str
    ) -> LabelledDocument:
        if len(cells) != len(places):
            raise InputError(
                where, f"{len(cells)} columns, and the heading has {len(places)}: quote the text"
            )
        fields = dict(zip(places, cells, strict=True))
        own = {column: fields.get(name) or "" for column, name in names.items()}
        labels: tuple[str, ...] | None = checked_labels(cut_labels(own["labels"], self._separator), where)
        if not labels and self._empty == "unlabelled" and not is_list(own["labels"]):
            labels = None
        rest = {name: cell for name, cell in fields.items() if name not in names.values()}
        return labelled(
            where,
            own["id"],
            own["text"],
            labels,
            title=own["title"],
            metadata=rest,
            value=value_of({"value": own["value"]}, "value", where),
            split=split_of({"split": own["split"] or None}, "split", where),
        )
