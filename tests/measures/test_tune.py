"""Tuning finds the best weight of its grid, and says on how many queries it did."""

from __future__ import annotations

import logging

import pytest

from retrieve.errors import MeasureError, UsageError
from retrieve.measures.evaluate import evaluate
from retrieve.measures.fuse import fuse_runs
from retrieve.measures.fusion_weight import GRID, tune_weights
from retrieve.trec import Qrels, Run, as_run

# The first run is right on three queries, the second on one; both are sure of themselves, so weights decide.
GOOD: Run = {query: {"x": 2.0, "y": 1.5, "z": 0.0} for query in "1234"}
POOR: Run = {query: {"y": 2.0, "x": 1.5, "z": 0.0} for query in "1234"} | {"unjudged": {"x": 1.0}}
QRELS: Qrels = {"1": {"x": 1}, "2": {"x": 1}, "3": {"x": 1}, "4": {"y": 1}, "5": {"x": 1}}


def test_the_best_of_the_grid_and_of_equals_the_most_even(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="retrieve"):
        tuning = tune_weights([GOOD, POOR], QRELS, "RR@10")
    assert tuning.measure == "RR@10"
    assert tuning.queries == 5
    assert list(tuning.grid) == list(GRID)
    assert tuning.value == max(tuning.grid.values()) == pytest.approx((1 + 1 + 1 + 0.5 + 0) / 5)
    assert tuning.weights == (0.5, 0.5)  # at equal weights x and y tie, and x is first
    assert [record.message for record in caplog.records] == [
        "the weights were tuned on these 5 queries: figures on the same queries flatter them"
    ]
    assert tune_weights([POOR, GOOD], QRELS, "MRR@10").weights == (0.5, 0.5)
    turned: Qrels = {
        query: {{"x": "y", "y": "x"}[doc]: 1 for doc in grades} for query, grades in QRELS.items()
    }
    assert tune_weights([GOOD, POOR], turned, "RR@10").weights == (0.45, 0.55)


@pytest.mark.parametrize("method", ["convex", "z"])
def test_every_value_of_the_grid_is_that_of_the_fused_run(method: str) -> None:
    tuning = tune_weights([GOOD, POOR], QRELS, "nDCG@10", grid=[0, 0.3, 1], method=method)
    for weight, value in tuning.grid.items():
        fused = as_run(fuse_runs([GOOD, POOR], method, (weight, 1 - weight)))
        assert value == evaluate(fused, QRELS, ["nDCG@10"]).means["nDCG@10"]


def test_what_cannot_be_tuned() -> None:
    with pytest.raises(UsageError, match="3 runs to tune, wanted two"):
        tune_weights([GOOD, POOR, GOOD], QRELS)
    with pytest.raises(UsageError, match="grid"):
        tune_weights([GOOD, POOR], QRELS, grid=[0.5, 1.5])
    with pytest.raises(MeasureError, match="share no query"):
        tune_weights([GOOD, POOR], {"other": {"x": 1}})
