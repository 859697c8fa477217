"""From rows to `QuestionData`: what a bad row does, ids, splits, missing answers, and what is counted for a remark.

Results are kept by a question's id, so an id may occur once in all files together.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.labelled.records import LeftOut
from retrieve.corpora.questions.records import Part, QuestionData, Reading, Told
from retrieve.errors import InputError
from retrieve.types import Question

logger = logging.getLogger("retrieve")

_SHOWN = 10  # bad rows logged one by one, and ids named in a remark


def assemble(
    reading: Reading, *, name: str, format: str, options: ReadOptions, need_answers: bool
) -> QuestionData:
    """Everything in the parts of `reading`, read once.

    Raises `InputError` for the first bad row (file and line) unless `options.skip_bad`, and if no question is left.
    With `need_answers` a row without an answer is a bad one.
    """
    found = _Found(options, need_answers)
    for part in reading.parts:
        found.add(part)
    found.finish(name)
    if not any(found.splits.values()):
        raise InputError(name, "; ".join(["holds no question", *found.remarks()]))
    return QuestionData(
        name, format, **found.splits, skipped=found.skipped, remarks=[*reading.remarks(), *found.remarks()]
    )


@dataclass
class _Found:
    """Questions so far, with where each id was."""

    options: ReadOptions
    need_answers: bool
    splits: dict[str, list[Question]] = field(
        default_factory=lambda: {"train": [], "validation": [], "test": []}
    )
    skipped: int = 0
    _places: dict[str, str] = field(default_factory=dict)
    _left_out: Counter[str] = field(default_factory=Counter)
    _unsplit: int = 0

    def add(self, part: Part) -> None:
        with closing(part.rows(self.options)) as rows:
            for line, outcome in rows:
                if isinstance(outcome, LeftOut):
                    self._left_out[outcome.reason] += 1
                elif isinstance(outcome, InputError):
                    self._refuse(outcome)
                else:
                    self._take(outcome, part, f"{part.name}:{line}")

    def _take(self, told: Told, part: Part, where: str) -> None:
        question, split = told
        if question.id in self._places:
            self._refuse(
                InputError(
                    where,
                    f"id {question.id!r} occurs again, it is already at {self._places[question.id]}; wanted each id "
                    "once: remove or rename one of them, or read one of the two files",
                )
            )
        elif part.split and split not in (None, part.split):
            self._refuse(InputError(where, f"says split {split!r} and is in the file of {part.split}"))
        elif self.need_answers and question.answer is None:
            self._refuse(
                InputError(
                    where,
                    f"question {question.id!r} has no answer, and answers are needed: leave out a file whose answers "
                    "are held back, or take the question out",
                )
            )
        else:
            self._places[question.id] = where
            self._unsplit += part.split is None and split is None
            self.splits[part.split or split or "train"].append(question)

    def _refuse(self, error: InputError) -> None:
        if not self.options.skip_bad:
            raise error
        self.skipped += 1
        if self.skipped <= _SHOWN:
            logger.warning("skipped %s", error)

    def finish(self, name: str) -> None:
        if self.skipped > _SHOWN:
            logger.warning(
                "%s: skipped %d bad rows in all, the first %d are named above", name, self.skipped, _SHOWN
            )

    def remarks(self) -> list[str]:
        remarks = [f"{count} rows are left out: {reason}" for reason, count in sorted(self._left_out.items())]
        if self.skipped:
            remarks.append(f"{self.skipped} bad rows are skipped")
        if self._unsplit:
            remarks.append(
                f"{self._unsplit} questions are train, for neither a file's name nor a field says another split"
            )
        questions = [question for split in self.splits.values() for question in split]
        if unanswered := [question.id for question in questions if question.answer is None]:
            remarks.append(f"{len(unanswered)} questions have no answer: {_some(unanswered)}")
        if twins := [
            question for question in questions if len(set(question.choices)) < len(question.choices)
        ]:
            right = [question.id for question in twins if _right_twice(question)]
            remarks.append(
                f"{len(twins)} questions have two options of the same text: {_some([q.id for q in twins])}; in "
                f"{len(right)} of them the right one is among the two, and choosing the other counts as wrong"
            )
        train = {_wording(question) for question in self.splits["train"]}
        others = [*self.splits["validation"], *self.splits["test"]]
        if repeated := [question.id for question in others if _wording(question) in train]:
            remarks.append(
                f"{len(repeated)} questions of validation or test occur in train with the same words and options: "
                f"{_some(repeated)}"
            )
        return remarks


def _right_twice(question: Question) -> bool:
    return question.answer is not None and question.choices.count(question.choices[question.answer]) > 1


def _wording(question: Question) -> tuple[str, ...]:
    return (question.text, *sorted(question.choices))


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
