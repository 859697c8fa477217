"""Ids with white space in them, as file names have it: an index holds them, a TREC run cannot."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from retrieve.trec.lines import is_column
from retrieve.types import Document

_log = logging.getLogger("retrieve")


class SpacedIds:
    """How many ids of documents that pass hold white space, and which is the first."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""

    def over(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents."""
        for document in documents:
            if not is_column(document.id):
                self.count += 1
                self.first = self.first or document.id
            yield document

    def warn(self) -> None:
        """Say how many there were, and what can be done before they are judged."""
        if self.count:
            hold = "1 id holds" if self.count == 1 else f"{self.count:,} ids hold"
            _log.warning(
                "%s white space, which a TREC run cannot (the first: %r): before you need `retrieve run`, rename the "
                "files, or give ids of your own in JSON lines",
                hold,
                self.first,
            )
