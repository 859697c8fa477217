"""Presets compared on one test set: figures with intervals by document, and a paired test of every pair of presets.

Two figures that differ by less than their intervals may still differ surely, since both are of the same documents: what
decides is the permutation test of the difference, corrected for the number of pairs (Holm 1979).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from retrieve.classify.classifier import Classifier
from retrieve.classify.inputs import known_labels, targets_of
from retrieve.classify.measured import interval_measures, intervals, see, train_counts
from retrieve.corpora.labelled.records import LabelledData
from retrieve.corpora.labelled.split import grouped_split
from retrieve.errors import UsageError
from retrieve.measures.label_outcome import Outcome
from retrieve.measures.labels import document_measure
from retrieve.measures.significance import holm, paired_interval, permutation_p
from retrieve.types import Progress

_TEST = 0.2


def compare_presets(
    data: LabelledData,
    presets: Sequence[str],
    *,
    settings: Mapping[str, Any] | None = None,
    seeds: Sequence[int] = (0,),
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Train each preset on the same documents, measure all on the same test documents, and test each pair.

    Without a test split a fifth of the training documents, stratified by the first seed, is taken for it. Intervals and
    tests are of the first seed; `by_seed` has every seed's figures. `options` are those of `Classifier`. The result is
    JSON: `presets` (figures, intervals), `tests` (difference, its interval, p and Holm's p over all pairs and measures)
    and `remarks`. Raises `UsageError` for an ordinal task, fewer than two presets, or one named twice.
    """
    _check(data, presets, seeds)
    data, remarks = with_test(data, seeds[0])
    rows: list[dict[str, Any]] = []
    outcomes: dict[str, Outcome] = {}
    for preset in presets:
        start = time.perf_counter()
        by_seed = []
        for seed in seeds:
            classifier = Classifier(
                preset, settings=settings, task=data.task, labels=data.labels, seed=seed, **options
            ).fit(data.train, validation=data.validation or None, progress=progress)
            outcome = see(
                classifier, data.test, train_counts(classifier, data.train), progress=progress
            ).outcome
            outcomes.setdefault(preset, outcome)
            by_seed.append(_values(outcome, data))
        rows.append(
            {
                "preset": preset,
                "figures": by_seed[0],
                "intervals": intervals(outcomes[preset], data.task, seed=seeds[0]),
                "by_seed": by_seed,
                "seconds": round(time.perf_counter() - start, 3),
            }
        )
    return {
        "data": data.name,
        "task": data.task,
        "labels": len(data.labels.names),
        "train": len(data.train),
        "test": len(data.test),
        "seeds": list(seeds),
        "measures": list(interval_measures(data.task)),
        "presets": rows,
        "tests": _tests(outcomes, data, seeds[0]),
        "remarks": [*data.remarks, *remarks],
    }


def _check(data: LabelledData, presets: Sequence[str], seeds: Sequence[int]) -> None:
    if data.task == "ordinal":
        raise UsageError(f"{data.name} has values, not labels: presets are compared on labels")
    if len(presets) < 2 or len(set(presets)) != len(presets):
        raise UsageError(f"presets {', '.join(presets)}: wanted two or more to compare, each once")
    if not seeds:
        raise UsageError("no seed was given: wanted one at least")


def with_test(data: LabelledData, seed: int) -> tuple[LabelledData, list[str]]:
    """The data with a test split, a stratified fifth of the training documents if they have none, and what was done.

    Groups of documents are kept together.
    """
    if data.test:
        return data, []
    known = known_labels(data.train, None, task=data.task, labels=data.labels)
    groups = [document.group for document in data.train]
    rest, part = grouped_split(targets_of(data.train, None, known), groups, _TEST, seed=seed)
    remark = (
        f"the data have no test documents: {len(part)} of {len(data.train)} training documents are the test"
    )
    return (
        replace(
            data,
            train=[data.train[row] for row in rest.tolist()],
            test=[data.train[row] for row in part.tolist()],
        ),
        [remark],
    )


def _values(outcome: Outcome, data: LabelledData) -> dict[str, float | None]:
    ones = np.ones((1, len(outcome.targets)))
    found = {}
    for name in interval_measures(data.task):
        measure = document_measure(outcome, name)
        value = float(measure.value(measure.totals(ones))[0])
        found[name] = None if np.isnan(value) else value
    return found


def _tests(outcomes: Mapping[str, Outcome], data: LabelledData, seed: int) -> list[dict[str, Any]]:
    found, p = {}, {}
    for first, second in combinations(outcomes, 2):
        for name in interval_measures(data.task):
            one, other = document_measure(outcomes[first], name), document_measure(outcomes[second], name)
            p[first, second, name] = permutation_p(one, other, seed=seed)
            if not np.isnan(p[first, second, name]):
                found[first, second, name] = paired_interval(one, other, seed=seed)
    corrected = holm(p)
    return [
        {
            "first": first,
            "second": second,
            "measure": name,
            "difference": interval.value,
            "low": interval.low,
            "high": interval.high,
            "p": p[first, second, name],
            "p_holm": corrected.p[first, second, name],
        }
        for (first, second, name), interval in found.items()
    ]
