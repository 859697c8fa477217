"""Two pages of rankings: what a run is worth, and how runs differ from a baseline, query by query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from retrieve.measures.compare import Comparison, Difference
from retrieve.measures.evaluate import Evaluation
from retrieve.measures.significance import Interval, mean_interval, shown_p
from retrieve.report.environment import files, machine, versions
from retrieve.report.records import (
    Bar,
    BarChart,
    Block,
    Cell,
    Code,
    Columns,
    LineChart,
    Note,
    Page,
    Section,
    Series,
    Table,
)

_PACKAGES = ("ir-measures", "pytrec-eval-terrier", "numpy", "scipy")
_MOST_COLUMNS = 600
"""More queries than this stand several to a column."""

Curves = Mapping[str, Sequence[tuple[float, float]]]
"""Name of a run → (recall, precision), as `evaluate_with_curve` gives them."""


def evaluation_page(run: str, qrels: str, found: Evaluation, *, curves: Curves, command: str) -> Page:
    """The page of one run."""
    intervals = {
        measure: mean_interval([values[query] for query in sorted(values)], seed=0)  # as `compare` takes them
        for measure, values in found.per_query.items()
        if found.queries > 1
    }
    rows = tuple(
        (measure, value, *_ends(intervals.get(measure), value)) for measure, value in found.means.items()
    )
    note = "Intervals of 95 %, by bootstrap over queries." if intervals else ""
    return Page(
        run,
        f"{found.queries:,} judged queries of {qrels}",
        _warned({run: found}),
        (
            Section(
                "Figures", (Table("Measures", ("measure", "value", "from", "to"), rows, note, decimals=4),)
            ),
            Section("By query", tuple(_values(measure, found.per_query[measure]) for measure in found.means)),
            *_curves(curves),
            _made_by(command, [run, qrels]),
        ),
    )


def comparison_page(
    found: Comparison, evaluations: Mapping[str, Evaluation], *, qrels: str, curves: Curves, command: str
) -> Page:
    """The page of a comparison."""
    return Page(
        f"{len(found.figures)} runs compared",
        f"{found.queries:,} judged queries of {qrels}; baseline {found.baseline}",
        (Note(tuple(_said(each, found.baseline) for each in found.differences)), *_warned(evaluations)),
        (
            Section("Figures", _figures(found)),
            Section("Differences", _differences(found)),
            Section("By query", tuple(_by_query(found, evaluations))),
            *_curves(curves),
            _made_by(command, [*found.figures, qrels]),
        ),
    )


def _ends(interval: Interval | None, value: float) -> tuple[float | None, float | None]:
    """The interval's ends; of a sum over queries (NumRet) there are none: the interval is that of a mean."""
    if interval is None or abs(interval.value - value) > 1e-9:
        return None, None
    return interval.low, interval.high


def _said(each: Difference, baseline: str) -> str:
    change = each.difference
    said = (
        f"{each.run} − {baseline}, {each.measure}: {change.value:+.4f} ({change.low:+.4f} to {change.high:+.4f}); "
        f"{each.wins} queries won, {each.losses} lost, {each.ties} equal"
    )
    t = each.tests["t"]
    if t.p is None or t.p_holm is None:
        return f"{said}; no t-test, {t.method}"
    return f"{said}; t-test p {_p(t.p)}, by Holm {_p(t.p_holm)}"


def _warned(evaluations: Mapping[str, Evaluation]) -> tuple[Block, ...]:
    lines = []
    for run, found in evaluations.items():
        if found.missing:
            lines.append(f"{run}: {len(found.missing):,} judged queries have no hits.")
        if found.ignored:
            lines.append(f"{run}: {len(found.ignored):,} queries have no judgments and are ignored.")
    return (Note(tuple(lines), warning=True),) if lines else ()


def _figures(found: Comparison) -> tuple[Block, ...]:
    measures = list(found.figures[found.baseline])
    rows = tuple(
        (run, measure, *interval)
        for run, of_run in found.figures.items()
        for measure, interval in of_run.items()
    )
    note = f"Intervals of 95 %, by {found.resamples:,} bootstrap resamples of queries, seed {found.seed}."
    table = Table("Measures", ("run", "measure", "value", "from", "to"), rows, note, decimals=4)
    charts = (
        BarChart(measure, measure, tuple(Bar(run, *of_run[measure]) for run, of_run in found.figures.items()))
        for measure in measures
    )
    return (table, *charts)


def _differences(found: Comparison) -> tuple[Block, ...]:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (each.run, each.measure, *each.difference, each.effect, each.wins, each.losses, each.ties)
        for each in found.differences
    )
    header = ("run", "measure", "difference", "from", "to", "effect", "wins", "losses", "ties")
    note = (
        f"Against {found.baseline}. Effect: the mean difference in standard deviations of the differences "
        "(Cohen's d of pairs)."
    )
    tests = tuple(
        (each.run, each.measure, name, _p(test.p), _p(test.p_holm), test.method)
        for each in found.differences
        for name, test in each.tests.items()
    )
    sizes = ", ".join(f"{size} of {name}" for name, size in found.family.items())
    family = (
        "Two-sided. The tests are alternatives; Holm's correction of each goes over its comparisons of all runs and "
        f"measures: {sizes}. Randomisation counts (b + 1)/(m + 1)."
    )
    return (
        Table("Differences", header, rows, note, decimals=4),
        Table("Paired tests", ("run", "measure", "test", "p", "p (Holm)", "method"), tests, family),
    )


def _p(value: float | None) -> str:
    return "–" if value is None else shown_p(value)


def _by_query(found: Comparison, evaluations: Mapping[str, Evaluation]) -> list[Block]:
    blocks: list[Block] = []
    for each in found.differences:
        base = evaluations[found.baseline].per_query[each.measure]
        values = evaluations[each.run].per_query[each.measure]
        changes = {query_id: values[query_id] - base[query_id] for query_id in base}
        caption = f"{each.measure}: {each.run} − {found.baseline}"
        blocks.append(_columns(caption, "difference", changes))
        rows = tuple(
            (pair.query_id, pair.baseline, pair.value, pair.value - pair.baseline)
            for pair in (*each.won, *reversed(each.lost))
        )
        if rows:
            header = ("query", found.baseline, each.run, "difference")
            blocks.append(Table(f"{caption}: the queries that win and lose most", header, rows, decimals=4))
    return blocks


def _values(measure: str, values: Mapping[str, float]) -> Columns:
    return _columns(measure, measure, values)


def _columns(caption: str, y: str, values: Mapping[str, float]) -> Columns:
    """Values from the highest down; of very many, the means of neighbours."""
    ranked = sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))
    size = -(-len(ranked) // _MOST_COLUMNS)
    if size <= 1:
        return Columns(caption, "queries, by value", y, tuple(ranked))
    groups = [ranked[start : start + size] for start in range(0, len(ranked), size)]
    means = tuple(
        (f"{group[0][0]} … {group[-1][0]}", sum(value for _, value in group) / len(group)) for group in groups
    )
    return Columns(caption, "queries, by value", y, means, f"Each column is the mean of {size} neighbours.")


def _curves(curves: Curves) -> tuple[Section, ...]:
    series = tuple(Series(run, tuple(points)) for run, points in curves.items())
    chart = LineChart(
        "Interpolated precision",
        "recall",
        "precision",
        series,
        note="Means over all judged queries, by trec_eval's rule.",
    )
    return (Section("Precision and recall", (chart,)),)


def _made_by(command: str, paths: Sequence[str]) -> Section:
    return Section("Made by", (Code("Command", command), files(paths), versions(_PACKAGES), machine()))
