"""A run measured as another tool measures it, and which of its conventions moved each figure from ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from retrieve.errors import MeasureError
from retrieve.measures.conventions.order import Judged, has_ties, ranked
from retrieve.measures.conventions.records import OURS, Conventions, said
from retrieve.measures.conventions.tools import Tool, tool_named
from retrieve.measures.conventions.topics import Topics, last_parts, whole
from retrieve.measures.conventions.values import Asked, value
from retrieve.measures.names import any_measures

if TYPE_CHECKING:
    from ir_measures import Measure

_LEVELLED = ("cutoff", "rel")


class Moved(NamedTuple):
    """A convention that the tool does not share with us, in words, and what it added to the mean."""

    convention: str
    said: str
    difference: float


class Imitation(NamedTuple):
    """Figures of a run under a tool's conventions, by canonical name of the measure.

    `ours`: the means under ours. `moved`: all conventions that differ; their differences add up to that of the means.
    `queries`: measure → how many its mean is over. `remarks`: what is not imitated, and what of that concerns this run.
    """

    tool: str
    version: str
    means: dict[str, float]
    per_query: dict[str, dict[str, float]]
    queries: dict[str, int]
    ours: dict[str, float]
    moved: dict[str, list[Moved]]
    remarks: list[str]


def evaluate_as(
    tool: str,
    run: Mapping[str, Mapping[str, float]],
    qrels: Mapping[str, Mapping[str, int]],
    measures: Sequence[str | Measure],
    *,
    relevance_level: int = 1,
) -> Imitation:
    """Measure a run as `tool` does (a name in `TOOLS`); arguments are those of `evaluate`.

    `UsageError`: no such tool. `MeasureError`: a measure that it does not have or that is not imitated, input that it
    refuses, a run and judgments that share no query.
    """
    known = tool_named(tool)
    if not {query_id for query_id, hits in run.items() if hits} & {
        one for one, grades in qrels.items() if grades
    }:
        raise MeasureError(
            "the run has no hit for any judged query: are they of the same collection and split?"
        )
    topics = {"whole": whole(run, qrels)}
    parsed = any_measures(measures, relevance_level)
    targets = {str(measure): _conventions(tool, known, measure) for measure in parsed}
    if any(target.topics == "last part" for target in targets.values()):
        topics["last part"] = last_parts(run, qrels)
    means, per_query, queries, ours, moved = {}, {}, {}, {}, {}
    for measure in parsed:
        name, asked = str(measure), _asked(measure)
        steps = _steps(targets[name])
        figures = [_figure(topics[step.topics], asked, step) for step in steps]
        ours[name] = figures[0][0]
        means[name], per_query[name], queries[name] = figures[-1]
        moved[name] = [
            Moved(field, said(field, getattr(after, field)), figure - before_figure)
            for before, after, (before_figure, *_), (figure, *_) in zip(
                steps[:-1], steps[1:], figures[:-1], figures[1:], strict=True
            )
            for field in Conventions._fields
            if getattr(before, field) != getattr(after, field)
        ]
    remarks = [known.remark] if known.remark else []
    if tool == "torchmetrics":
        tied = sum(has_ties(query.scores) for query in topics["whole"].judged)
        remarks.append(f"{tied} judged queries have ties, broken here by document id, descending")
    return Imitation(tool, known.version, means, per_query, queries, ours, moved, remarks)


def imitated_of(tool: str, measures: Sequence[str]) -> list[str]:
    """Those of the measures that `tool` has, and that are imitated. `UsageError`: no such tool."""
    known = tool_named(tool)
    found = []
    for measure in any_measures(measures):
        try:
            _conventions(tool, known, measure)
        except MeasureError:
            continue
        found.append(str(measure))
    return found


def _conventions(tool: str, known: Tool, measure: Measure) -> Conventions:
    """The tool's conventions for a measure, or an error that says what it has."""
    name = str(measure.NAME)
    cutoff = measure.params.get("cutoff")
    has = ", ".join(
        sorted(
            {key.rstrip("@") + ("@k" if known.cutoff and key != "Rprec" else "") for key in known.measures}
        )
    )
    if name not in known.measures or (cutoff is None and known.cutoff) or (cutoff and name in known.whole):
        raise MeasureError(f"{tool} has no {measure} that is imitated; it has {has}")
    if other := measure.params.keys() - set(_LEVELLED):
        raise MeasureError(f"{measure}: {', '.join(sorted(other))} of {tool} is not imitated; it has {has}")
    if measure.params.get("rel", 1) != 1 and not known.levels:
        raise MeasureError(f"{measure}: {tool} has no relevance level")
    return known.measures.get(f"{name}@", known.measures[name]) if cutoff else known.measures[name]


def _asked(measure: Measure) -> Asked:
    return Asked(str(measure.NAME), measure.params.get("cutoff"), measure.params.get("rel", 1))


def _steps(target: Conventions) -> list[Conventions]:
    """From ours to the tool's, one field at a time."""
    steps = [OURS]
    for field in Conventions._fields:
        if getattr(steps[-1], field) != getattr(target, field):
            steps.append(steps[-1]._replace(**{field: getattr(target, field)}))
    return steps


def _figure(topics: Topics, asked: Asked, conventions: Conventions) -> tuple[float, dict[str, float], int]:
    """The mean, the value of each query, and how many queries the mean is over."""
    counted = [query for query in topics.judged if _counts(query, conventions.queries)]
    size = topics.in_run if conventions.queries == "of the run" else len(counted)
    if not size:
        raise MeasureError(f"no query counts for {asked.name}: {said('queries', conventions.queries)}")
    values = {
        query.query_id: value(ranked(query, conventions.order), asked, conventions)
        if query.documents
        else 0.0
        for query in counted
    }
    return sum(values.values()) / size, values, size


def _counts(query: Judged, queries: str) -> bool:
    if queries == "judged":
        return True
    if queries == "with hits and relevant":
        return bool(query.documents) and max(query.all_grades, default=0) > 0
    return bool(query.documents)
