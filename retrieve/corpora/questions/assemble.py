"""From rows to `QuestionData`: what a bad row does, ids, splits, missing answers, and what is counted for a remark.

Results are kept by a question's id, so an id may occur once in all files together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.questions.records import QuestionData, Reading, Told
from retrieve.corpora.rows import some
from retrieve.corpora.split_files import Gathered, Part
from retrieve.errors import InputError
from retrieve.types import Question


def assemble(
    reading: Reading, *, name: str, format: str, options: ReadOptions, need_answers: bool
) -> QuestionData:
    """Everything in the parts of `reading`, read once.

    Raises `InputError` for the first bad row (file and line) unless `options.skip_bad`, and if no question is left.
    With `need_answers` a row without an answer is a bad one.
    """
    found = _Found(Gathered(options), need_answers)
    for part in reading.parts:
        found.add(part)
    found.gathered.refused.finish(name)
    if not any(found.splits.values()):
        raise InputError(name, "; ".join(["holds no question", *found.remarks()]))
    return QuestionData(
        name,
        format,
        **found.splits,
        skipped=found.gathered.refused.count,
        remarks=[*reading.remarks(), *found.remarks()],
    )


@dataclass
class _Found:
    """Questions so far."""

    gathered: Gathered
    need_answers: bool
    splits: dict[str, list[Question]] = field(
        default_factory=lambda: {"train": [], "validation": [], "test": []}
    )
    _unsplit: int = 0

    def add(self, part: Part[Told]) -> None:
        for (question, split), where in self.gathered.records(part):
            if self.need_answers and question.answer is None:
                self.gathered.refused.add(
                    InputError(
                        where,
                        f"question {question.id!r} has no answer, and answers are needed: leave out a file whose "
                        "answers are held back, or take the question out",
                    )
                )
            elif self.gathered.admits(question.id, split, part, where):
                self._unsplit += part.split is None and split is None
                self.splits[part.split or split or "train"].append(question)

    def remarks(self) -> list[str]:
        remarks = self.gathered.remarks()
        if self._unsplit:
            remarks.append(
                f"{self._unsplit} questions are train, for neither a file's name nor a field says another split"
            )
        questions = [question for split in self.splits.values() for question in split]
        if unanswered := [question.id for question in questions if question.answer is None]:
            remarks.append(f"{len(unanswered)} questions have no answer: {some(unanswered)}")
        if twins := [
            question for question in questions if len(set(question.choices)) < len(question.choices)
        ]:
            right = [question.id for question in twins if _right_twice(question)]
            remarks.append(
                f"{len(twins)} questions have two options of the same text: {some([q.id for q in twins])}; in "
                f"{len(right)} of them the right one is among the two, and choosing the other counts as wrong"
            )
        train = {_wording(question) for question in self.splits["train"]}
        others = [*self.splits["validation"], *self.splits["test"]]
        if repeated := [question.id for question in others if _wording(question) in train]:
            remarks.append(
                f"{len(repeated)} questions of validation or test occur in train with the same words and options: "
                f"{some(repeated)}"
            )
        return remarks


def _right_twice(question: Question) -> bool:
    return question.answer is not None and question.choices.count(question.choices[question.answer]) > 1


def _wording(question: Question) -> tuple[str, ...]:
    return (question.text, *sorted(question.choices))
