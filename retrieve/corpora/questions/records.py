"""What multiple-choice data are once they are read, and the rows that their readers yield on the way there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from retrieve.corpora.rows import Rows
from retrieve.corpora.split_files import LeftOut, Part
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


QuestionRows = Rows[Told | LeftOut]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format makes of a source: rows to come, and sentences about them, asked for when they are read."""

    parts: Sequence[Part[Told]]
    remarks: Callable[[], Sequence[str]] = lambda: ()
