"""Which fields the documents have that a filter is asked of: one that none has is told, with the names nearest to it.

`{"yaer": {"ne": 1990}}` selects everything and `{"yaer": 1990}` nothing, both in silence. What is needed to notice is
seen in passing, in columns and in the metadata that is read anyway; where not all was read, nothing is said.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

from retrieve.store.filters import COMBINATORS, Filter, look_up
from retrieve.store.segment import Segment

# Of what is suggested: as many names, from as many documents, as deep in objects, as long.
_NAMES = 1_000
_DOCUMENTS = 10_000
_LEVELS = 4
_LENGTH = 100

_log = logging.getLogger("retrieve")


class FieldWatch:
    """Follows one filter over segments and waiting documents, and then tells of its fields that were nowhere."""

    def __init__(self, where: Filter) -> None:
        self._missing = set(where.fields)
        self._unread: set[str] = set()
        self._names: set[str] = set()
        self._documents = 0
        self._empty = True

    @contextmanager
    def over(self, segment: Segment) -> Iterator[None]:
        """Around a filter's evaluation over a segment, which looks at all of its documents or at none."""
        columns = segment.columns
        self._empty = False
        self._names |= {name for name, column in columns.items() if column.held is not False}
        held = {field: columns[field].held for field in self._missing & columns.keys()}
        self._missing -= {field for field in held if held[field]}
        before = self._documents
        yield
        if self._documents == before:
            self._unread |= {field for field in self._missing if held.get(field) is None}

    @property
    def missing(self) -> frozenset[str]:
        """Fields of the filter that were not seen yet."""
        return frozenset(self._missing)

    def look_over(
        self, held: Collection[str], documents: int, metadatas: Callable[[], Iterable[Mapping[str, Any]]]
    ) -> None:
        """See a segment's documents, so many, of which it is known which missing fields they have.

        Where that is not all of them, the first metadata are read for the names to suggest.
        """
        self._missing -= set(held)
        if documents:
            self._empty = False
        if self._missing and self._documents < _DOCUMENTS:
            for metadata in islice(metadatas(), _DOCUMENTS - self._documents):
                self._collect(metadata, "", _LEVELS)
        self._documents += documents

    def look(self, metadata: Mapping[str, Any]) -> None:
        """See what one document has. Costs next to nothing as soon as every field was seen."""
        self._empty = False
        self._documents += 1
        if not self._missing:
            return
        for field in [field for field in self._missing if look_up(metadata, field)[0]]:
            self._missing.remove(field)
        if self._documents <= _DOCUMENTS and self._missing:
            self._collect(metadata, "", _LEVELS)

    def _collect(self, metadata: Mapping[str, Any], prefix: str, levels: int) -> None:
        """Names that a filter could ask for: paths of keys without a dot, or one key, that end at no object."""
        for key, value in metadata.items():
            if len(self._names) >= _NAMES:
                return
            name = prefix + key
            if len(name) > _LENGTH or ("." in key if prefix else key in COMBINATORS):
                continue
            if not isinstance(value, Mapping):
                self._names.add(name)
            elif levels > 1 and "." not in key:
                self._collect(value, f"{name}.", levels - 1)

    @property
    def absent(self) -> list[str]:
        """Fields of the filter that no document has; empty where there is no document, or not all were looked at."""
        return [] if self._empty else sorted(self._missing - self._unread)

    def warn(self) -> None:
        """Warn of each absent field."""
        for field in self.absent:
            nearest = " or ".join(map(repr, self._nearest(field)))
            _log.warning(
                "no document has the field %r%s", field, f"; did you mean {nearest}?" if nearest else ""
            )

    def _nearest(self, field: str) -> list[str]:
        """The names most like it, whatever their case."""
        if len(field) > _LENGTH:
            return []
        names = {name.casefold(): name for name in sorted(self._names - {field})}
        return [names[found] for found in difflib.get_close_matches(field.casefold(), names)]
