"""Runs compared with a baseline: p-values beside scipy's on the same vectors, Holm's family, queries by name."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from retrieve.errors import MeasureError, UsageError
from retrieve.measures.compare import MOST, compare
from retrieve.measures.evaluate import Evaluation, evaluate
from retrieve.measures.significance import holm, paired_t_p, wilcoxon_p
from retrieve.trec import Qrels, Run

MEASURES = ("nDCG@10", "AP", "RR@10")


def judged(queries: int, seed: int = 0) -> Qrels:
    rng = np.random.default_rng(seed)
    return {
        f"q{number:03}": {f"d{document}": int(rng.integers(0, 3)) for document in range(12)}
        for number in range(queries)
    }


def noisy(qrels: Qrels, noise: float, seed: int) -> Run:
    """A system that knows the grades but for some noise."""
    rng = np.random.default_rng(seed)
    return {
        query: {document: grade + float(rng.normal(0, noise)) for document, grade in grades.items()}
        for query, grades in qrels.items()
    }


def measured(qrels: Qrels, *noises: float) -> dict[str, Evaluation]:
    return {
        f"run{number}": evaluate(noisy(qrels, noise, number), qrels, MEASURES)
        for number, noise in enumerate(noises)
    }


def vectors(evaluations: dict[str, Evaluation], run: str, measure: str) -> tuple[np.ndarray, np.ndarray]:
    queries = sorted(evaluations[run].per_query[measure])
    return (
        np.array([evaluations[run].per_query[measure][query] for query in queries]),
        np.array([evaluations["run0"].per_query[measure][query] for query in queries]),
    )


@pytest.mark.parametrize("queries", [2, 6, pytest.param(13, marks=pytest.mark.long), 14, 40, 50, 51, 120])
@pytest.mark.filterwarnings("ignore")
def test_p_values_are_scipys_on_the_same_vectors(queries: int) -> None:
    evaluations = measured(judged(queries, queries), 1.0, 0.8, 2.0)
    found = compare(evaluations, resamples=999)
    assert [(each.run, each.measure) for each in found.differences] == [
        (run, measure) for run in ("run1", "run2") for measure in MEASURES
    ]
    for each in found.differences:
        values, base = vectors(evaluations, each.run, each.measure)
        assert each.difference.value == pytest.approx(values.mean() - base.mean(), abs=1e-12)
        if not (values != base).any():
            assert {test.p for test in each.tests.values()} == {None}
            continue
        t = stats.ttest_rel(values, base).pvalue
        if np.ptp(values - base):
            assert each.tests["t"].p == pytest.approx(t, abs=1e-12)
        else:
            assert each.tests["t"].p is None
        assert each.tests["wilcoxon"].p == pytest.approx(stats.wilcoxon(values, base).pvalue, abs=1e-12)
        chance = each.tests["randomisation"].p
        exact = stats.permutation_test(
            (values, base),
            lambda one, other, axis: np.mean(one - other, axis=axis),
            vectorized=True,
            permutation_type="samples",
            n_resamples=999,
            rng=np.random.default_rng(1),
        ).pvalue
        # Two estimates by 999 exchanges, or one beside all: within 4 standard errors of their difference.
        assert chance == pytest.approx(exact, abs=4 * math.sqrt(2 * exact * (1 - exact) / 999) + 0.002)
    assert any(each.tests["t"].p is not None for each in found.differences)


def test_holm_goes_over_all_runs_and_measures_of_one_test() -> None:
    evaluations = measured(judged(40), 1.0, 0.8, 2.0)
    evaluations["again"] = evaluations["run0"]
    found = compare(evaluations, resamples=999)
    assert found.family == {"t": 6, "randomisation": 6, "wilcoxon": 6}  # a run that never differs is no test
    for test in found.family:
        p = {(each.run, each.measure): each.tests[test].p for each in found.differences}
        defined = {pair: value for pair, value in p.items() if value is not None}
        assert len(defined) == 6
        corrected = holm(defined).p
        for each in found.differences:
            assert each.tests[test].p_holm == corrected.get((each.run, each.measure))
    same = [each for each in found.differences if each.run == "again"]
    assert {each.ties for each in same} == {40}
    assert {each.effect for each in same} == {None}
    assert {each.tests["t"].method for each in same} == {"no query differs"}


def test_effect_wins_losses_and_the_queries_that_decide() -> None:
    evaluations = measured(judged(60), 1.0, 0.7)
    for each in compare(evaluations, resamples=99).differences:
        values, base = vectors(evaluations, each.run, each.measure)
        change = values - base
        assert each.effect == pytest.approx(change.mean() / change.std(ddof=1))
        assert (each.wins, each.losses, each.ties) == (
            (change > 0).sum(),
            (change < 0).sum(),
            (change == 0).sum(),
        )
        assert [pair.value - pair.baseline for pair in each.won] == sorted(change, reverse=True)[
            : len(each.won)
        ]
        assert [pair.value - pair.baseline for pair in each.lost] == sorted(change)[: len(each.lost)]
        assert len(each.won) == min(MOST, each.wins)
        by_query = evaluations[each.run].per_query[each.measure]
        assert all(by_query[pair.query_id] == pair.value for pair in (*each.won, *each.lost))


def test_a_sum_over_queries_is_compared_as_the_sum() -> None:
    qrels = judged(20)
    whole = noisy(qrels, 1.0, 0)
    half = {query: dict(list(hits.items())[:6]) for query, hits in whole.items()}
    evaluations = {name: evaluate(run, qrels, ["NumRet", "P@5"]) for name, run in (("a", whole), ("b", half))}
    found = compare(evaluations, resamples=99)
    assert found.figures["a"]["NumRet"].value == evaluations["a"].means["NumRet"]
    assert found.differences[0].difference.value == (
        evaluations["b"].means["NumRet"] - evaluations["a"].means["NumRet"]
    )


def test_the_same_seed_gives_the_same_comparison() -> None:
    evaluations = measured(judged(30), 1.0, 0.9)
    assert compare(evaluations, resamples=199) == compare(evaluations, resamples=199)
    other = compare(evaluations, resamples=199, seed=1)
    assert other.differences[0].tests["t"] == compare(evaluations, resamples=199).differences[0].tests["t"]
    assert other.figures != compare(evaluations, resamples=199).figures


@pytest.mark.parametrize(
    ("differences", "method"),
    [
        ([0.1, -0.2, 0.3], "exact"),
        ([0.1, -0.1, 0.3], "exact, over all signs"),
        ([0.1, 0.0, 0.3], "exact, over all signs"),
        ([0.1] * 13, "exact, over all signs"),
        ([*([0.1] * 13), -0.2], "normal approximation"),
        (np.arange(1, 51) / 7, "exact"),
        (np.arange(1, 52) / 7, "normal approximation"),
        ([0.0, 0.0], "no difference"),
    ],
)
def test_wilcoxons_method_is_named(differences: list[float], method: str) -> None:
    assert wilcoxon_p(differences)[1] == method


def test_there_is_no_t_without_variance() -> None:
    assert math.isnan(paired_t_p([0.25, 0.25, 0.25]))
    assert math.isnan(paired_t_p([0.25]))
    assert paired_t_p([0.1, 0.2, 0.4]) == stats.ttest_1samp([0.1, 0.2, 0.4], 0).pvalue


def test_what_cannot_be_compared() -> None:
    qrels = judged(4)
    run = noisy(qrels, 1.0, 0)
    one = evaluate(run, qrels, MEASURES)
    with pytest.raises(UsageError, match="1 run to compare"):
        compare({"a": one})
    with pytest.raises(MeasureError, match="b was measured by AP, a by nDCG@10, AP, RR@10"):
        compare({"a": one, "b": evaluate(run, qrels, ["AP"])})
    part = {query: run[query] for query in list(run)[:3]}
    with pytest.raises(MeasureError, match="b has 3 measured queries that are not the 4 of a"):
        compare({"a": one, "b": evaluate(part, qrels, MEASURES, retrieved_only=True)})
    single = evaluate(run, {"q000": qrels["q000"]}, MEASURES)
    with pytest.raises(MeasureError, match="needs two at least"):
        compare({"a": single, "b": single})
