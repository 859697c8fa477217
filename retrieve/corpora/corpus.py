"""What every collection is once it is open: a `Corpus`, a sequence of parts (files) that yield records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from retrieve.corpora.duplicate_ids import SeenIds
from retrieve.corpora.extracted import WithoutText
from retrieve.corpora.rows import Refusals, Rows
from retrieve.errors import InputError
from retrieve.types import Document

if TYPE_CHECKING:
    from retrieve.corpora.xml_mapping import XmlMapping


@dataclass(frozen=True)
class ReadOptions:
    """How to read.

    `skip_bad`: go on after a bad record. `max_line`: bytes of the longest record accepted. `xml`: where documents are
    in XML. `topic_fields`: the fields of TREC topics that are the query, joined; () is their title or query.
    `root`: the folder from which ids of files are paths, in place of the one that is read.
    """

    skip_bad: bool = False
    max_line: int = 32 << 20
    xml: XmlMapping | None = None
    topic_fields: tuple[str, ...] = ()
    root: Path | None = None


DEFAULT_OPTIONS = ReadOptions()


Records = Rows[Document]


class Part(Protocol):
    """One input of a corpus. Ids are unique inside it."""

    @property
    def name(self) -> str:
        """For messages: the path as the user gave it."""

    @property
    def size(self) -> int | None:
        """Bytes on disk, None where that is not known."""

    @property
    def position(self) -> int:
        """Bytes taken from the disk in the last pass."""

    def records(self, options: ReadOptions) -> Records:
        """One pass from the beginning. What no record can be blamed for (a cut gzip file) is raised."""


class Corpus:
    """An iterable of `Document`s, read afresh at each pass; one pass at a time.

    Raises `InputError` at the first bad record, naming file and line, unless `options.skip_bad`. Memory does not
    grow with the corpus. `without_text`: what documents of the last pass have none.
    """

    def __init__(self, name: str, parts: Sequence[Part], options: ReadOptions = DEFAULT_OPTIONS) -> None:
        self.name = name
        self._parts = parts
        self._options = options
        self._bytes_before = 0
        self._current: Part | None = None
        self._refused = Refusals(skip_bad=options.skip_bad)
        self.without_text = WithoutText()

    @property
    def skipped(self) -> int:
        """Bad records of the last pass."""
        return self._refused.count

    @property
    def bytes_total(self) -> int | None:
        """Bytes on disk (compressed where the files are), None where any part does not know."""
        total = 0
        for part in self._parts:
            if part.size is None:
                return None
            total += part.size
        return total

    @property
    def bytes_read(self) -> int:
        """Bytes taken from the disk in the last pass, on the scale of `bytes_total`."""
        return self._bytes_before + (self._current.position if self._current else 0)

    def __iter__(self) -> Iterator[Document]:
        self._refused = Refusals(skip_bad=self._options.skip_bad)
        self.without_text = WithoutText()
        self._bytes_before = 0
        self._current = None
        for part in self._parts:
            self._current = part
            yield from self._documents(part)
            self._bytes_before += part.position
            self._current = None
        self._refused.finish(self.name)

    def _documents(self, part: Part) -> Iterator[Document]:
        with SeenIds() as seen, closing(part.records(self._options)) as records:
            for line, outcome in records:
                if isinstance(outcome, InputError):
                    self._refused.add(outcome)
                    continue
                earlier = seen.add(outcome.id, line)
                if earlier is None:
                    self.without_text.add(outcome)
                    yield outcome
                else:
                    self._refused.add(_duplicate(part.name, outcome.id, earlier, line))


def _duplicate(name: str, doc_id: str, earlier: int, line: int) -> InputError:
    return InputError(
        f"{name}:{line}",
        f"id {doc_id!r} occurs again, it is already on line {earlier}; "
        f"wanted each id once in a file: remove or rename one of them",
    )
