"""A filter over metadata that no column holds: SQLite reads the JSON, and Python decides what SQLite cannot.

Making a dict of every document's metadata takes most of the time of a filter on undeclared fields. The rows that are
selected are those of `filters.matches`, whichever way they were decided.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from retrieve.store.documents import DocumentTable
from retrieve.store.fields import FieldWatch
from retrieve.store.filter_sql import askable, condition_of, held
from retrieve.store.filters import Filter, matches

_UNDECIDED = 2


def scan(documents: DocumentTable, rows: int, where: Filter, watch: FieldWatch) -> npt.NDArray[np.bool_]:
    """Which documents of a table of so many rows a filter accepts: (rows,) bool; `watch` sees all of them."""
    condition = condition_of(where)
    if condition is None or not all(map(askable, watch.missing)):
        return np.fromiter(_read(documents, rows, where, watch), np.bool_, rows)
    found = [field for field in watch.missing if documents.any(held(field))]
    watch.look_over(found, rows, lambda: documents.metadata(rows))
    decided = np.fromiter(
        (_UNDECIDED if value is None else value for value in documents.decided(condition, rows)),
        np.int8,
        rows,
    )
    undecided = np.flatnonzero(decided == _UNDECIDED)
    selected: npt.NDArray[np.bool_] = decided == 1
    selected[undecided] = [matches(where, metadata) for metadata in documents.metadata_of(undecided.tolist())]
    return selected


def _read(documents: DocumentTable, rows: int, where: Filter, watch: FieldWatch) -> Iterator[bool]:
    for metadata in documents.metadata(rows):
        watch.look(metadata)
        yield matches(where, metadata)
