"""Which passages drive a label: occlusion as the measure, attention beside it, and how far either is to be believed.

Attention says where a model looks, not what changes its mind (Jain & Wallace, "Attention is not Explanation", NAACL
2019), so passages are ranked by what leaving them out does to the calibrated probability, and `faithfulness` checks a
ranking by taking its first passages out of the text (comprehensiveness in DeYoung et al., "ERASER", ACL 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from retrieve.classify.masked_document import without_passages
from retrieve.classify.records import Evidence, FloatArray, IntArray, Model
from retrieve.errors import UsageError
from retrieve.types import LabelledDocument, LabelSet

Ranking = Literal["effect", "attention"]


class Calibrated(Protocol):
    """What turns scores (N,L) into probabilities (N,L)."""

    def probabilities(self, scores: FloatArray) -> FloatArray:
        """Probabilities (N,L) of scores (N,L)."""


@dataclass(frozen=True, slots=True)
class PassageEvidence:
    """One passage of a document and what it does for a label.

    `start`, `end`: characters of the document's text, from the first part's first to the last part's last; `parts`: the
    parts of a passage that has several (head and tail), else that one. `effect`: by how much the label's probability
    drops when the passage is left out; below 0 it speaks against the label. `attention`: the share of the label's
    attention on it, None where the model has none.
    """

    position: int
    start: int
    end: int
    text: str
    parts: tuple[tuple[int, int], ...]
    attention: float | None
    effect: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a document has a label, as far as its passages say, those of the greatest effect first.

    `predicted`: whether the label is one that the document gets; where it gets none, its most probable label is
    explained. `passages_in_all`: how many passages the document has.
    """

    doc_id: str
    label: str
    probability: float
    predicted: bool
    passages: tuple[PassageEvidence, ...]
    passages_in_all: int


def explain(
    model: Model,
    calibration: Calibrated,
    labels: LabelSet,
    documents: Sequence[LabelledDocument],
    *,
    of: Sequence[str] | None = None,
    names_of: Callable[[FloatArray], Sequence[Sequence[str]]] | None = None,
    passages: int = 3,
) -> list[Explanation]:
    """Explanations of documents, in order, for each the labels `of`, or those that it is predicted to have.

    `names_of`: probabilities (N,L), of a binary task (N,1), to each document's label names; without it a label is
    predicted from .5 on. `passages`: how many of each label are told, at most; ties go by position. Raises `UsageError`
    for a label that is not among `labels`, and for less than one passage.
    """
    if passages < 1:
        raise UsageError(f"passages is {passages}: wanted 1 at least")
    if unknown := sorted(set(of or ()) - set(labels.names)):
        raise UsageError(f"there is no label {unknown[0]!r}; known are {', '.join(labels.names[:20])}")
    found: list[Explanation] = []
    for document in documents:
        evidence = model.evidence(document)
        whole = calibration.probabilities(evidence.scores[None])
        per_label = _per_label(whole, labels)[0]
        predicted = _predicted(whole, per_label, labels, names_of)
        without = _without(evidence, calibration, labels)
        wanted = of or predicted or (labels.names[int(np.argmax(per_label))],)
        for name in wanted:
            column = labels.names.index(name)
            effects = per_label[column] - without[:, column]
            found.append(
                Explanation(
                    document.document.id,
                    name,
                    float(per_label[column]),
                    name in predicted,
                    _most_telling(document, evidence, effects, column, passages),
                    len(effects),
                )
            )
    return found


def _per_label(probabilities: FloatArray, labels: LabelSet) -> FloatArray:
    """One column a label: a binary task has one column, of its second label."""
    if probabilities.shape[1] == 1 and len(labels.names) == 2:
        return np.hstack([1 - probabilities, probabilities])
    return probabilities


def _predicted(
    whole: FloatArray,
    per_label: FloatArray,
    labels: LabelSet,
    names_of: Callable[[FloatArray], Sequence[Sequence[str]]] | None,
) -> tuple[str, ...]:
    if names_of is not None:
        return tuple(names_of(whole)[0])
    return tuple(
        name for name, probability in zip(labels.names, per_label.tolist(), strict=True) if probability >= 0.5
    )


def _without(evidence: Evidence, calibration: Calibrated, labels: LabelSet) -> FloatArray:
    """Probabilities (S,L) of the document when each of its passages is left out."""
    if not len(evidence.without):
        return np.zeros((0, len(labels.names)))
    return _per_label(calibration.probabilities(evidence.without), labels)


