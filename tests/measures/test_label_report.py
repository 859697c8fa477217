"""The whole report: what stands in it, over what each figure is computed, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    matthews_corrcoef,
    roc_auc_score,
)

from retrieve.errors import MeasureError
from retrieve.measures.label_tables import buckets, label_table
from retrieve.measures.labels import Outcome, document_measure, label_report, ordinal_report
from retrieve.types import LabelSet

NAMES = ("always", "common", "few", "never here", "new")
TRAIN = (60, 51, 50, 1, 0)


def arrays() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = rng.random((60, 5)) < [1.1, 0.5, 0.2, -1, 0.1]
    probabilities = np.clip(0.4 * targets + 0.6 * rng.random((60, 5)), 0, 1)
    return targets, probabilities, probabilities > 0.45


def report(**given: Any) -> dict[str, Any]:
    return label_report(*arrays(), NAMES, TRAIN, **given)


def test_a_report_is_json_without_nan() -> None:
    assert json.loads(json.dumps(report(), allow_nan=False)) == report()
    assert report() == label_report(*arrays(), LabelSet(NAMES), TRAIN)


def test_areas_leave_out_what_has_none_and_say_how_many() -> None:
    """A label without a positive counts 0 with torchmetrics and nan or 0 with scikit-learn."""
    targets, probabilities, _ = arrays()
    found = report()
    with_positive, with_both = [0, 1, 2, 4], [1, 2, 4]
    assert (found["ap_labels"], found["auroc_labels"], found["labels"]) == (4, 3, 5)
    assert found["ap_macro"] == pytest.approx(
        np.mean([average_precision_score(targets[:, at], probabilities[:, at]) for at in with_positive])
    )
    assert found["auroc_macro"] == pytest.approx(
        np.mean([roc_auc_score(targets[:, at], probabilities[:, at]) for at in with_both])
    )


def test_areas_of_a_single_label() -> None:
    targets, probabilities, chosen = (array[:, 1:2] for array in arrays())
    found = label_report(targets, probabilities, chosen, ("common",), (51,))
    assert found["ap_macro"] == pytest.approx(average_precision_score(targets[:, 0], probabilities[:, 0]))
    assert found["auroc_macro"] == pytest.approx(roc_auc_score(targets[:, 0], probabilities[:, 0]))


def test_buckets_are_by_training_documents() -> None:
    """More than 50 is frequent, 50 and 1 are few, 0 is zero-shot."""
    found = {name: columns.tolist() for name, columns in buckets(TRAIN).items()}
    assert found == {"all": [0, 1, 2, 3, 4], "frequent": [0, 1], "few": [2, 3], "zero-shot": [4]}
    parts = report()["buckets"]
    assert {name: part["labels"] for name, part in parts.items()} == {
        "all": 5,
        "frequent": 2,
        "few": 2,
        "zero-shot": 1,
    }
    assert parts["few"]["macro_labels"] == 1
    assert {key: report()[key] for key in ("RP@5", "nDCG@5", "micro_f1")}.items() <= parts["all"].items()


def test_a_bucket_counts_its_own_documents() -> None:
    targets, _, _ = arrays()
    parts = report()["buckets"]
    assert parts["all"]["ranked_documents"] == 60
    assert parts["zero-shot"]["ranked_documents"] == targets[:, 4].sum()
    assert parts["zero-shot"]["RP@1"] == 1  # one label in the bucket, and only documents that have it


def test_what_nothing_defines_is_none() -> None:
    targets = np.zeros((4, 2), dtype=int)
    found = label_report(targets, np.full((4, 2), 0.2), targets, ("a", "b"), (0, 0))
    assert found["micro_f1"] is found["macro_f1"] is found["RP@5"] is found["ap_macro"] is None
    assert found["macro_f1_all"] == 0
    assert found["ranked_documents"] == 0
    assert found["buckets"]["frequent"] == {"labels": 0}


def test_the_prevalence_predictor() -> None:
    targets = np.array([[1, 0], [1, 0], [0, 0], [0, 1]])
    found = label_report(targets, np.full((4, 2), 0.9), targets, ("a", "b"), (6, 3), train_documents=12)
    assert found["prevalence"]["of"] == "train"
    assert found["prevalence"]["brier"] == pytest.approx((4 * 0.25 + 3 * 0.0625 + 0.5625) / 8)
    assert label_report(targets, targets, targets, ("a", "b"), (6, 3))["prevalence"]["of"] == "evaluated"
    with pytest.raises(MeasureError, match="more than the 5 training documents"):
        label_report(targets, targets, targets, ("a", "b"), (6, 3), train_documents=5)


def test_several_classes() -> None:
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 3, 90)
    probabilities = 0.5 * np.eye(3)[classes] + 0.5 * rng.dirichlet(np.ones(3), 90)
    said = rng.permutation(probabilities, axis=0).argmax(1)
    found = label_report(
        np.eye(3)[classes], probabilities, np.eye(3)[said], "abc", (9, 9, 9), task="multiclass"
    )
    assert found["accuracy"] == pytest.approx(accuracy_score(classes, said))
    assert found["micro_f1"] == pytest.approx(found["accuracy"])
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(classes, said))
    assert found["mcc"] == pytest.approx(matthews_corrcoef(classes, said))
    assert found["macro_f1"] == pytest.approx(f1_score(classes, said, average="macro"))
    assert "RP@5" not in found


@pytest.mark.filterwarnings("error")
def test_one_class_alone_has_no_correlation() -> None:
    """scikit-learn gives 0 with a warning about its own confusion matrix."""
    only = np.eye(2)[np.zeros(5, int)]
    found = label_report(only, only, only, "ab", (9, 1), task="binary")
    assert (found["mcc"], found["accuracy"]) == (0.0, 1.0)


def test_one_column_of_a_binary_task_is_the_second_label() -> None:
    rng = np.random.default_rng(2)
    targets = rng.random((40, 1)) < 0.3
    probabilities = rng.random((40, 1))
    chosen = probabilities > 0.5
    one = label_report(targets, probabilities, chosen, ("no", "yes"), (5, 5), task="binary")
    two = label_report(
        np.hstack([~targets, targets]),
        np.hstack([1 - probabilities, probabilities]),
        np.hstack([~chosen, chosen]),
        ("no", "yes"),
        (5, 5),
        task="binary",
    )
    assert one == two
    assert one["brier"] == pytest.approx(((probabilities - targets) ** 2).mean())
    assert one["macro_f1"] == pytest.approx(f1_score(targets[:, 0], chosen[:, 0], average="macro"))


def test_confusion_by_frequency_adds_up() -> None:
    targets, _, chosen = arrays()
    rows = report()["confusion"]
    assert [(row["from"], row["to"], row["labels"]) for row in rows] == [
        (0, 0, 1),
        (1, 5, 1),
        (21, 50, 1),
        (51, 200, 2),
    ]
    assert sum(row["hits"] for row in rows) == (targets & chosen).sum()
    assert sum(row["extra"] for row in rows) == (~targets & chosen).sum()
    assert sum(row["missed"] for row in rows) == (targets & ~chosen).sum()


def test_the_table_of_labels() -> None:
    targets, probabilities, chosen = arrays()
    rows = label_table(Outcome.of(targets, probabilities, chosen, NAMES, TRAIN))
    assert [row["label"] for row in rows] == list(NAMES)
    assert rows[1]["f1"] == pytest.approx(f1_score(targets[:, 1], chosen[:, 1]))
    assert rows[3]["positives"] == 0
    assert rows[3]["recall"] == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"targets": np.full((2, 2), 2)}, "0 or 1"),
        ({"probabilities": np.full((2, 2), 1.5)}, "calibrate"),
        ({"probabilities": np.full((2, 3), 0.5)}, "wanted"),
        ({"train_counts": (1,)}, "wanted"),
        ({"task": "multiclass"}, "without exactly one label"),
        ({"task": "ordinal"}, "ordinal_report"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], says: str) -> None:
    given = {
        "targets": np.zeros((2, 2)),
        "probabilities": np.full((2, 2), 0.5),
        "chosen": np.zeros((2, 2)),
        "labels": ("a", "b"),
        "train_counts": (1, 1),
    }
    with pytest.raises(MeasureError, match=says):
        label_report(**{**given, **change})


def test_a_measure_by_name_is_the_reports() -> None:
    outcome = Outcome.of(*arrays(), NAMES, TRAIN)
    for name in ("micro_f1", "macro_f1", "macro_f1_all", "macro_recall", "RP@5", "nDCG@3"):
        measure = document_measure(outcome, name)
        assert measure.value(measure.totals(np.ones((1, 60))))[0] == pytest.approx(report()[name])
    with pytest.raises(MeasureError, match="offered: micro_f1"):
        document_measure(outcome, "RP@x")


def test_values_in_order() -> None:
    true, said = [1, 2, 3, 4], [1.5, 1.0, 3.0, 4.5]
    found = ordinal_report(true, np.array(said)[:, None].ravel())
    assert found["mae"] == 0.5
    assert found["constant_mae"] == 1
    assert found["spearman"] == pytest.approx(spearmanr(true, said).statistic)
    assert ordinal_report(true, [2.5] * 4)["spearman"] is None
    with pytest.raises(MeasureError, match="finite"):
        ordinal_report([1, 2], [1, np.nan])
    with pytest.raises(MeasureError, match=r"\(N,\)"):
        ordinal_report([1, 2], [1])
