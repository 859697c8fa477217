"""A run's file measured query by query: what `evaluate` gives, without the run in memory.

Only the ranks of judged documents matter, so a query costs two counts over its scores for each of them and no sort.
Measures that are not made of these ranks, and files that need the careful reader, go the way of `evaluate`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieve.errors import InputError
from retrieve.measures.conventions.records import OURS
from retrieve.measures.conventions.values import Asked, Placed, Ranked, value
from retrieve.measures.evaluate import Evaluation, completed, evaluate, graded
from retrieve.measures.iprec import RECALLS
from retrieve.measures.names import parse_measures
from retrieve.trec import read_run
from retrieve.trec.groups import Hits, Unusual, read_groups

if TYPE_CHECKING:
    from ir_measures import Measure

_BY_RANKS = ("nDCG", "AP", "RR", "P", "R", "Success", "Rprec", "Bpref", "Judged", "IPrec")
_PLAIN = {"cutoff", "rel", "recall"}


def evaluate_file(
    path: str | Path,
    qrels: Mapping[str, Mapping[str, int]],
    measures: Sequence[str | Measure],
    *,
    relevance_level: int = 1,
    retrieved_only: bool = False,
    name: str = "",
) -> Evaluation:
    """`evaluate` of the run in a file (`-`: standard input), with the same arguments and errors, and `InputError` for a
    file without hits.
    """
    parsed = parse_measures(measures, relevance_level)
    if Path(path).is_file() and all(_by_ranks(measure) for measure in parsed):
        try:
            return _streamed(Path(path), qrels, parsed, retrieved_only=retrieved_only, name=name)
        except (Unusual, OSError, EOFError, zlib.error):
            pass  # the careful reader reads it, or says what is wrong with it
    run = read_run(path)
    if not run:
        raise no_hits(path)
    return evaluate(run, qrels, parsed, retrieved_only=retrieved_only, name=name)


def evaluate_with_curve(
    path: str | Path,
    qrels: Mapping[str, Mapping[str, int]],
    measures: Sequence[str | Measure],
    *,
    relevance_level: int = 1,
    **settings: Any,
) -> tuple[Evaluation, list[tuple[float, float]]]:
    """`evaluate_file`, and (recall, mean interpolated precision) at `RECALLS`, of one reading of the file."""
    asked = [str(measure) for measure in parse_measures(measures, relevance_level)]
    levels = [
        str(measure) for measure in parse_measures([f"IPrec@{recall}" for recall in RECALLS], relevance_level)
    ]
    whole = evaluate_file(path, qrels, [*asked, *levels], **settings)
    curve = [(recall, whole.means[name]) for recall, name in zip(RECALLS, levels, strict=True)]
    found = whole._replace(
        means={name: whole.means[name] for name in asked},
        per_query={name: whole.per_query[name] for name in asked},
    )
    return found, curve


def no_hits(path: str | Path) -> InputError:
    """The error of a run without a hit."""
    return InputError(str(path), "holds no hits: wanted lines of query id, Q0, document id, rank, score, tag")


def _by_ranks(measure: Measure) -> bool:
    return measure.NAME in _BY_RANKS and not measure.params.keys() - _PLAIN


def _streamed(
    path: Path,
    qrels: Mapping[str, Mapping[str, int]],
    measures: Sequence[Measure],
    *,
    retrieved_only: bool,
    name: str,
) -> Evaluation:
    judged = graded(qrels)
    asked = {
        str(measure): Asked(
            str(measure.NAME),
            measure.params.get("cutoff"),
            measure.params.get("rel", 1),
            measure.params.get("recall", 0.0),
        )
        for measure in measures
    }
    values: dict[str, dict[str, float]] = {measure: {} for measure in asked}
    queries = []
    for hits in read_groups(path):
        queries.append(hits.query_id)
        grades = judged.get(hits.query_id)
        if grades is not None:
            query = _ranked(hits, grades)
            for measure, one in asked.items():
                values[measure][hits.query_id] = value(query, one, OURS)
    if not queries:
        raise no_hits(path)
    return completed(values, queries, judged, measures, retrieved_only=retrieved_only, name=name)


def _ranked(hits: Hits, grades: Mapping[str, int]) -> Ranked:
    """Ranks in trec_eval's order: single precision, then document id, descending."""
    with np.errstate(over="ignore"):
        scores = hits.scores.astype(np.float32)
    placed = []
    for document_id, grade in grades.items():
        written = document_id.encode()
        place = hits.place(written)
        if place is None:
            continue
        score = scores[place]
        rank = 1 + int(np.count_nonzero(scores > score))
        tied = np.flatnonzero(scores == score)
        if len(tied) > 1:
            rank += sum(
                hits.id_at(other) > written for other in tied.tolist()
            )  # UTF-8 sorts as its characters
        placed.append(Placed(rank, grade, rank, rank))
    placed.sort()
    return Ranked(hits.query_id, placed, len(scores), list(grades.values()))
