"""A run against judgments: one value for each measure and query, and their means.

Providers break ties differently (trec_eval by id descending, MS MARCO's script ascending), so every ranking
is put in trec_eval's order and given the scores n, n-1 … 1 before any of them sees it. Means are over all
judged queries, as `trec_eval -c` has them: a system must not gain by finding nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from retrieve.errors import MeasureError
from retrieve.measures.forms import check_qrels, check_run
from retrieve.measures.iprec import interpolated_precision
from retrieve.measures.names import HIGHEST_GRADE, parse_measures, provider
from retrieve.trec import trec_eval_order

if TYPE_CHECKING:
    from ir_measures import Measure

logger = logging.getLogger("retrieve")


class Evaluation(NamedTuple):
    """Measures are keyed by their canonical names (`nDCG@10`, `R@100`, `AP`, `RR@10`, `AP(rel=2)`), as they
    were asked for.

    `means`: measure → mean over `queries` queries (`NumQ`, `NumRel`, `NumRet`: sum). `per_query`: measure →
    query id → value. `missing`: judged queries without a hit (zero, or left out with `retrieved_only`).
    `ignored`: queries without judgments.
    """

    means: dict[str, float]
    per_query: dict[str, dict[str, float]]
    queries: int
    missing: list[str]
    ignored: list[str]


def evaluate(
    run: Mapping[str, Mapping[str, float]],
    qrels: Mapping[str, Mapping[str, int]],
    measures: Sequence[str | Measure],
    *,
    relevance_level: int = 1,
    retrieved_only: bool = False,
    name: str = "",
) -> Evaluation:
    """Measure a run (query id → document id → score) by judgments (query id → document id → grade).

    Every query of the judgments counts (`trec_eval -c`), also one without a relevant document; with
    `retrieved_only` those that have hits (trec_eval without `-c`). `relevance_level` as in `parse_measures`
    (`trec_eval -l`). What is missing or ignored is also logged, with the run's `name` where it has one.
    `MeasureError`: an unknown measure, or a run and judgments that share no query. `UsageError`: ids, scores or
    grades of another kind.
    """
    parsed = parse_measures(measures, relevance_level)
    check_run(run)
    check_qrels(qrels)
    evaluation = measured(run, qrels, parsed, retrieved_only=retrieved_only, name=name or "the run")
    _say(evaluation, qrels, parsed, retrieved_only=retrieved_only, name=name)
    return evaluation


def _say(
    evaluation: Evaluation,
    qrels: Mapping[str, Mapping[str, int]],
    measures: Sequence[Measure],
    *,
    retrieved_only: bool,
    name: str,
) -> None:
    of = f"{name}: " if name else ""
    highest = max((grade for grades in qrels.values() for grade in grades.values()), default=0)
    wanted = max((measure.params.get("rel", 1) for measure in measures), default=1)
    if highest < wanted:
        logger.warning(
            "%sno document is judged %d or higher, the highest grade is %d: what counts such documents is zero",
            of,
            wanted,
            highest,
        )
    if evaluation.missing:
        fate = "are left out of the means" if retrieved_only else "count as zero"
        logger.warning(
            "%s%d judged queries have no hits and %s: %s",
            of,
            len(evaluation.missing),
            fate,
            _some(evaluation.missing),
        )
    if evaluation.ignored:
        logger.warning(
            "%s%d queries of the run have no judgments and are ignored: %s",
            of,
            len(evaluation.ignored),
            _some(evaluation.ignored),
        )


def measured(
    run: Mapping[str, Mapping[str, float]],
    qrels: Mapping[str, Mapping[str, int]],
    measures: Sequence[Measure],
    *,
    retrieved_only: bool = False,
    name: str = "the run",
) -> Evaluation:
    """`evaluate` for measures that are parsed already, without a word in the log (tuning calls it many times)."""
    judged = graded(qrels)
    _check_shared(list(run), judged, name)
    found = {query_id: _surrogates(run[query_id]) for query_id in judged if run.get(query_id)}
    values = _values(found, judged, measures)
    return _whole(values, found, list(run), judged, measures, retrieved_only, name)


def completed(
    values: Mapping[str, Mapping[str, float]],
    queries: Sequence[str],
    judged: Mapping[str, Mapping[str, int]],
    measures: Sequence[Measure],
    *,
    retrieved_only: bool,
    name: str,
) -> Evaluation:
    """`evaluate`'s result, and what it logs, from `values` (measure → query id → value) that were computed elsewhere.

    `queries` are all of the run; `judged`, which `graded` gave, those of them that have values.
    """
    _check_shared(queries, judged, name or "the run")
    found = judged.keys() & set(queries)
    evaluation = _whole(values, found, queries, judged, measures, retrieved_only, name or "the run")
    _say(evaluation, judged, measures, retrieved_only=retrieved_only, name=name)
    return evaluation


def _whole(
    values: Mapping[str, Mapping[str, float]],
    found: Container[str],
    queries: Sequence[str],
    judged: Mapping[str, Mapping[str, int]],
    measures: Sequence[Measure],
    retrieved_only: bool,
    name: str,
) -> Evaluation:
    """Zeros for judged queries without hits (those not `found`), or their absence, and the means."""
    missing = [query_id for query_id in judged if query_id not in found]
    counted = [query_id for query_id in judged if query_id in found] if retrieved_only else list(judged)
    if not counted:
        raise MeasureError(
            f"{name} has no hit for any judged query, and only queries with hits were to be counted"
        )
    per_query: dict[str, dict[str, float]] = {}
    for measure in measures:
        of_measure = values[str(measure)]
        per_query[str(measure)] = {
            query_id: of_measure[query_id] if query_id in found else _without_hits(measure, judged[query_id])
            for query_id in counted
        }
    return Evaluation(
        means={str(measure): _mean(measure, per_query[str(measure)], counted) for measure in measures},
        per_query=per_query,
        queries=len(counted),
        missing=missing,
        ignored=[query_id for query_id in queries if query_id not in judged],
    )


def graded(qrels: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """The judged queries, with grades that every provider survives. `MeasureError`: a grade beyond reason."""
    return {query_id: _safe(query_id, grades) for query_id, grades in qrels.items() if grades}


def _check_shared(queries: Sequence[str], judged: Mapping[str, Mapping[str, int]], name: str) -> None:
    if not judged.keys() & set(queries):
        raise MeasureError(
            f"{name} ({_some(queries)}) and the judgments ({_some(list(judged))}) share no query id: "
            "are they of the same collection and split?"
        )


def _safe(query_id: str, grades: Mapping[str, int]) -> dict[str, int]:
    """The grades, so that pytrec_eval survives them: it takes time and space that grow with the highest
    one, and writes outside its memory where all are negative (zeros give the same values: nothing is
    relevant)."""
    lowest, highest = min(grades.values()), max(grades.values())
    if not -HIGHEST_GRADE <= lowest <= highest <= HIGHEST_GRADE:
        raise MeasureError(
            f"query {query_id!r} has grades from {lowest} to {highest}, wanted at most {HIGHEST_GRADE}: rescale them"
        )
    if highest < 0:
        return dict.fromkeys(grades, 0)
    return {
        document_id: int(grade) for document_id, grade in grades.items()
    }  # numpy's integers are none to it


def _surrogates(scores: Mapping[str, float]) -> dict[str, float]:
    """The ranking, best first, with scores that no provider can order otherwise."""
    order = trec_eval_order(scores)
    return {document_id: float(len(order) - place) for place, document_id in enumerate(order)}


def _values(
    found: Mapping[str, Mapping[str, float]],
    judged: Mapping[str, Mapping[str, int]],
    measures: Sequence[Measure],
) -> dict[str, dict[str, float]]:
    """Measure → query id → value, for the queries that have hits."""
    values: dict[str, dict[str, float]] = {str(measure): {} for measure in measures}
    # Judgments of these queries only: ir-measures fills in zeros for others, which is for us to decide.
    judgments = {query_id: judged[query_id] for query_id in found}
    elsewhere = [measure for measure in measures if measure.NAME != "IPrec"]
    if found and elsewhere:
        for metric in provider().iter_calc(elsewhere, judgments, found):
            values[str(metric.measure)][metric.query_id] = float(metric.value)
    for measure in measures:
        if measure.NAME == "IPrec":
            values[str(measure)] = {
                query_id: _interpolated(measure, scores, judgments[query_id])
                for query_id, scores in found.items()
            }
    return values


def _interpolated(measure: Measure, scores: Mapping[str, float], grades: Mapping[str, int]) -> float:
    relevant = {document for document, grade in grades.items() if grade >= measure["rel"]}
    ranking = [document for document in scores if document in grades or not measure["judged_only"]]
    return interpolated_precision(
        (document in relevant for document in ranking), len(relevant), measure["recall"]
    )


def _without_hits(measure: Measure, grades: Mapping[str, int]) -> float:
    """What trec_eval gives for an empty ranking: zero, except where it counts queries or judgments."""
    if measure.NAME == "NumQ":
        return 1.0
    if measure.NAME == "NumRel":
        return float(sum(grade >= measure["rel"] for grade in grades.values()))
    return 0.0


def _mean(measure: Measure, values: Mapping[str, float], counted: Sequence[str]) -> float:
    aggregator = measure.aggregator()
    for query_id in counted:
        aggregator.add(values[query_id])
    return float(aggregator.result())


def _some(query_ids: Sequence[str]) -> str:
    shown = ", ".join(query_ids[:5])
    return f"{shown}, …" if len(query_ids) > 5 else shown
