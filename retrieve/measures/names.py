"""Names of measures, as people write them, and the providers that compute them.

ir-measures falls back from one provider to the next by what is installed on a machine. We name three whose
conventions are tested here, so that a measure means the same everywhere: pytrec_eval, and what it lacks
(`Judged`, `RR@k`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from retrieve.errors import MeasureError, MissingExtra, UsageError

if TYPE_CHECKING:
    from ir_measures import Measure, Metric

EXAMPLES = "nDCG@10, R@100, P@5, AP, AP(rel=2), RR@10, Success@5, Judged@10, Rprec, Bpref"

HIGHEST_GRADE = 10_000

_TREC_EVAL = re.compile(
    r"(?:ndcg_cut|map_cut|P|recall|success|iprec_at_recall)[._]\d[\d.,]*|recip_rank|num_(?:q|ret|rel|rel_ret)"
)
"""Names of trec_eval that are not read as names of ir-measures."""

_COMMAS = re.compile(r",(?![^(]*\))")

_NAME = re.compile(r"(?P<name>[^\W\d]\w*)(?P<arguments>\(.*\))?(?:@(?P<at>\d+(?:\.\d+)?))?")


class Provider(Protocol):
    """The part of an ir-measures provider that we use (its own signatures are only partly typed)."""

    def supports(self, measure: Measure) -> bool: ...

    def iter_calc(
        self,
        measures: Iterable[Measure],
        qrels: Mapping[str, Mapping[str, int]],
        run: Mapping[str, Mapping[str, float]],
    ) -> Iterator[Metric]: ...


def provider() -> Provider:
    """What computes the measures; `MissingExtra` where ir-measures or pytrec_eval is not installed."""
    try:
        import ir_measures
        import pytrec_eval  # noqa: F401 (ir-measures would pass over a missing one without a word)
    except ImportError as error:
        raise MissingExtra("measuring a run", "eval") from error
    first_that_supports: Any = ir_measures.providers.FallbackProvider
    chosen: Provider = first_that_supports([ir_measures.pytrec_eval, ir_measures.judged, ir_measures.msmarco])
    return chosen


def parse_measures(names: Sequence[str | Measure], relevance_level: int = 1) -> list[Measure]:
    """Measures by name, each once, in the order given; upper and lower case are one, `MAP` is `AP`, `MRR` is `RR`,
    trec_eval's `ndcg_cut_10` is `nDCG@10`; a name may be several with commas between.

    `relevance_level` N gives `rel=N` to every binary measure that has no level of its own (nDCG keeps its
    grades), and it shows in the measure's name: `AP(rel=2)`. `MeasureError`: a name or an argument that
    does not exist.
    """
    if not 1 <= relevance_level <= HIGHEST_GRADE:
        raise UsageError(
            f"relevance level is {relevance_level}, wanted 1 (grade 0 is not relevant) to {HIGHEST_GRADE}"
        )
    source = provider()
    measures = any_measures(names, relevance_level)
    for measure in measures:
        if not source.supports(measure):
            raise MeasureError(f"measure {measure} is not offered; examples: {EXAMPLES}")
    return measures


def any_measures(names: Sequence[str | Measure], relevance_level: int = 1) -> list[Measure]:
    """`parse_measures` without the question whether we can compute it."""
    provider()  # names are ir-measures'
    measures: dict[str, Measure] = {}
    for name in [names] if isinstance(names, str) else names:
        for one in _named(name) if isinstance(name, str) else [name]:
            measure = _with_level(one, relevance_level)
            measures.setdefault(str(measure), measure)
    if not measures:
        raise UsageError(f"no measure asked for; examples: {EXAMPLES}")
    return list(measures.values())


def is_sum(name: str) -> bool:
    """Whether a measure's figure of a whole run is a sum over queries (`NumRet`), and not a mean."""
    from ir_measures import SumAgg

    return isinstance(parse_measures([name])[0].aggregator(), SumAgg)


def _named(names: str) -> list[Measure]:
    """The measures of one name, which may be several with commas between, and trec_eval's, as `P.5,10`."""
    if _TREC_EVAL.fullmatch(names.strip()):
        import ir_measures

        try:
            return [_checked(measure, names) for measure in ir_measures.parse_trec_measure(names.strip())]
        except ValueError as error:
            raise MeasureError(f"measure {names!r} cannot be read ({error}); examples: {EXAMPLES}") from error
    parts = _COMMAS.split(names)
    return [_parsed(names)] if len(parts) == 1 else [one for part in parts for one in _named(part)]


def _parsed(name: str) -> Measure:
    import ir_measures

    registered = {known.casefold(): known for known in ir_measures.measures.registry}
    match = _NAME.fullmatch(name.strip())
    known = registered.get(match["name"].casefold()) if match else None
    if match is None or known is None:
        raise MeasureError(f"measure {name!r} does not exist; examples: {EXAMPLES}")
    at = match["at"]
    try:
        measure = ir_measures.parse_measure(known + (match["arguments"] or "") + (f"@{at}" if at else ""))
    except (ValueError, TypeError, KeyError) as error:
        raise MeasureError(f"measure {name!r} cannot be read ({error}); examples: {EXAMPLES}") from error
    return _checked(measure, name)


def _checked(measure: Measure, name: str) -> Measure:
    """The measure with whole numbers made floats where it wants those, or an error for arguments it cannot have."""
    wanted: Mapping[str, Any] = measure.SUPPORTED_PARAMS
    given = dict(measure.params)
    if unknown := given.keys() - wanted.keys():
        raise MeasureError(f"measure {name!r} has no argument {sorted(unknown)}, only {sorted(wanted)}")
    if lacking := [key for key, of in wanted.items() if of.required and key not in given]:
        raise MeasureError(f"measure {name!r} needs its {lacking[0]}: write {name}@… ; examples: {EXAMPLES}")
    for key, value in given.items():
        if wanted[key].dtype is float and type(value) is int:
            given[key] = float(value)
        if not wanted[key].validate(given[key]) or not _in_range(key, value):
            raise MeasureError(f"measure {name!r}: {key} cannot be {value!r}; examples: {EXAMPLES}")
    return type(measure)(**given)


def _in_range(key: str, value: Any) -> bool:
    """Whether pytrec_eval, which checks nothing, computes with this and not somewhere else in its memory."""
    if key == "cutoff":
        return bool(1 <= value <= 1_000_000_000)
    if key == "rel":
        return bool(1 <= value <= HIGHEST_GRADE)
    if key == "recall":
        return bool(0 <= value <= 1)
    if key == "gains":
        return all(
            type(part) is int and 0 <= part <= HIGHEST_GRADE for pair in value.items() for part in pair
        )
    return True


def _with_level(measure: Measure, level: int) -> Measure:
    rel = measure.SUPPORTED_PARAMS.get("rel")
    if level == 1 or rel is None or rel.default != 1 or "rel" in measure.params:
        return measure
    return type(measure)(**measure.params, rel=level)