def _most_telling(
    document: LabelledDocument, evidence: Evidence, effects: FloatArray, label: int, most: int
) -> tuple[PassageEvidence, ...]:
    text = document.document.text
    explained = []
    for position in np.argsort(-effects, kind="stable")[:most].tolist():
        parts = parts_of(evidence.spans[position])
        explained.append(
            PassageEvidence(
                position,
                parts[0][0],
                parts[-1][1],
                " … ".join(text[start:end] for start, end in parts),
                parts,
                _attention(evidence, position, label),
                float(effects[position]),
            )
        )
    return tuple(explained)


def _attention(evidence: Evidence, position: int, label: int) -> float | None:
    """The label's weight; models that attend alike for every label, and binary ones, have one column."""
    if evidence.attention is None:
        return None
    return float(evidence.attention[position, label if evidence.attention.shape[1] > 1 else 0])


def parts_of(span: IntArray) -> tuple[tuple[int, int], ...]:
    """A passage (2,) or (K,2) as its parts that have characters; one empty part where none has."""
    parts = [(int(start), int(end)) for start, end in np.reshape(span, (-1, 2))]
    return tuple(part for part in parts if part[0] < part[1]) or (parts[0],)


class Drop(NamedTuple):
    """Mean drop of the top label's probability when so many passages go: the first of the ranking, or random ones.

    `documents`: those that have more passages, over which the means are; `better`: the share of them in which the
    ranked passages cost more than the random ones.
    """

    passages: int
    ranked: float
    random: float
    better: float
    documents: int


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """How much more of a prediction the passages of a ranking carry than random ones; `drops` by number taken out."""

    by: Ranking
    drops: tuple[Drop, ...]


def faithfulness(
    model: Model,
    calibration: Calibrated,
    labels: LabelSet,
    documents: Sequence[LabelledDocument],
    *,
    by: Ranking = "effect",
    counts: Sequence[int] = (1, 3),
    seed: int = 0,
) -> Faithfulness:
    """Take the first `counts` passages of each document's top label out of its text, and as many random ones.

    What is left is cut and encoded anew, so that this judges effects and attention by something that neither is made
    of. A count that no document goes beyond is left out. Raises `UsageError` where the model has no attention and `by`
    asks for it, and where no count is left.
    """
    chance = np.random.default_rng(seed)
    cases = [_case(model, calibration, labels, document, by) for document in documents]
    drops = []
    for count in counts:
        long = [case for case in cases if len(case.order) > count]
        if not long:
            continue
        ranked = [without_passages(case.document, case.spans[case.order[:count]]) for case in long]
        drawn = [
            without_passages(case.document, case.spans[chance.choice(len(case.order), count, replace=False)])
            for case in long
        ]
        probabilities = _per_label(calibration.probabilities(model.scores([*ranked, *drawn])), labels)
        before = np.array([case.probability for case in long])
        columns = np.array([case.column for case in long])
        rows = np.arange(len(long))
        lost = before - probabilities[rows, columns]
        lost_at_random = before - probabilities[rows + len(long), columns]
        drops.append(
            Drop(
                count,
                float(lost.mean()),
                float(lost_at_random.mean()),
                float((lost > lost_at_random).mean()),
                len(long),
            )
        )
    if not drops:
        raise UsageError(
            f"none of {len(documents)} documents has more than {min(counts)} passages: give longer ones, "
            "or lower counts"
        )
    return Faithfulness(by, tuple(drops))


class _Case(NamedTuple):
    """A document, its passages (S,2) or (S,K,2), its top label, and the order (S,) of the ranking that is judged."""

    document: LabelledDocument
    spans: IntArray
    column: int
    probability: float
    order: npt.NDArray[np.int64]


def _case(
    model: Model, calibration: Calibrated, labels: LabelSet, document: LabelledDocument, by: Ranking
) -> _Case:
    evidence = model.evidence(document)
    whole = _per_label(calibration.probabilities(evidence.scores[None]), labels)[0]
    column = int(np.argmax(whole))
    if by == "attention":
        if evidence.attention is None:
            raise UsageError("this model has no attention: rank by effect")
        weights = evidence.attention[:, column if evidence.attention.shape[1] > 1 else 0]
    else:
        weights = whole[column] - _without(evidence, calibration, labels)[:, column]
    order = np.argsort(-weights, kind="stable")
    return _Case(document, evidence.spans, column, float(whole[column]), order)
