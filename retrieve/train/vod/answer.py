"""A trained model answering: probabilities of the options, and the documents that carried the answer.

What is asked is what an evaluation asks: every option alike, or the question alone, never the right answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from retrieve.api import Index
from retrieve.errors import UsageError
from retrieve.train.vod.candidates import Candidates, How, build_candidates, encoded
from retrieve.train.vod.collection import Collection
from retrieve.train.vod.folder import Opened, open_model
from retrieve.train.vod.material import Material, check_questions
from retrieve.train.vod.measure import Answered, Judged, answered, judged
from retrieve.types import Progress, Question


class Support(NamedTuple):
    """A passage that an option was read with. `weight`: its posterior probability, given the chosen option; those of
    the list that it is from add up to 1. `option`: whose list, or −1 for one that all options share.
    """

    option: int
    doc_id: str
    text: str
    weight: float


class Answer(NamedTuple):
    """Probabilities (M,) of a question's options, adding up to 1, the likeliest, and the best passages of its list."""

    question: Question
    probabilities: tuple[float, ...]
    choice: int
    support: tuple[Support, ...]


class VodModel:
    """A trained retriever and reader with their index. Made by `load`."""

    def __init__(self, opened: Opened, folder: Path) -> None:
        self.folder, self.record = folder, opened.record
        self._opened = opened
        self._collection = None if opened.index is None else Collection(opened.index)

    @classmethod
    def load(cls, folder: str | Path, *, device: str | None = None) -> Self:
        """The model of a folder that `train_vod` wrote; errors as of `open_model`."""
        return cls(open_model(Path(folder), device=device), Path(folder))

    @property
    def index(self) -> Index:
        """The corpus as the retriever sees it. Raises `UsageError` for a model that retrieves nothing."""
        if self._collection is None:
            raise UsageError(f"{self.folder} reads no documents: it has no index")
        return self._collection.index

    def answer(
        self,
        questions: Iterable[Question],
        *,
        support: int = 3,
        draws: int | None = None,
        progress: Progress | None = None,
    ) -> list[Answer]:
        """Answers in the questions' order, each with the `support` weightiest passages of the chosen option's list.

        `draws`: see `TrainingSection`, None as the model was judged. Raises `InputError` for a question with one
        option.
        """
        asked = list(questions)
        if not asked:
            return []
        material = self._material(asked)
        wanted = self._opened.settings.training.draws if draws is None else draws
        found = answered(
            self._opened.network,
            material,
            draws=wanted,
            weights=bool(support) and not wanted,
            progress=progress,
        )
        return [self._answer(question, each, support) for question, each in zip(asked, found, strict=True)]

    def judge(self, questions: Iterable[Question], *, progress: Progress | None = None) -> Judged:
        """Mean log-likelihood and accuracy of questions that have answers."""
        asked = list(questions)
        check_questions(asked, "the questions", answers=True)
        material = self._material(asked)
        draws = self._opened.settings.training.draws
        return judged(answered(self._opened.network, material, draws=draws, progress=progress), material)

    def _material(self, questions: Sequence[Question]) -> Material:
        check_questions(questions, "the questions", answers=False)
        opened = self._opened
        material = Material(
            questions,
            opened.settings,
            self._collection,
            opened.texts,
            dimensions=opened.network.retriever.queries.dimensions,
            seed=int(opened.record["seed"]),
            training=False,
        )
        if self._collection is not None:
            material.use(self._candidates(material))
        return material

    def _candidates(self, material: Material) -> Candidates:
        assert self._collection is not None
        period = next(each for each in self.record["periods"] if each["period"] == self.record["best"])
        how = How(self._opened.settings.sampler.p, period["sampler_scale"], period["temperature"])
        opened = self._opened
        budget = opened.settings.training.budget
        vectors = encoded(opened.network.phi, opened.texts, material.asked, budget)
        return build_candidates(self._collection.index, material.asked, vectors, how, record={})

    def _answer(self, question: Question, found: Answered, support: int) -> Answer:
        choice = int(found.probabilities.argmax())
        return Answer(
            question,
            tuple(found.probabilities.tolist()),
            choice,
            tuple(self._support(found, choice, support)) if support and found.weights.size else (),
        )

    def _support(self, found: Answered, choice: int, most: int) -> list[Support]:
        shared = self._opened.settings.data.documents == "shared"
        row = 0 if shared else choice
        keys, weights = found.keys[row], found.weights[row]
        order = [at for at in np.argsort(-weights, kind="stable")[:most].tolist() if keys[at] >= 0]
        if self._collection is None or not order:
            return []
        chosen = [int(keys[at]) for at in order]
        texts, ids = self._collection.texts(chosen), self._collection.ids(chosen)
        option = -1 if shared else choice
        return [
            Support(option, doc_id, text, float(weights[at]))
            for doc_id, text, at in zip(ids, texts, order, strict=True)
        ]


def answer_json(answer: Answer) -> dict[str, Any]:
    """An answer as a JSON object."""
    question = answer.question
    labels = question.labels or tuple(str(number) for number in range(len(question.choices)))
    return {
        "id": question.id,
        "answer": labels[answer.choice],
        "text": question.choices[answer.choice],
        "probabilities": dict(zip(labels, (round(value, 6) for value in answer.probabilities), strict=True)),
        "documents": [
            {"id": each.doc_id, "weight": round(each.weight, 6), "text": each.text} for each in answer.support
        ],
    }
