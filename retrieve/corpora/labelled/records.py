"""What a labelled collection is once it is read, and the rows that its readers yield on the way there.

A reader hands over each row as a value (a document, a reason to leave it out, an error), because a generator that
has raised cannot go on. What a row then does is decided in one place, `assemble`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.stream import Stream, shown
from retrieve.errors import InputError
from retrieve.types import LabelledDocument, LabelSet, Task


@dataclass(frozen=True, slots=True)
class LabelledData:
    """A collection, its task, and its documents by split, in the order of its files.

    `train` holds everything where the data name no split. `labels` covers all splits, so a label may have no training
    document (zero-shot); of an ordinal task it is the one name of the value. `unlabelled`: documents that nobody has
    labelled, of whatever split. `skipped`: bad rows that `skip_bad` passed over. `duplicates`: id of a validation or
    test document → id of the first training document with the same text, character for character (blank texts are not
    compared). `remarks`: sentences about everything counted, left out or decided.
    """

    name: str
    task: Task
    labels: LabelSet
    train: list[LabelledDocument]
    validation: list[LabelledDocument]
    test: list[LabelledDocument]
    unlabelled: list[LabelledDocument]
    skipped: int
    duplicates: dict[str, str]
    remarks: list[str]


class LeftOut(NamedTuple):
    """A good row that gives no document, as a law without a text in the language asked for. Counted by reason."""

    reason: str


class Row(NamedTuple):
    """What one row turned out to be, and the line (from 1) on which it starts."""

    line: int
    outcome: LabelledDocument | LeftOut | InputError


Rows = Generator[Row, None, None]
Reader = Callable[[Stream, ReadOptions], Rows]


class Part(NamedTuple):
    """One file, or what is read like one. `split`: what its name says. What no row can be blamed for is raised."""

    name: str
    rows: Callable[[ReadOptions], Rows]
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format makes of a source: rows to come, and what is known before the first of them.

    `task`: None where the labels tell it. `labels`: the label set, where the data have one; `restrict`: labels outside
    of it are left out and counted rather than refused. `value`: name of the ordinal value. `several`: whether the rows
    could have said more than one label each, known when they are read.
    """

    name: str
    parts: Sequence[Part]
    task: Task | None = None
    labels: tuple[str, ...] | None = None
    restrict: bool = False
    descriptions: Mapping[str, str] = field(default_factory=dict)
    value: str = "value"
    several: Callable[[], bool] = lambda: False
    remarks: Sequence[str] = ()


def file_part(path: Path, read: Reader, split: str | None = None) -> Part:
    """A file, plain or gzip, opened when its rows are asked for."""

    def rows(options: ReadOptions) -> Rows:
        with Stream.open(path) as stream:
            yield from read(stream, options)

    return Part(shown(path), rows, split)
