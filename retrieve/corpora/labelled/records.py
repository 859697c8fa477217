"""What a labelled collection is once it is read, and the rows that its readers yield on the way there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from retrieve.corpora.rows import Rows
from retrieve.corpora.split_files import LeftOut, Part
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


LabelledRows = Rows[LabelledDocument | LeftOut]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format makes of a source: rows to come, and what is known before the first of them.

    `task`: None where the labels tell it. `labels`: the label set, where the data have one; `restrict`: labels outside
    of it are left out and counted rather than refused. `value`: name of the ordinal value. `several`: whether the rows
    could have said more than one label each, known when they are read. `group`: the field of the metadata that
    names a document's group.
    """

    name: str
    parts: Sequence[Part[LabelledDocument]]
    task: Task | None = None
    labels: tuple[str, ...] | None = None
    restrict: bool = False
    descriptions: Mapping[str, str] = field(default_factory=dict)
    value: str = "value"
    several: Callable[[], bool] = lambda: False
    remarks: Sequence[str] = ()
    group: str | None = None
