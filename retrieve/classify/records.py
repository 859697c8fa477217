"""What the parts of a classifier hand to each other: targets, a trained model, and the evidence for one document.

A preset's learner gives a `Model`; `Classifier` puts calibration, thresholds and label names around it. A model knows
neither, so that every preset is calibrated, cut and explained by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from retrieve.types import LabelledDocument, LabelSet, Progress, Task

if TYPE_CHECKING:
    from retrieve.passages.encoder import PassageEncoder

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class Examples(NamedTuple):
    """N documents and their targets (N,L) float32: 0 or 1 for each label, or (N,1) values for an ordinal task.

    Of a binary task there is one column, for the second of its two labels.
    """

    documents: Sequence[LabelledDocument]
    targets: npt.NDArray[np.float32]


class Evidence(NamedTuple):
    """What the passages of one document do to its scores (L,).

    spans (S,2), or (S,K,2) for passages of K parts: characters of the document's text. `attention` (S,L), each column
    of sum 1, or None where the model has none; `without` (S,L): the scores when passage s is left out.
    """

    spans: IntArray
    scores: FloatArray
    without: FloatArray
    attention: FloatArray | None


class State(NamedTuple):
    """A model as data: JSON settings, and arrays by name. What `Model.state` gives, its `from_state` takes."""

    settings: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


class Model(Protocol):
    """A trained model: documents to scores (N,L) float64, one number for a label, not calibrated.

    Scores are margins or logits of independent labels (binary, multilabel), logits of a softmax (multiclass), or values
    (ordinal). A document without text gets the scores that the model has for nothing. `state` lists everything that
    `from_state(state, context)` needs, a class method that each model has besides.
    """

    kind: str

    def scores(
        self, documents: Sequence[LabelledDocument], *, progress: Progress | None = None
    ) -> FloatArray:
        """Scores (N,L) of N documents; the same whatever documents they come with."""

    def evidence(self, document: LabelledDocument, spans: IntArray | None = None) -> Evidence:
        """What each passage does. `spans`: passages to judge, where the model does not cut passages of its own."""

    def state(self) -> State:
        """The model as settings and arrays."""


@runtime_checkable
class Refittable(Protocol):
    """A model that can be learned again on more documents with everything that was chosen kept."""

    def refit(self, problem: Problem, context: Context, *, progress: Progress | None = None) -> Model:
        """The same settings (C, epochs, members, weights) on training and validation documents together."""


@runtime_checkable
class Describable(Protocol):
    """A model that knows labels by their descriptions, and so takes other ones after it was trained."""

    def for_labels(self, labels: LabelSet) -> Model:
        """The same model for other labels. Raises `UsageError` where these settings do not read descriptions."""


@dataclass(frozen=True, slots=True)
class Context:
    """What learners and models need beside data: who encodes, where torch computes, what chance starts from.

    `encoder`: for a recipe (a mapping, see `PassageEncoder`) its working parts, made once for equal recipes.
    `checkpoints`: where an end-to-end training keeps its own, and goes on from those that are there.
    """

    encoder: Callable[[Mapping[str, Any]], PassageEncoder]
    device: str | None = None
    seed: int = 0
    checkpoints: Path | None = None


class Fitted(NamedTuple):
    """A trained model, and how it came about: `curves` (epoch, loss, measures), `tried` candidates with figures."""

    model: Model
    curves: list[dict[str, float]]
    tried: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be learned: task, labels, examples to learn from, and examples to choose by."""

    task: Task
    labels: LabelSet
    train: Examples
    validation: Examples
    remarks: list[str] = field(default_factory=list)

    def whole(self) -> Examples:
        """The examples to learn from, then those to choose by."""
        parts = (self.train, self.validation)
        return Examples(
            [each for part in parts for each in part.documents],
            np.concatenate([part.targets for part in parts]),
        )
