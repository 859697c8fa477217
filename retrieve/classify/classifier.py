"""`Classifier`: long documents to labels, with calibrated probabilities, thresholds and reasons; any preset."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags

from retrieve.classify.calibrate import Calibration, fit_calibration
from retrieve.classify.estimator import LongDocuments
from retrieve.classify.figures import validation_figures
from retrieve.classify.inputs import (
    Known,
    as_documents,
    held_documents,
    known_labels,
    label_set,
    targets_of,
    with_labels,
)
from retrieve.classify.preset import Preset, Regime
from retrieve.classify.records import Describable, Examples, FloatArray
from retrieve.classify.screening import Band, undecided_band
from retrieve.classify.thresholds import How, Thresholds, choose_thresholds
from retrieve.errors import UsageError
from retrieve.measures.label_calibration import binary_log_loss, class_log_loss
from retrieve.types import LabelSet, Progress, Task

if TYPE_CHECKING:
    from retrieve.classify.explain import Explanation
    from retrieve.encoders.dense.encoder import Encoder

Array = npt.NDArray[Any]


class Classifier(ClassifierMixin, LongDocuments):  # type: ignore[misc]
    """A classifier of documents of any length, by scikit-learn's conventions.

    After `fit`: `classes_` (C,), `task_`, `labels_` (`LabelSet`), `calibration_`, `thresholds_`, `undecided_` (the band
    of probabilities to ask a person about, None of a multiclass task), `model_` and `report_` (what was chosen, tried
    and measured on validation documents).
    """

    def __init__(  # noqa: PLR0913 - scikit-learn's way: all settings in the constructor
        self,
        preset: str | Path | Mapping[str, Any] | Preset = "auto",
        *,
        settings: Mapping[str, Any] | None = None,
        regime: Regime = "frozen",
        task: Task | None = None,
        labels: LabelSet | Sequence[str] | None = None,
        thresholds: How = "shrunk",
        min_labels: int | None = None,
        validation: float = 0.15,
        refit: bool = True,
        seed: int = 0,
        encoder: Encoder | None = None,
        device: str | None = None,
        cache: bool = True,
        checkpoints: str | Path | None = None,
    ) -> None:
        """`preset`: a shipped name, a TOML file, a mapping or a `Preset`, with `settings` as {"training.epochs": 5}.

        `regime`: "frozen" trains on passage vectors of a fixed encoder, "end-to-end" the encoder too. `labels`: all
        that there are, where the training documents need not show them. `thresholds`: one for each label, shrunk to
        the global one, "global", or "natural" (.5). `min_labels`: of a multilabel document, 0 or 1; None: chosen on
        validation documents. `validation`: the share of documents held out to choose by, if `fit` is given none.
        `refit`: learn what was chosen again on all documents. `encoder`, `device`, `cache`: as of `PassageEncoder`.
        `checkpoints`: a folder that an interrupted end-to-end training goes on from.
        """
        super().__init__(
            preset,
            settings=settings,
            regime=regime,
            validation=validation,
            refit=refit,
            seed=seed,
            encoder=encoder,
            device=device,
            cache=cache,
            checkpoints=checkpoints,
        )
        self.task = task
        self.labels = labels
        self.thresholds = thresholds
        self.min_labels = min_labels

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = False
        return tags

    def fit(self, X: Any, y: Any = None, *, validation: Any = None, progress: Progress | None = None) -> Self:
        """Learn from texts, `Document`s or `LabelledDocument`s and their labels.

        `y`: a label each (binary, multiclass), a list of labels each or an indicator array (N,L) of 0 and 1
        (multilabel); None: the documents' own. `validation`: (documents, labels) or labelled documents to choose by; a
        stratified share of `X` if not given. Raises `UsageError` for labels that cannot be learned from,
        `TrainingError` for a training that fails.
        """
        self._check_settings()
        documents = as_documents(X)
        known = known_labels(documents, y, task=self.task, labels=self.labels)
        targets = targets_of(documents, y, known)
        if validation is None:
            train, held = self._held_out(documents, targets, targets)
        else:
            texts, labels = with_labels(validation)
            others = held_documents(texts)
            train, held = Examples(documents, targets), Examples(others, targets_of(others, labels, known))
        problem, scores = self._learn(known.task, known.labels, train, held, progress=progress)
        self.classes_ = known.classes
        self.calibration_ = fit_calibration(scores, held.targets, known.task)
        probabilities = self.calibration_.probabilities(scores)
        self.thresholds_ = choose_thresholds(
            probabilities, held.targets, self.thresholds, task=known.task, min_labels=self.min_labels
        )
        self.undecided_ = (
            None
            if self.thresholds_.how == "argmax"
            else undecided_band(probabilities, held.targets, self.thresholds_)
        )
        self.report_["figures"] = validation_figures(
            known.labels,
            known.task,
            train,
            held,
            scores=scores,
            probabilities=probabilities,
            thresholds=self.thresholds_,
        )
        self.report_["remarks"] += [
            part.remark for part in (self.calibration_, self.thresholds_) if part.remark
        ]
        self._refit(problem, scores, lambda found: self._loss(found, held), progress=progress)
        return self

    def _loss(self, scores: FloatArray, held: Examples) -> float:
        """Log loss of calibrated scores (V,L)."""
        judge = class_log_loss if self.task_ == "multiclass" else binary_log_loss
        return judge(held.targets, self.calibration_.probabilities(scores))

    # -- prediction -------------------------------------------------------------------------------------------

    def decision_function(self, X: Any) -> FloatArray:
        """Scores before calibration: (N,) for a binary task, else (N,C)."""
        scores = self._scores(X)
        return scores[:, 0] if self.task_ == "binary" else scores

    def predict_proba(self, X: Any, *, progress: Progress | None = None) -> FloatArray:
        """Calibrated probabilities (N,C), one column a class; of a multilabel task they are independent."""
        probabilities = self._probabilities(X, progress)
        return np.hstack([1 - probabilities, probabilities]) if self.task_ == "binary" else probabilities

    def _probabilities(self, texts: Any, progress: Progress | None = None) -> FloatArray:
        scores = self._scores(texts, progress)
        return self.calibration_.probabilities(scores)

    def predict(self, X: Any) -> Array:
        """One of `classes_` for each document (N,); of a multilabel task an indicator array (N,L) int64."""
        return self.decide(self._probabilities(X))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy, of a multilabel task by whole sets of labels; `y` may be left out of labelled documents."""
        if y is None:
            self._check_fitted()
            known = Known(self.task_, self.labels_, self.classes_)
            targets = targets_of(as_documents(X), None, known).astype(np.int64)
            if self.task_ == "multilabel":
                y = targets
            else:
                y = self.classes_[targets[:, 0] if self.task_ == "binary" else targets.argmax(axis=1)]
        return float(super().score(X, y, sample_weight))

    def decide(self, probabilities: FloatArray) -> Array:
        """What `predict` makes of calibrated probabilities, (N,1) of a binary task, else (N,L)."""
        chosen = self.thresholds_.apply(probabilities)
        if self.task_ == "multilabel":
            return chosen.astype(np.int64)
        column = chosen[:, 0].astype(np.int64) if self.task_ == "binary" else probabilities.argmax(axis=1)
        return np.asarray(self.classes_[column])

    def predict_labels(self, X: Any) -> list[tuple[str, ...]]:
        """The names of each document's labels, the most probable first."""
        return self.names_of(self._probabilities(X))

    def names_of(self, probabilities: FloatArray) -> list[tuple[str, ...]]:
        """The names that `predict_labels` makes of calibrated probabilities."""
        names = self.labels_.names
        decided = self.decide(probabilities)
        if self.task_ != "multilabel":
            place = {value: number for number, value in enumerate(self.classes_.tolist())}
            return [(names[place[value]],) for value in decided.tolist()]
        order = np.argsort(-probabilities, axis=1, kind="stable")
        return [
            tuple(names[label] for label in row.tolist() if chosen[label])
            for row, chosen in zip(order, decided, strict=True)
        ]

    def explain(
        self,
        X: Any,
        *,
        of: Sequence[str] | None = None,
        passages: int = 3,
    ) -> list[Explanation]:
        """Why: for each document, and each label that is predicted (or named in `of`), the passages behind it.

        See `retrieve.classify.explain.explain`. Raises `UsageError` for a label that the model does not have.
        """
        from retrieve.classify.explain import explain

        self._check_fitted()
        return explain(
            self.model_,
            self.calibration_,
            self.labels_,
            as_documents(X),
            of=of,
            names_of=self.names_of,
            passages=passages,
        )

    # -- other labels -----------------------------------------------------------------------------------------

    def for_labels(self, labels: LabelSet | Sequence[str]) -> Self:
        """The classifier for other labels, unseen ones too, of presets that read labels by their descriptions.

        Those are `zero-shot`, and networks with `aggregator.descriptions` (`zlwan`). An unseen label has the threshold
        of all labels. Raises `UsageError` for another preset or a task that is not multilabel.
        """
        self._check_fitted()
        wanted = label_set(labels)
        if not isinstance(self.model_, Describable) or self.task_ != "multilabel":
            raise UsageError(
                f"a {self.task_} model of preset {self.preset_.name!r} is of the labels it was trained on: take "
                "'zero-shot' or 'zlwan' and a multilabel task"
            )
        other = copy.copy(self)
        other.model_ = self.model_.for_labels(wanted)
        other.labels_, other.classes_ = wanted, np.array(wanted.names)
        own = dict(zip(self.labels_.names, self.thresholds_.values.tolist(), strict=True))
        values = np.array([own.get(name, self.thresholds_.common) for name in wanted.names])
        other.thresholds_ = replace(self.thresholds_, values=values)
        other.undecided_ = None
        return other

    # -- on disk ----------------------------------------------------------------------------------------------

    def _record(self) -> dict[str, Any]:
        record = super()._record()
        record["settings"] |= {
            "task": self.task,
            "thresholds": self.thresholds,
            "min_labels": self.min_labels,
        }
        kind = self.classes_.dtype.kind
        return record | {
            "classes": {"values": self.classes_.tolist(), "kind": kind},
            "calibration": self.calibration_.to_json(),
            "thresholds": self.thresholds_.to_json(),
            "undecided": None if self.undecided_ is None else self.undecided_.to_json(),
        }

    def _restore(
        self, record: Mapping[str, Any], state: Any, labels: LabelSet | Sequence[str] | None
    ) -> None:
        super()._restore(record, state, labels)
        self.classes_ = np.array(record["classes"]["values"])
        self.calibration_ = Calibration.from_json(record["calibration"])
        self.thresholds_ = Thresholds.from_json(record["thresholds"])
        band = record["undecided"]
        self.undecided_ = None if band is None else Band.from_json(band)
