"""`Regressor`: long documents to a value in order, such as the importance of a case; the parts of `Classifier`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin

from retrieve.classify.estimator import LongDocuments
from retrieve.classify.inputs import as_documents, held_documents, values_of, with_labels
from retrieve.classify.records import Examples, FloatArray
from retrieve.types import LabelSet, Progress

_FEW_VALUES = 10  # distinct ones at most are levels, and held-out documents have each in proportion


class Regressor(RegressorMixin, LongDocuments):  # type: ignore[misc]
    """A regressor of documents of any length, by scikit-learn's conventions.

    A constant predictor has the lower mean absolute error where values are skewed, so `report_` has Spearman's rank
    correlation beside it. After `fit`: `range_` (least and greatest value seen; predictions stay inside), `model_`.
    """

    def fit(self, X: Any, y: Any = None, *, validation: Any = None, progress: Progress | None = None) -> Self:
        """Learn from documents and their values; arguments as of `Classifier.fit`, `y` None: the documents' `value`."""
        from retrieve.measures.label_values import ordinal_report

        self._check_settings()
        documents = as_documents(X)
        values = values_of(documents, y)
        if validation is None:
            train, held = self._held_out(documents, values, _strata(values))
        else:
            texts, given = with_labels(validation)
            others = held_documents(texts)
            train, held = Examples(documents, values), Examples(others, values_of(others, given))
        self.range_ = float(train.targets.min()), float(train.targets.max())
        problem, scores = self._learn("ordinal", LabelSet(("value",)), train, held, progress=progress)
        predicted = np.clip(scores[:, 0], *self.range_)
        self.report_["figures"] = ordinal_report(held.targets[:, 0], predicted)
        self._refit(
            problem, scores, lambda found: float(np.abs(found - held.targets).mean()), progress=progress
        )
        return self

    def predict(self, X: Any) -> FloatArray:
        """Values (N,) inside the range that was seen."""
        scores = self._scores(X)
        return np.clip(scores[:, 0], *self.range_)

    def _record(self) -> dict[str, Any]:
        return super()._record() | {"range": list(self.range_)}

    def _restore(self, record: Any, state: Any, labels: Any) -> None:
        super()._restore(record, state, labels)
        low, high = record["range"]
        self.range_ = float(low), float(high)


def _strata(values: Any) -> Any:
    """Levels of values as indicator columns, one column where there are too many to be levels."""
    levels, at = np.unique(values[:, 0], return_inverse=True)
    if len(levels) > _FEW_VALUES:
        return np.ones((len(values), 1), np.float32)
    return np.eye(len(levels), dtype=np.float32)[at]
