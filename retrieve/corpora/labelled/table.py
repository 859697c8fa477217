"""Tables of labelled documents, comma- or tab-separated: the rows are those of `retrieve.corpora.csv_rows`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.csv_rows import delimiter_of, heading_of, table_rows
from retrieve.corpora.labelled.fields import checked_labels, labelled, split_of, value_of
from retrieve.corpora.labelled.label_file import read_label_file
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.labelled.records import LabelledRows, Reading
from retrieve.corpora.rows import parsed_rows
from retrieve.corpora.split_files import file_part
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError, UsageError
from retrieve.types import LabelledDocument

COLUMNS = ("id", "text", "labels", "title", "split", "value")
SEPARATORS = (";", "|")

Empty = Literal["unlabelled", "none"]


def open_table(
    layout: Layout,
    *,
    columns: Mapping[str, str] | None = None,
    separator: str | None = None,
    empty_labels: Empty = "unlabelled",
) -> Reading:
    """A .csv or .tsv with a heading, or a folder of them, and the label set in `labels.json` where that is beside.

    `columns`: ours (id, text, labels, title, split, value) → the heading's names. `separator` of the labels in a cell:
    ; or |, or "" where a cell is one label; without it the one that occurs, an error where both do. `empty_labels`:
    whether an empty cell says that nobody has labelled the document, or that it has none of the labels.
    """
    if separator not in (None, "", *SEPARATORS):
        raise UsageError(
            f'separator {separator!r} does not exist; wanted one of {" ".join(SEPARATORS)}, or ""'
        )
    if empty_labels not in ("unlabelled", "none"):
        raise UsageError(f'empty_labels {empty_labels!r}: wanted "unlabelled" or "none"')
    if strange := set(columns or ()) - set(COLUMNS):
        raise UsageError(f"columns {sorted(strange)} do not exist; wanted names for {', '.join(COLUMNS)}")
    names = {column: (columns or {}).get(column, column) for column in COLUMNS}
    files = layout.tables()
    if separator is None:
        separator = separator_of([path for path, _ in files], names["labels"])
    table = _Table(names, frozenset(("id", "text", "labels", *(columns or ()))), empty_labels, separator)
    parts = [file_part(path, table.rows, split) for path, split in files]
    label_set, descriptions = read_label_file(layout.folder / "labels.json")
    remarks = [f"labels in a cell are separated by {separator}"] if separator else []
    return Reading(
        layout.name,
        parts,
        labels=label_set,
        descriptions=descriptions,
        remarks=[*remarks, *layout.remarks()],
    )


def cut_labels(cell: str, separator: str) -> list[str]:
    """The labels in a cell, without spaces around them; of an empty cell, none."""
    parts = cell.split(separator) if separator else [cell]
    return [part.strip() for part in parts] if cell.strip() else []


class _Table:
    """The rows of the files of one table: how columns are called, and what a cell of labels means."""

    def __init__(
        self, names: Mapping[str, str], required: frozenset[str], empty: Empty, separator: str
    ) -> None:
        self._names = names
        self._required = required
        self._empty = empty
        self._separator = separator

    def rows(self, stream: Stream, options: ReadOptions) -> LabelledRows:
        rows = table_rows(stream, options, delimiter_of(stream.name))
        wanted = [self._names[column] for column in COLUMNS if column in self._required]
        places = heading_of(rows, stream.name, wanted)

        def parse(cells: list[str], where: str) -> LabelledDocument:
            return self._document(cells, places, where)

        yield from parsed_rows(stream.name, rows, parse)

    def _document(self, cells: list[str], places: Mapping[str, int], where: str) -> LabelledDocument:
        if len(cells) != len(places):
            raise InputError(
                where, f"{len(cells)} columns, and the heading has {len(places)}: quote the text"
            )
        fields = dict(zip(places, cells, strict=True))
        own = {column: fields.get(name) or "" for column, name in self._names.items()}
        labels: tuple[str, ...] | None = checked_labels(cut_labels(own["labels"], self._separator), where)
        if not labels and self._empty == "unlabelled":
            labels = None
        rest = {name: cell for name, cell in fields.items() if name not in self._names.values()}
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


def separator_of(paths: Iterable[Path], column: str) -> str:
    """The separator that occurs in the labels of the files, "" if none does. Raises `UsageError` where both do."""
    found: set[str] = set()
    for path in paths:
        with Stream.open(path) as stream:
            rows = table_rows(stream, ReadOptions(), delimiter_of(path.name))
            place = heading_of(rows, stream.name, [column])[column]
            for _, cells in rows:
                if (
                    not isinstance(cells, InputError) and len(cells) > place
                ):  # bad rows are named when they are read
                    found.update(separator for separator in SEPARATORS if separator in cells[place])
    if len(found) > 1:
        raise UsageError(
            f"labels have both {' and '.join(SEPARATORS)} in them: say separator=… which parts them"
        )
    return next(iter(found), "")
