"""Files of a collection that comes in splits, and all of their records together.

Documents with labels and questions are read whole, and results are kept by their id, so an id may occur once in all
files together. A record says its split, or the name of its file does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.rows import Refusals, Rows
from retrieve.corpora.stream import Stream, shown
from retrieve.errors import InputError

T = TypeVar("T")


class LeftOut(NamedTuple):
    """A good record that gives nothing, as a law without a text in the language asked for. Counted by reason."""

    reason: str


class Part(NamedTuple, Generic[T]):
    """One file, or what is read like one. `split`: what its name says. What no row can be blamed for is raised."""

    name: str
    rows: Callable[[ReadOptions], Rows[T | LeftOut]]
    split: str | None = None


def file_part(
    path: Path,
    read: Callable[[Stream, ReadOptions], Rows[T | LeftOut]],
    split: str | None = None,
) -> Part[T]:
    """A file, plain or gzip, opened when its rows are asked for."""

    def rows(options: ReadOptions) -> Rows[T | LeftOut]:
        with Stream.open(path) as stream:
            yield from read(stream, options)

    return Part(shown(path), rows, split)


class Gathered:
    """Ids of the records so far with the place of each, and counts of what gave none."""

    def __init__(self, options: ReadOptions) -> None:
        self.refused = Refusals(skip_bad=options.skip_bad)
        self._options = options
        self._places: dict[str, str] = {}
        self._left_out: Counter[str] = Counter()

    def records(self, part: Part[T]) -> Iterator[tuple[T, str]]:
        """What the good rows of a part hold, with file and line, for the caller to keep or to refuse."""
        with closing(part.rows(self._options)) as rows:
            for line, outcome in rows:
                if isinstance(outcome, LeftOut):
                    self._left_out[outcome.reason] += 1
                elif isinstance(outcome, InputError):
                    self.refused.add(outcome)
                else:
                    yield outcome, f"{part.name}:{line}"

    def admits(self, record_id: str, split: str | None, part: Part[T], where: str) -> bool:
        """Whether the id is new and the split is the file's; refused if not."""
        if record_id in self._places:
            error = f"id {record_id!r} occurs again, it is already at {self._places[record_id]}; wanted each id once: "
            self.refused.add(
                InputError(where, error + "remove or rename one of them, or read one of the two files")
            )
        elif part.split and split not in (None, part.split):
            self.refused.add(
                InputError(
                    where, f"says split {split!r} and is in the file of {part.split}: correct one of the two"
                )
            )
        else:
            self._places[record_id] = where
            return True
        return False

    def remarks(self) -> list[str]:
        """Sentences about rows that gave no record."""
        remarks = [f"{count} rows are left out: {reason}" for reason, count in sorted(self._left_out.items())]
        return [*remarks, f"{self.refused.count} bad rows are skipped"] if self.refused.count else remarks
