"""Questions with their candidates, as batches: which documents are drawn for a step, and everything about them.

What is drawn depends on the seed, the step and the question alone. The candidates are those of the last refresh, and
change nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from retrieve.corpora.questions.records import QuestionData
from retrieve.encoders.tokens import TokenRow
from retrieve.errors import InputError, UsageError
from retrieve.train.vod.asked import Asked, asked_of, joined
from retrieve.train.vod.candidates import Candidates
from retrieve.train.vod.collection import Collection
from retrieve.train.vod.objective.choice import GRID_FROM, MOST_CELLS
from retrieve.train.vod.objective.sampling import priority_sample, uniforms
from retrieve.train.vod.readers.protocol import Triple
from retrieve.train.vod.retriever import Texts
from retrieve.train.vod.schedule import alpha_at, steps_of_period
from retrieve.train.vod.searched import helpful
from retrieve.train.vod.settings import VodSettings
from retrieve.types import Question

IntArray = npt.NDArray[np.int64]

_log = logging.getLogger("retrieve")


@dataclass(frozen=True, slots=True)
class Batch:
    """B questions of up to M options; J lists of K documents each: J = M with documents of their own, else 1.

    `asked`: tokens of the retriever's texts with their places (n,2) in (B,J); `options`: those of [q; a] in (B,M), or
    None where they are the same. `keys` (B,J,K) −1 where none; `documents` (B,J,K,D) their stored vectors; `sampler`
    f_φ and raw `log_weights` log s̄ (B,J,K), −inf where none; BM25 of the question (B,J,K) and of the options (B,M,K).
    `answers` (B,), −1 where unknown; `present` (B,M). Fresh texts, where wanted: `document_rows` of `unique` (U,) keys.
    No tuple, so that the trainer hands it on as it is.
    """

    ids: list[str]
    asked: list[TokenRow]
    asked_at: IntArray
    options: list[TokenRow] | None
    options_at: IntArray
    keys: IntArray
    documents: Tensor
    sampler: Tensor
    log_weights: Tensor
    question_bm25: Tensor
    option_bm25: Tensor
    answers: Tensor
    present: Tensor
    document_rows: list[TokenRow] = field(default_factory=list)
    document_at: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    triples: list[Triple] = field(default_factory=list)
    alpha: float = 0.0

    @property
    def kept(self) -> Tensor:
        """(B,J,K): documents that are there."""
        return self.log_weights > -torch.inf


class Material(Dataset[int]):
    """N questions; an item is a question's number, and `batch` makes of numbers what the model takes."""

    def __init__(
        self,
        questions: Sequence[Question],
        settings: VodSettings,
        collection: Collection | None,
        texts: Texts,
        *,
        dimensions: int,
        seed: int,
        training: bool,
    ) -> None:
        """`collection` None: nothing is read. `dimensions` D of vectors. `training`: the sampler may know answers."""
        self.questions, self._settings, self._collection, self._texts = questions, settings, collection, texts
        self._seed, self._dimensions = seed, dimensions
        terms = str.split if collection is None else collection.terms
        self.asked: list[Asked] = asked_of(questions, settings.data.documents, terms, knows_answer=training)
        counts = np.bincount([each.question for each in self.asked], minlength=len(questions))
        self.firsts: IntArray = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        shared = settings.data.documents == "shared"
        # What the retriever is asked never holds an answer with a shared document; with their own it is [q; a].
        self._rows = texts.questions(
            [q.text for q in questions] if shared else [each.text for each in self.asked]
        )
        self._option_rows = (
            [texts.questions([joined(q.text, option) for option in q.choices]) for q in questions]
            if shared
            else None
        )
        self.candidates: Candidates | None = None
        self._gold: dict[int, set[int]] = {}

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, number: int) -> int:
        return number

    def use(self, candidates: Candidates | None) -> None:
        """Take these from now on."""
        self.candidates = candidates
        self._gold = {}

    def batch(
        self, numbers: Sequence[int], *, step: int | None, k: int | None = None, fresh: bool = False,
        texts: bool = False, alpha: float = 0.0,
    ) -> Batch:  # fmt: skip
        """Questions with `k` documents a list drawn for `step`, or with all P for None.

        `fresh`: with the tokens of the documents; `texts`: with the triples for a reader.
        """
        asked = [self.questions[number] for number in numbers]
        lists = [np.arange(self.firsts[number], self.firsts[number + 1]) for number in numbers]
        most = max(len(question.choices) for question in asked)
        width = max(map(len, lists))
        present = np.array([[at < len(question.choices) for at in range(most)] for question in asked])
        shared = self._option_rows is not None
        places = np.array([(b, j) for b, rows in enumerate(lists) for j in range(len(rows))], np.int64)
        rows = np.concatenate(lists)
        options_at = np.argwhere(present).astype(np.int64)
        found = self._documents(numbers, lists, width, most, step=step, k=k)
        made: dict[str, Any] = {
            "ids": [question.id for question in asked],
            "asked": [self._rows[number] for number in (numbers if shared else rows.tolist())],
            "asked_at": places,
            "options": (
                None
                if self._option_rows is None
                else [row for number in numbers for row in self._option_rows[number]]
            ),
            "options_at": options_at,
            "answers": torch.tensor([-1 if q.answer is None else q.answer for q in asked]),
            "present": torch.from_numpy(present),
            "alpha": alpha,
            **found,
        }
        if fresh or texts:
            made |= self._fresh(asked, made["keys"], present, fresh=fresh, texts=texts)
        return Batch(**made)

    def _documents(
        self,
        numbers: Sequence[int],
        lists: list[IntArray],
        width: int,
        most: int,
        *,
        step: int | None,
        k: int | None,
    ) -> dict[str, Any]:
        """Arrays of the documents: those drawn, or all."""
        cache = self.candidates
        if cache is None:
            return self._nothing(lists, width, most)
        p = cache.keys.shape[1]
        depth = p if step is None else (k or self._settings.sampler.k)
        shape = (len(lists), width, depth)
        keys = np.full(shape, -1, np.int64)
        sampler, log_weights = (np.full(shape, -np.inf, np.float64) for _ in range(2))
        question_bm25 = np.zeros(shape, np.float32)
        option_bm25 = np.zeros((len(lists), most, depth), np.float32)
        places = np.zeros(shape, np.int64)
        for b, (number, rows) in enumerate(zip(numbers, lists, strict=True)):
            log_r = cache.log_sampler(rows)
            if step is None:
                at, weights = np.broadcast_to(np.arange(p), log_r.shape), log_r
            else:
                chance = uniforms(self._seed, step, self.questions[number].id, log_r.shape)
                at, weights = priority_sample(
                    log_r, depth, uniforms=chance, variant=self._settings.sampler.variant
                )
            j = len(rows)
            log_weights[b, :j] = weights
            for target, source in (
                (keys, cache.keys),
                (sampler, cache.sampler),
                (question_bm25, cache.question_bm25),
                (places, cache.places),
            ):
                target[b, :j] = np.take_along_axis(source[rows], at, axis=1)
            options = cache.option_bm25[rows]
            taken = np.take_along_axis(options, at[:, None], axis=2)  # (J,W,K)
            flat = taken[:, 0] if self._option_rows is None else taken[0]
            option_bm25[b, : len(flat)] = flat[:most]
        vectors = cache.vectors[places.ravel()].astype(np.float32).reshape(*shape, -1)
        return {
            "keys": keys,
            "documents": torch.from_numpy(vectors),
            "sampler": torch.from_numpy(sampler),
            "log_weights": torch.from_numpy(log_weights),
            "question_bm25": torch.from_numpy(question_bm25),
            "option_bm25": torch.from_numpy(option_bm25),
        }

    def _nothing(self, lists: list[IntArray], width: int, most: int) -> dict[str, Any]:
        """One document that is none, for a reader without retrieval."""
        shape = (len(lists), width, 1)
        there = np.array([[j < len(rows) for j in range(width)] for rows in lists])[:, :, None]
        weights = torch.from_numpy(np.where(there, 0.0, -np.inf))
        return {
            "keys": np.full(shape, -1, np.int64),
            "documents": torch.zeros((*shape, self._dimensions)),
            "sampler": weights,
            "log_weights": weights,
            "question_bm25": torch.zeros(shape),
            "option_bm25": torch.zeros((len(lists), most, 1)),
        }

    def _fresh(
        self,
        asked: Sequence[Question],
        keys: IntArray,
        present: npt.NDArray[np.bool_],
        *,
        fresh: bool,
        texts: bool,
    ) -> dict[str, Any]:
        """Documents' tokens and the reader's triples."""
        made: dict[str, Any] = {}
        unique, at = np.unique(keys, return_inverse=True)
        known = unique.tolist()
        found = [""] * len(known)
        if self._collection is not None:
            there = [key for key in known if key >= 0]
            found = [""] * (len(known) - len(there)) + self._collection.texts(there)
        if fresh:
            made["document_rows"] = self._texts.documents(found)
            made["document_at"] = at.reshape(keys.shape)
        if texts:
            by_key = dict(zip(known, found, strict=True))
            made["triples"] = [
                Triple(by_key[key], question.text, option)
                for b, question in enumerate(asked)
                for m, option in enumerate(question.choices)
                for key in keys[b, m if self._option_rows is None else 0].tolist()
                if key >= 0 or self.candidates is None
            ]
        return made

    def gold(self, number: int) -> set[int]:
        """Keys of the passages, among a question's candidates, of documents known to help: central ones if told."""
        if self.candidates is None or self._collection is None:
            return set()
        if number not in self._gold:
            question = self.questions[number]
            wanted = set(helpful(question))
            keys = np.unique(self.candidates.keys[self.firsts[number] : self.firsts[number + 1]])
            there = keys[keys >= 0].tolist()
            ids = self._collection.ids(there) if wanted else []
            self._gold[number] = {key for key, doc_id in zip(there, ids, strict=False) if doc_id in wanted}
        return self._gold[number]


