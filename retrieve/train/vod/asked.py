"""What is asked of the retriever for a question: texts, one for each option or one for all, and BM25's weights.

[q; a] is the question and the option with a space between them, as one text; BM25 takes them apart, so that an option
of one word is not drowned by a question of a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from retrieve.train.vod.settings import Documents
from retrieve.types import Question

Terms = Callable[[str], Sequence[str]]


class Asked(NamedTuple):
    """One list of candidates: of question `question`, for its option `option` or, where that is −1, for all of them.

    `text` is what the encoder gets, `terms` BM25's texts with their weights. `options`: those that read the list.
    """

    question: int
    option: int
    text: str
    terms: dict[str, float]
    options: tuple[str, ...]

    @property
    def asked(self) -> str:
        """The question alone."""
        return next(iter(self.terms))


def joined(question: str, option: str) -> str:
    """[q; a]."""
    return f"{question} {option}" if option else question


def answer_weight(question: str, answer: str, terms: Terms) -> float:
    """β = 1 + ½ max(0, log(L_q / L_a)), lengths in terms of the analyzer (arXiv 2210.06345, appendix; vod defaults)."""
    of_question, of_answer = len(terms(question)), len(terms(answer))
    if not of_question or not of_answer:
        return 1.0
    return 1.0 + 0.5 * max(0.0, math.log(of_question / of_answer))


def asked_of(
    questions: Sequence[Question], documents: Documents, terms: Terms, *, knows_answer: bool
) -> list[Asked]:
    """The lists of candidates that the questions need, in order: an option's after another, or one a question.

    `knows_answer`: with a shared document, the sampler of a training may see the right answer; an evaluation never
    does. Documents of their own are asked for every option alike, so no answer can show.
    """
    found: list[Asked] = []
    for number, question in enumerate(questions):
        if documents == "own":
            found += [
                _asked(number, at, question.text, option, (option,), terms)
                for at, option in enumerate(question.choices)
            ]
        else:
            right = question.choices[question.answer] if knows_answer and question.answer is not None else ""
            found.append(_asked(number, -1, question.text, right, question.choices, terms))
    return found


def _asked(
    number: int, option: int, question: str, answer: str, options: tuple[str, ...], terms: Terms
) -> Asked:
    weights = {question: 1.0}
    if answer.strip():
        weights[answer] = weights.get(answer, 0.0) + answer_weight(question, answer, terms)
    return Asked(number, option, joined(question, answer), weights, options)
