"""Calibration error, log loss and Brier score by hand and in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from retrieve.errors import MeasureError
from retrieve.measures.label_calibration import (
    binary_log_loss,
    brier,
    calibration_error,
    class_log_loss,
    multilabel_ece,
    top_label_ece,
)

NAMES = ("a", "b", "c")


def test_two_bins_by_hand() -> None:
    """Bins {.2, .4} and {.6, .8}: gaps |.3 − .5| and |.7 − 1|, half of the pairs each."""
    assert calibration_error([0.2, 0.4, 0.6, 0.8], [0, 1, 1, 1], bins=2) == pytest.approx(
        0.5 * 0.2 + 0.5 * 0.3
    )


def test_the_upper_edge_of_a_bin_is_closed() -> None:
    """The median of three is the edge of two bins, and belongs to the lower one."""
    lower_holds_two = (abs((0.2 - 0) + (0.5 - 1)) + abs(0.9 - 0)) / 3
    assert calibration_error([0.2, 0.5, 0.9], [0, 1, 0], bins=2) == pytest.approx(lower_holds_two)


def test_multiples_of_a_tenth_in_either_precision_share_bins() -> None:
    """Fixed edges put .3 and .6 on either side of them by precision; observed ones are the values themselves."""
    sure = np.tile(np.arange(1, 10) / 10, 20)
    right = np.random.default_rng(0).random(180) < sure
    double = calibration_error(sure, right)
    assert calibration_error(sure.astype(np.float32), right) == pytest.approx(double, abs=1e-6)


def test_equal_probabilities_share_a_bin_in_any_order() -> None:
    rng = np.random.default_rng(1)
    sure, right = rng.integers(1, 4, 300) / 4, rng.random(300) < 0.5
    order = rng.permutation(300)
    by_value = sum(abs((sure[sure == v] - right[sure == v]).sum()) for v in np.unique(sure)) / 300
    assert calibration_error(sure, right) == pytest.approx(by_value)
    assert calibration_error(sure[order], right[order]) == pytest.approx(by_value)


def test_of_two_classes_the_predicted_one_is_judged() -> None:
    """P(positive) = .4 for all and 40 % positive: right about the positive class, and 60 % sure of 60 % right."""
    probabilities = np.tile([0.6, 0.4], (10, 1))
    targets = np.eye(2)[[1] * 4 + [0] * 6]
    assert top_label_ece(targets, probabilities) == pytest.approx(0)
    targets = np.eye(2)[[1] * 6 + [0] * 4]
    assert top_label_ece(targets, probabilities) == pytest.approx(0.2)


def test_the_pairs_of_a_multilabel_task_that_are_judged() -> None:
    """From .1 on, and each document's top label even below it (equal ones by name)."""
    probabilities = np.array([[0.1, 0.09, 0.5], [0.05, 0.05, 0.01]])
    targets = np.array([[0, 1, 1], [1, 0, 0]])
    judged = calibration_error([0.1, 0.5, 0.05], [0, 1, 1])
    assert multilabel_ece(targets, probabilities, NAMES) == pytest.approx(judged)
    swapped = np.array([1, 0, 2])
    names = tuple(NAMES[at] for at in swapped)
    assert multilabel_ece(targets[:, swapped], probabilities[:, swapped], names) == pytest.approx(judged)


def test_never_is_not_well_calibrated() -> None:
    """Over all pairs "never" is off by the prevalence alone; over those that are judged, by its top label."""
    rng = np.random.default_rng(2)
    targets = np.zeros((1000, 150), dtype=bool)
    targets[np.arange(1000), rng.integers(0, 150, 1000)] = True
    names = tuple(f"{at:03}" for at in range(150))
    never = np.zeros(targets.shape)
    assert calibration_error(never.ravel(), targets.ravel()) < 0.01
    never[:, 0] = 0.9
    assert multilabel_ece(targets, never, names) > 0.8


def test_yes_to_everything_costs() -> None:
    """scikit-learn's log_loss of indicator rows finds it perfect, because only the positives cost."""
    targets = np.array([[1, 1, 0], [1, 0, 0]])
    everything = np.ones((2, 3))
    assert binary_log_loss(targets, everything) == pytest.approx(3 / 6 * 52 * np.log(2), rel=1e-3)
    assert binary_log_loss(targets, np.full((2, 3), 0.5)) == pytest.approx(np.log(2))


def test_log_loss_and_brier_of_pairs_are_scikit_learns_of_the_flat_arrays() -> None:
    rng = np.random.default_rng(3)
    targets, sure = rng.random((30, 4)) < 0.3, rng.random((30, 4))
    assert binary_log_loss(targets, sure) == pytest.approx(log_loss(targets.ravel(), sure.ravel()))
    assert brier(targets, sure) == pytest.approx(brier_score_loss(targets.ravel(), sure.ravel()))


def test_of_classes_likewise() -> None:
    rng = np.random.default_rng(4)
    sure = rng.dirichlet(np.ones(3), 30)
    classes = rng.integers(0, 3, 30)
    targets = np.eye(3)[classes]
    assert class_log_loss(targets, sure) == pytest.approx(log_loss(classes, sure, labels=[0, 1, 2]))
    assert brier(targets, sure, classes=True) == pytest.approx(((sure - targets) ** 2).sum(1).mean())


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.nan])
def test_scores_are_no_probabilities(wrong: float) -> None:
    with pytest.raises(MeasureError, match="calibrate"):
        binary_log_loss([[1]], [[wrong]])