def trained_on(data: QuestionData) -> list[Question]:
    """The questions of train, and a word about what was counted as they were read.

    Raises `InputError` where all are of other splits, for one option alone, and for no answer.
    """
    for remark in data.remarks:
        _log.info("%s: %s", data.name, remark)
    if not data.train:
        raise InputError(
            data.name,
            f"has {len(data.validation)} questions of validation, {len(data.test)} of test and none to train on: a "
            "word of the file's name or a field split says which they are",
        )
    check_questions(data.train, data.name, answers=True)
    return list(data.train)


def check_questions(questions: Sequence[Question], where: str, *, answers: bool) -> None:
    """Raise `InputError` for what cannot be trained on: no questions, one option alone, no answer."""
    if not questions:
        raise InputError(where, "has no questions: give some")
    for question in questions:
        if not isinstance(question, Question):
            raise UsageError(f"{where} have a {type(question).__name__} among them: wanted `Question`s")
        if len(question.choices) < 2:
            raise InputError(
                where, f"question {question.id!r} has {len(question.choices)} option, wanted at least 2"
            )
        if answers and question.answer is None:
            raise InputError(
                where, f"question {question.id!r} has no answer: it is needed to train and to measure"
            )
        if question.answer is not None and not 0 <= question.answer < len(question.choices):
            raise InputError(
                where,
                f"question {question.id!r} has the answer {question.answer} of {len(question.choices)} options: wanted "
                "one of them, from 0",
            )


def check_grid(questions: Sequence[Question], settings: VodSettings) -> None:
    """Raise `UsageError` where a step of a training would sum over more combinations of documents than are possible.

    That is for α between .99 and 1 alone, with documents of each option.
    """
    if settings.data.documents == "shared" or settings.retriever.source == "none":
        return
    most = max(len(question.choices) for question in questions)
    period = steps_of_period(settings.training, len(questions))
    k, alphas = settings.sampler.k, [alpha_at(step, period, settings.objective) for step in range(period + 1)]
    if k**most > MOST_CELLS and any(GRID_FROM < alpha < 1 for alpha in alphas):
        raise UsageError(
            f"sampler.k = {k} with questions of {most} options has {k**most:,} combinations of documents, wanted at "
            f"most {MOST_CELLS:,} where α is between {GRID_FROM} and 1: lower sampler.k to "
            f"{int(MOST_CELLS ** (1 / most) + 1e-9)}, or objective.first and last to {GRID_FROM}"
        )
