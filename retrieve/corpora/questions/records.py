"""What multiple-choice data are once they are read, and the rows that their readers yield on the way there.

As with labelled documents, a reader hands over each row as a value, because a generator that has raised cannot go on.
What a row then does is decided in one place, `assemble`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.labelled.records import LeftOut
from retrieve.corpora.stream import Stream, shown
from retrieve.errors import InputError
from retrieve.types import Question


@dataclass(frozen=True, slots=True)
class QuestionData:
    """Questions by split, in the order of their files.

    `format`: the schema that was read. `train` also holds what neither a file's name nor a field puts into a split (a
    remark counts those). `skipped`: bad rows that `skip_bad` passed over. `remarks`: sentences about everything
    counted, left out or decided.
    """

    name: str
    format: str
    train: list[Question]
    validation: list[Question]
    test: list[Question]
    skipped: int
    remarks: list[str]


class Told(NamedTuple):
    """A question, and the split that its own fields say."""

    question: Question
    split: str | None = None


class Row(NamedTuple):
    """What one row turned out to be, and the line (from 1) on which it starts."""

    line: int
    outcome: Told | LeftOut | InputError


Rows = Generator[Row, None, None]
Reader = Callable[[Stream, ReadOptions], Rows]


class Part(NamedTuple):
    """One file. `split`: what its name says. What no row can be blamed for is raised."""

    name: str
    rows: Callable[[ReadOptions], Rows]
    split: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format makes of a source: rows to come, and sentences about them, asked for when they are read."""

    parts: Sequence[Part]
    remarks: Callable[[], Sequence[str]] = lambda: ()


def file_part(path: Path, read: Reader, split: str | None) -> Part:
    """A file, plain or gzip, opened when its rows are asked for."""

    def rows(options: ReadOptions) -> Rows:
        with Stream.open(path) as stream:
            yield from read(stream, options)

    return Part(shown(path), rows, split)
