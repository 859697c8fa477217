"""Several models as one: the weighted mean of their calibrated probabilities.

Words and vectors err on different documents, so that their mean is better than either. Probabilities are averaged, not
scores, because scores of different models have different units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from retrieve.classify.caching_encoder import remembering
from retrieve.classify.calibrate import Calibration
from retrieve.classify.families import model_from, refit
from retrieve.classify.logits import logit
from retrieve.classify.records import (
    Context,
    Evidence,
    FloatArray,
    IntArray,
    Model,
    Problem,
    State,
)
from retrieve.errors import UsageError
from retrieve.types import LabelledDocument, Progress, Task

_WITHOUT_PASSAGES = "tfidf"
"""The kind of model that judges what passages it is given; every other cuts passages of its own."""


class Member(NamedTuple):
    """A model, what makes its scores probabilities, and its weight; weights of all members add up to 1."""

    model: Model
    calibration: Calibration
    weight: float


class Average:
    """Scores (N,L): logit of the mean probability, its logarithm (multiclass), or the mean value (ordinal)."""

    kind = "average"

    def __init__(self, members: Sequence[Member], task: Task) -> None:
        self.members = list(members)
        self.task: Task = task

    def scores(
        self, documents: Sequence[LabelledDocument], *, progress: Progress | None = None
    ) -> FloatArray:
        """Scores (N,L) of the members' probabilities."""
        return self._mean([each.model.scores(documents, progress=progress) for each in self.members])

    def evidence(self, document: LabelledDocument, spans: IntArray | None = None) -> Evidence:
        """What the passages of the member that reads most of them do to the mean; attention is that member's.

        A member that reads only the first of them does not change without the others. Raises `UsageError` for members
        that cut a document in different places.
        """
        own = [each.model.evidence(document, spans) for each in self.members if _cuts(each.model)]
        lead = max(own or [self.members[0].model.evidence(document, spans)], key=lambda each: len(each.spans))
        cutting = iter(own)
        found = [
            _on(lead, next(cutting)) if _cuts(each.model) else each.model.evidence(document, lead.spans)
            for each in self.members
        ]
        scores = self._mean([each.scores[None] for each in found])[0]
        return Evidence(lead.spans, scores, self._mean([each.without for each in found]), lead.attention)

    def refit(self, problem: Problem, context: Context, *, progress: Progress | None = None) -> Average:
        """Every member learned again on all documents; calibrations and weights stay. See `Refittable`."""
        once = remembering(context)
        members = []
        for each in self.members:
            model = refit(each.model, problem, once, progress=progress)
            members.append(each if model is None else each._replace(model=lasting(model, context)))
        return Average(members, self.task)

    def state(self) -> State:
        """Each member's settings in a list, its arrays by its number."""
        states = [each.model.state() for each in self.members]
        records = [
            {
                "kind": each.model.kind,
                "weight": each.weight,
                "calibration": each.calibration.to_json(),
                "settings": state.settings,
            }
            for each, state in zip(self.members, states, strict=True)
        ]
        arrays = {
            f"{number}.{name}": array
            for number, state in enumerate(states)
            for name, array in state.arrays.items()
        }
        return State({"task": self.task, "members": records}, arrays)

    @classmethod
    def from_state(cls, state: State, context: Context) -> Self:
        """What `state` gave."""
        members = []
        for number, record in enumerate(state.settings["members"]):
            start = f"{number}."
            arrays = {
                name.removeprefix(start): array
                for name, array in state.arrays.items()
                if name.startswith(start)
            }
            model = model_from(record["kind"], State(record["settings"], arrays), context)
            members.append(Member(model, Calibration.from_json(record["calibration"]), record["weight"]))
        return cls(members, state.settings["task"])

    def _mean(self, scores: Sequence[FloatArray]) -> FloatArray:
        return as_scores(
            mean_of(
                [
                    each.calibration.probabilities(found)
                    for each, found in zip(self.members, scores, strict=True)
                ],
                [each.weight for each in self.members],
            ),
            self.task,
        )


def lasting(model: Model, context: Context) -> Model:
    """The same model with the encoders of `context`, and nothing of what those of its learning remember."""
    return model_from(model.kind, model.state(), context)


def _cuts(model: Model) -> bool:
    return model.kind != _WITHOUT_PASSAGES


def _on(lead: Evidence, found: Evidence) -> Evidence:
    """Evidence of the first of the lead's passages as evidence of them all."""
    count = len(found.spans)
    if not np.array_equal(found.spans, lead.spans[:count]):
        raise UsageError(
            "the members of an average cut documents differently: learn them with one [passages] section"
        )
    rest = np.repeat(found.scores[None], len(lead.spans) - count, axis=0)
    return Evidence(lead.spans, found.scores, np.concatenate([found.without, rest]), None)


def mean_of(probabilities: Sequence[FloatArray], weights: Sequence[float]) -> FloatArray:
    """Weighted mean (N,L) of the members' probabilities (N,L); weights add up to 1."""
    total = np.zeros_like(probabilities[0])
    for found, weight in zip(probabilities, weights, strict=True):
        total += weight * found
    return total


def as_scores(means: FloatArray, task: Task) -> FloatArray:
    """Mean probabilities (N,L) as logits of independent labels, of a softmax, or values as they are."""
    if task == "ordinal":
        return means
    if task == "multiclass":
        return np.asarray(np.log(np.maximum(means, 1e-300)), dtype=np.float64)
    return logit(means)
