"""Calibration against scikit-learn's logistic regression, closed forms, and data with nothing to learn from."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from retrieve.classify.calibrate import Calibration, fit_calibration
from retrieve.errors import UsageError


def drawn(seed: int, rows: int = 300, labels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = random.normal(scale=3, size=(rows, labels)) - 1
    targets = (random.random(scores.shape) < expit(0.7 * scores + 0.4)).astype(np.float32)
    return scores, targets


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e5])
def test_sigmoid_is_logistic_regression_with_platts_targets(scale: float) -> None:
    scores, targets = drawn(0)
    x, y = scores.reshape(-1, 1), targets.ravel()
    positives, negatives = y.sum(), (1 - y).sum()
    smooth = np.where(y > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    oracle = LogisticRegression(C=1e12, tol=1e-12, max_iter=1000).fit(
        np.vstack([x, x]), np.repeat([1, 0], len(x)), sample_weight=np.concatenate([smooth, 1 - smooth])
    )
    found = fit_calibration(scores * scale, targets, "multilabel")
    assert found.slope * scale == pytest.approx(oracle.coef_[0, 0], rel=1e-4)
    assert found.intercept == pytest.approx(oracle.intercept_[0], abs=1e-4)
    assert found.remark == ""


def test_what_generated_the_targets_is_found_again() -> None:
    found = fit_calibration(*drawn(1, rows=40_000, labels=2), "multilabel")
    assert (found.slope, found.intercept) == pytest.approx((0.7, 0.4), abs=0.03)


def test_separable_data_gives_platts_targets_themselves() -> None:
    """Two scores, so σ(a·x + b) can be each of the two targets: a is finite and known."""
    scores = np.array([[2.0]] * 3 + [[-1.0]] * 5)
    found = fit_calibration(scores, (scores > 0).astype(float), "binary")
    assert found.probabilities([[2.0], [-1.0]]).ravel() == pytest.approx([4 / 5, 1 / 7], abs=1e-6)


def test_temperature_is_that_of_guo_with_smoothed_targets() -> None:
    random = np.random.default_rng(3)
    scores = random.normal(size=(400, 5)) * 4
    targets = np.array([random.multinomial(1, p) for p in softmax(0.5 * scores, axis=1)])
    smooth = (targets * 400 + 1) / 405

    def slope_of_loss(a: float) -> float:
        return float(((softmax(a * scores, axis=1) - smooth) * scores).sum())

    found = fit_calibration(scores, targets, "multiclass")
    assert found.slope == pytest.approx(brentq(slope_of_loss, 1e-3, 10), rel=1e-5)
    assert found.probabilities(scores).sum(axis=1) == pytest.approx(np.ones(400))


def test_separable_multiclass_data_gives_a_finite_temperature() -> None:
    targets = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    found = fit_calibration(10 * targets, targets, "multiclass")
    assert found.probabilities(10 * targets)[0, 0] == pytest.approx(7 / 9, abs=1e-6)


@given(seed=st.integers(0, 10_000), task=st.sampled_from(["multilabel", "multiclass"]))
def test_the_order_of_labels_never_changes(seed: int, task: str) -> None:
    """Also where scores fall with the targets, which nothing but the bound on the slope prevents."""
    random = np.random.default_rng(seed)
    scores, targets = random.normal(size=(30, 3)), np.eye(3)[random.integers(0, 3, 30)]
    if seed % 2:
        scores = np.where(targets > 0, -2.0, 0.0) + 0.1 * scores
    found = fit_calibration(scores, targets, task)  # type: ignore[arg-type]
    assert found.slope > 0
    assert (found.remark != "") == bool(seed % 2) or found.slope > 1e-4
    assert np.array_equal(found.probabilities(scores).argmax(axis=1), scores.argmax(axis=1))


@pytest.mark.parametrize(
    ("scores", "targets", "task", "said"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3)), "multilabel", "no validation documents"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "multiclass", "no validation documents"),
        (np.array([[1.0], [2.0]]), np.ones((2, 1)), "binary", "only one class"),
        (np.array([[1.0], [2.0]]), np.zeros((2, 1)), "binary", "only one class"),
        (np.array([[1.0, 0.0], [2.0, 1.0]]), np.array([[1, 0], [1, 0]]), "multiclass", "only one class"),
        (np.ones((4, 1)), np.array([[0], [1], [0], [1]]), "binary", "all equal"),
    ],
)
def test_nothing_to_fit_by_is_said_and_changes_nothing(
    scores: np.ndarray, targets: np.ndarray, task: str, said: str
) -> None:
    found = fit_calibration(scores, targets, task)  # type: ignore[arg-type]
    assert (found.slope, found.intercept) == (1.0, 0.0)
    assert said in found.remark


def test_labels_of_constant_scores_do_not_bend_the_slope() -> None:
    scores, targets = drawn(5)
    more = np.hstack([scores, np.full((300, 1), -500.0)]), np.hstack([targets, np.ones((300, 1))])
    assert fit_calibration(*more, "multilabel") == fit_calibration(scores, targets, "multilabel")


def test_ordinal_values_stay_as_they_are() -> None:
    found = fit_calibration(np.array([[1.5], [3.0]]), np.array([[1], [4]]), "ordinal")
    assert found == Calibration("none")
    assert found.probabilities([[2.5]]).tolist() == [[2.5]]


def test_a_record_is_the_same_after_json() -> None:
    found = fit_calibration(*drawn(6), "multilabel")
    assert Calibration.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_scores_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="document 1, label 0"):
        fit_calibration(np.array([[0.0], [np.nan]]), np.zeros((2, 1)), "binary")
    with pytest.raises(UsageError, match="one target for each score"):
        fit_calibration(np.zeros((2, 2)), np.zeros((2, 1)), "binary")
    with pytest.raises(UsageError, match="documents × labels"):
        Calibration("sigmoid").probabilities([1.0, 2.0])
