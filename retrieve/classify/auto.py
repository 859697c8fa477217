"""The preset that chooses: words and passage vectors, measured on validation documents, calibrated and averaged.

On long acts a network over passages and TF-IDF tie and err on different documents; on short news TF-IDF wins. Which of
them, and in what shares, is not asked of the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from retrieve.classify.average import Average, Member, lasting
from retrieve.classify.caching_encoder import remembering
from retrieve.classify.calibrate import Calibration, fit_calibration
from retrieve.classify.frozen import learn_frozen
from retrieve.classify.linear import attempt, best_of_each, figure_of
from retrieve.classify.neighbours import learn_neighbours
from retrieve.classify.passages import cut, encoder_recipe
from retrieve.classify.preset import AggregatorSection, Preset
from retrieve.classify.records import Context, Fitted, FloatArray, Model, Problem
from retrieve.classify.selection import Selection, select
from retrieve.classify.zeroshot import learn_zero_shot
from retrieve.types import Progress

_BEGINNING = 512
"""Words that a second linear model reads of long documents: title and recitals name the topic."""

_FEWEST = 8
"""Passages below which a network is not tried: it would read less than the beginning."""

_LONG = 0.05
"""Share of training documents that must go beyond a length, for what reads more or less of them to differ."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A model that may join, its calibrated probabilities (N,L) of validation documents, and how it came about."""

    name: str
    model: Model
    calibration: Calibration
    probabilities: FloatArray
    curves: list[dict[str, float]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def learn_auto(
    problem: Problem, preset: Preset, context: Context, *, progress: Progress | None = None
) -> Fitted:
    """An `Average` of what helps on validation documents; everything that was tried is told with its figure.

    Contenders: the best TF-IDF SVM and logistic regression of the preset's settings, and where documents are long the
    SVM of their first 512 words; the preset's network over its first `passages.most` passages, and half as many down to
    8 where documents have more; a linear layer over mean vectors; the nearest training documents; the labels'
    descriptions as queries. They are calibrated, and selected as in `selection.select`. Without validation documents
    the first linear model and the first network are averaged. Raises `TrainingError` where nothing can be learned.
    """
    once = remembering(context)
    tried: list[dict[str, Any]] = []
    contenders = [
        *_words(problem, preset, once, tried, progress),
        *_networks(problem, preset, once, tried, progress),
    ]
    if len(problem.validation.documents):
        contenders += _others(problem, preset, once, tried, progress)
    else:
        network = next(each for each in contenders if each.model.kind == "network")
        contenders = [contenders[0], network]
        problem.remarks.append("no validation documents: one linear model and one network weigh alike")
    found = select(
        [each.probabilities for each in contenders],
        problem.validation.targets,
        problem.task,
        seed=context.seed,
    )
    tried += _attempts(contenders, found)
    members = []
    curves: list[dict[str, float]] = []
    for number, weight in found.weights.items():
        each = contenders[number]
        members.append(Member(lasting(each.model, context), each.calibration, weight))
        curves = curves or each.curves
        problem.remarks.extend(remark for remark in each.remarks if remark not in problem.remarks)
    return Fitted(Average(members, problem.task), curves, tried)


def _words(
    problem: Problem,
    preset: Preset,
    context: Context,
    tried: list[dict[str, Any]],
    progress: Progress | None,
) -> Iterator[Contender]:
    """The best linear model of each kind, and an SVM of the beginnings where the whole texts are long."""
    own = replace(problem, remarks=[])
    best, found = best_of_each(own, preset.tfidf, context, progress=progress)
    tried += found
    for kind, candidate in best.items():
        yield _contender(problem, f"tfidf {kind}", candidate.model, candidate.scores, remarks=own.remarks)
    lengths = [len(each.document.text.split()) for each in problem.train.documents]
    if preset.tfidf.words == 0 and np.mean(np.array(lengths) > 2 * _BEGINNING) > _LONG:
        model = next(iter(best.values())).model
        beginning = attempt(own, replace(model.vocabulary, words=_BEGINNING), model.settings)
        tried.append(beginning.tried)
        name = f"tfidf {model.settings.model}, first {_BEGINNING} words"
        yield _contender(problem, name, beginning.model, beginning.scores, remarks=own.remarks)


def _networks(
    problem: Problem,
    preset: Preset,
    context: Context,
    tried: list[dict[str, Any]],
    progress: Progress | None,
) -> Iterator[Contender]:
    """The preset's network by number of passages, the most first; then a linear layer over their mean."""
    linear = preset.model_copy(
        update={"family": "network", "aggregator": AggregatorSection(kind="mean"), "name": "mean"}
    )
    plans = [_reading(preset, most) for most in _lengths(problem, preset, context)]
    for plan in [*plans, linear]:
        own = replace(problem, remarks=[])
        fitted = learn_frozen(own, plan, context, progress=progress)
        most = plan.passages.most
        name = f"{plan.aggregator.kind}, {f'first {most}' if most else 'all'} passages"
        scores = fitted.model.scores(problem.validation.documents)
        tried.append(_figure(problem, name, scores) | {"epochs": len(fitted.curves)})
        yield _contender(problem, name, fitted.model, scores, curves=fitted.curves, remarks=own.remarks)


def _others(
    problem: Problem,
    preset: Preset,
    context: Context,
    tried: list[dict[str, Any]],
    progress: Progress | None,
) -> Iterator[Contender]:
    """What needs no training: neighbours, and labels as queries. An ordinal task has neither."""
    if problem.task == "ordinal":
        return
    reading = _reading(preset, preset.passages.most)
    models: list[Model] = [learn_neighbours(problem.train, reading, context)]
    own = replace(problem, remarks=[])
    models.append(learn_zero_shot(own, reading, context, progress=progress).model)
    for model, remarks in zip(models, ([], own.remarks), strict=True):
        scores = model.scores(problem.validation.documents)
        tried.append(_figure(problem, model.kind, scores))
        yield _contender(problem, model.kind, model, scores, remarks=remarks)


def _reading(preset: Preset, most: int) -> Preset:
    """The preset's network over the first `most` passages; 0: all."""
    passages = preset.passages.model_copy(update={"most": most})
    return preset.model_copy(update={"family": "network", "passages": passages})


def _lengths(problem: Problem, preset: Preset, context: Context) -> list[int]:
    """Numbers of passages to try: the preset's, then 16 and 8, or its half and so on, where documents have more."""
    encoder = context.encoder(encoder_recipe(preset))
    found = cut(encoder, preset.passages, problem.train.documents)
    counts = np.array([len(spans) for spans in found.spans])
    lengths = [preset.passages.most]
    half = preset.passages.most // 2 or 2 * _FEWEST
    while half >= _FEWEST:
        if np.mean(counts > half) > _LONG:
            lengths.append(half)
        half //= 2
    return lengths


def _contender(
    problem: Problem,
    name: str,
    model: Model,
    scores: FloatArray,
    *,
    curves: list[dict[str, float]] | None = None,
    remarks: list[str],
) -> Contender:
    calibration = fit_calibration(scores, problem.validation.targets, problem.task)
    return Contender(name, model, calibration, calibration.probabilities(scores), curves or [], remarks)


def _figure(problem: Problem, name: str, scores: FloatArray) -> dict[str, Any]:
    measure, figure = figure_of(problem, scores)
    return {"member": name, measure: abs(figure)}


def _attempts(contenders: list[Contender], found: Selection) -> list[dict[str, Any]]:
    """Each step of the selection, and which was taken."""
    return [
        {
            "average": {contenders[pick].name: step.picks.count(pick) for pick in dict.fromkeys(step.picks)},
            "value": step.value,
            "noise": step.noise,
            "chosen": number == found.chosen,
        }
        for number, step in enumerate(found.path)
    ]
