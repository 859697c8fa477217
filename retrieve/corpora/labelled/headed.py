"""A table of labels with its heading read: what separates its cells, and which of its columns are ours.

What a spreadsheet or pandas writes is taken as it is: semicolons or tabs between cells, `Label` for `labels`, a list in
one cell. What cannot be told, a comma within a label, is said and not guessed.
"""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.csv_rows import delimiter_of, first_line, heading_of, table_rows
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError, UsageError

LABEL_NAMES = ("labels", "label")
SEPARATORS = (";", "|")
"""What parts the labels of a cell without being asked to; a comma has to be."""


class Headed(NamedTuple):
    """Rows below a heading, the place of each of its columns, and what it calls ours."""

    rows: Iterator[tuple[int, list[str] | InputError]]
    places: dict[str, int]
    names: dict[str, str]


@dataclass(frozen=True, slots=True)
class Columns:
    """Our columns, and what a heading may call them.

    `known`: ours → names in small letters, of which the first that is there is taken; `given`: ours → the heading's
    own name, as somebody said. `needed` must be there, and one of `either` where there are any. `remedy`: what an error
    says to do.
    """

    known: Mapping[str, Sequence[str]]
    needed: tuple[str, ...]
    remedy: str
    either: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)

    def read(self, stream: Stream, options: ReadOptions) -> Headed:
        """The table in `stream`. Raises `InputError` where a column is wanted and not there."""
        line, usual = first_line(stream), delimiter_of(stream.name)
        headings = {mark: _cells(line, mark) for mark in (usual, ",", ";", "\t")}
        several = (mark for mark, cells in headings.items() if len(cells) > 1)  # the error then names them
        delimiter = next((mark for mark, cells in headings.items() if self._has(cells)), next(several, usual))
        cells = headings[delimiter]
        names = self._names(cells)
        wanted = [names[name] for name in (*self.needed, *self.given)]
        if not any(names[name] in cells for name in self.either):
            wanted += [names[name] for name in self.either[:1]]
        rows = table_rows(stream, options, delimiter)
        return Headed(rows, heading_of(rows, stream.name, dict.fromkeys(wanted), self.remedy), names)

    def _has(self, cells: list[str]) -> bool:
        names = self._names(cells)
        return all(names[name] in cells for name in self.needed)

    def _names(self, cells: list[str]) -> dict[str, str]:
        """What the heading calls our columns; our own name for what is not there."""
        theirs = {cell.strip().lower(): cell for cell in reversed(cells)}
        found = {
            ours: next((theirs[name] for name in names if name in theirs), ours)
            for ours, names in self.known.items()
        }
        return found | dict(self.given)


def _cells(line: str, mark: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=mark, strict=True), [])
    except csv.Error:
        return []


class Separation(NamedTuple):
    """How the labels in the cells of a column are parted, told by all of them.

    `separator`: "" where a cell is one label. `lists`: whether there are cells written as lists. `commas`: how many
    cells are one label with a comma in it.
    """

    separator: str
    lists: bool = False
    commas: int = 0

    def remarks(self) -> list[str]:
        """What was told, and what may have been meant otherwise."""
        if self.separator:
            return [f"labels in a cell are separated by {self.separator}"]
        if self.commas:
            return [
                f"{self.commas} cells have a comma in them and are one label each: if it parts several, give "
                'separator="," (--reading separator=,)'
            ]
        return []


def separation(paths: Sequence[Path], columns: Columns, asked: str | None) -> Separation:
    """What parts the labels in the cells of the files: what is `asked`, or what occurs in them.

    Raises `UsageError` for what cannot be asked, and where both separators occur.
    """
    if asked not in (None, "", ",", *SEPARATORS):
        raise UsageError(f'separator {asked!r} does not exist; wanted one of {" ".join(SEPARATORS)} , or ""')
    found: set[str] = set()
    lists, commas = False, 0
    for path in paths:
        for cell in _label_cells(path, columns):
            if is_list(cell):
                lists = True
            else:
                found.update(separator for separator in SEPARATORS if separator in cell)
                commas += "," in cell
    if asked is not None:
        return Separation(asked, lists)
    if len(found) > 1:
        raise UsageError(
            f"labels have both {' and '.join(SEPARATORS)} in them: say separator=… which parts them"
        )
    return Separation(next(iter(found), ""), lists, commas)


def _label_cells(path: Path, columns: Columns) -> Iterator[str]:
    """The cells of labels of a file; bad rows are named when they are read."""
    with Stream.open(path) as stream:
        table = columns.read(stream, ReadOptions())
        name = table.names["labels"]
        if name not in table.places:
            return
        for _, cells in table.rows:
            if not isinstance(cells, InputError) and len(cells) > table.places[name]:
                yield cells[table.places[name]]


def cut_labels(cell: str, separator: str) -> list[str]:
    """The labels in a cell, without spaces around them; of an empty cell, none. A list is read as the list it is."""
    listed = _listed(cell)
    if listed is not None:
        return listed
    parts = cell.split(separator) if separator else [cell]
    return [part.strip() for part in parts] if cell.strip() else []


def is_list(cell: str) -> bool:
    """Whether a cell is written as a list, as `["a", "b"]` of JSON or `['a', 'b']` of Python."""
    return _listed(cell) is not None


def _listed(cell: str) -> list[str] | None:
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list) and all(type(label) in (str, int) for label in found):
            return [str(label).strip() for label in found]
    return None
