"""What `Classifier` and `Regressor` share: settings, the split for choices, training, saving, loading, explanations.

scikit-learn's conventions hold: the constructor assigns, what is learned has a trailing underscore, two predictions
are equal, and `clone`, `Pipeline`, `cross_val_score` and `GridSearchCV` take it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags

from retrieve.classify.encoders import Encoders
from retrieve.classify.families import learn, model_from, refit
from retrieve.classify.figures import missing_remarks
from retrieve.classify.folder import check_labels, data_digest, load_parts, save_parts
from retrieve.classify.inputs import as_documents
from retrieve.classify.passages import structure_remarks
from retrieve.classify.preset import Preset, Regime, load_preset
from retrieve.classify.records import Context, Examples, FloatArray, Model, Problem
from retrieve.corpora.labelled.split import grouped_split
from retrieve.errors import TrainingError, UsageError
from retrieve.passages.record import EncoderRecord
from retrieve.types import LabelledDocument, LabelSet, Progress, Task

if TYPE_CHECKING:
    from retrieve.encoders.dense.encoder import Encoder

Targets = npt.NDArray[np.float32]


class LongDocuments(BaseEstimator):  # type: ignore[misc]
    """Base of the two estimators. See `Classifier` for the settings."""

    def __init__(
        self,
        preset: str | Path | Mapping[str, Any] | Preset = "auto",
        *,
        settings: Mapping[str, Any] | None = None,
        regime: Regime = "frozen",
        validation: float = 0.15,
        refit: bool = True,
        seed: int = 0,
        encoder: Encoder | None = None,
        device: str | None = None,
        cache: bool = True,
        checkpoints: str | Path | None = None,
    ) -> None:
        self.preset = preset
        self.settings = settings
        self.regime = regime
        self.validation = validation
        self.refit = refit
        self.seed = seed
        self.encoder = encoder
        self.device = device
        self.cache = cache
        self.checkpoints = checkpoints

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.non_deterministic = False
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def _check_settings(self) -> None:
        """Raise `UsageError` for a setting that would be found wrong late, or never."""
        if self.regime not in get_args(Regime):
            raise UsageError(f"regime is {self.regime!r}: wanted {' or '.join(get_args(Regime))}")
        if not isinstance(self.seed, int | np.integer) or not 0 <= self.seed < 1 << 32:
            raise UsageError(f"seed is {self.seed!r}: wanted a whole number from 0 to {(1 << 32) - 1}")

    # -- training ---------------------------------------------------------------------------------------------

    def _learn(
        self,
        task: Task,
        labels: LabelSet,
        train: Examples,
        validation: Examples,
        *,
        progress: Progress | None,
    ) -> tuple[Problem, FloatArray]:
        """Train, set `model_` and the beginnings of `report_`; returns the problem and validation scores (V,L)."""
        start = time.perf_counter()
        preset = load_preset(self.preset, self.settings)
        self._encoders = Encoders(encoder=self.encoder, device=self.device, cache=self.cache)
        remarks = [
            *missing_remarks(labels, task, train),
            *structure_remarks(preset.passages, train.documents),
        ]
        problem = Problem(task, labels, train, validation, remarks)
        context = self._context()
        fitted = learn(problem, preset, context, regime=self.regime, progress=progress)
        scores = _finite(fitted.model.scores(validation.documents, progress=progress), "validation")
        self.preset_, self.task_, self.labels_ = preset, task, labels
        self.model_: Model = fitted.model
        self.report_: dict[str, Any] = {
            "preset": preset.name,
            "regime": self.regime,
            "task": task,
            "seed": self.seed,
            "labels": len(labels.names),
            "train": len(train.documents),
            "validation": len(validation.documents),
            "data": data_digest(train, validation, labels),
            "curves": fitted.curves,
            "tried": fitted.tried,
            "remarks": problem.remarks,
            "seconds": round(time.perf_counter() - start, 3),
        }
        return problem, scores

    def _refit(
        self,
        problem: Problem,
        scores: FloatArray,
        loss: Callable[[FloatArray], float],
        *,
        progress: Progress | None,
    ) -> None:
        """What was chosen, learned again on training and validation documents together, where the preset can.

        `scores` (V,L) are the first model's of the validation documents. A model that has seen those and has a greater
        `loss` of its scores than the first one is thrown away, and that is said.
        """
        if not self.refit:
            return
        model = refit(self.model_, problem, self._context(), progress=progress)
        if model is None:
            return
        again = _finite(model.scores(problem.validation.documents), "validation")
        before, after = loss(scores), loss(again)
        documents = len(problem.train.documents) + len(problem.validation.documents)
        if after > before:
            remark = (
                f"learned again on all {documents} documents it was worse on the validation documents (loss "
                f"{after:.4f}, before {before:.4f}): the model of {len(problem.train.documents)} documents is kept"
            )
        else:
            self.model_ = model
            remark = (
                f"what was chosen was learned again on all {documents} documents; calibration and "
                "thresholds are those of the validation documents"
            )
        self.report_["remarks"].append(remark)

    def _context(self) -> Context:
        checkpoints = None if self.checkpoints is None else Path(self.checkpoints)
        return Context(self._encoders, self.device, self.seed, checkpoints)

    def _held_out(
        self, documents: Sequence[LabelledDocument], targets: Targets, strata: Targets
    ) -> tuple[Examples, Examples]:
        """The documents in two: to learn from, and a share `validation` of them (or of their groups) to choose by."""
        if not isinstance(self.validation, int | float) or not 0 < self.validation < 1:
            raise UsageError(f"validation is {self.validation!r}: wanted a share between 0 and 1")
        if len(documents) < 4:
            raise UsageError(
                f"{len(documents)} documents are too few to hold some out: wanted 4 at least, or validation=…"
            )
        groups = [document.group for document in documents]
        units = len({*groups} - {None}) + groups.count(None)
        if units < 2:
            raise UsageError("all documents are of one group: none can be held out without parting it")
        rest, part = grouped_split(strata, groups, max(self.validation, 1 / units), seed=self.seed)
        return _rows(documents, targets, rest), _rows(documents, targets, part)

    # -- use --------------------------------------------------------------------------------------------------

    def _scores(self, texts: Any, progress: Progress | None = None) -> FloatArray:
        self._check_fitted()
        documents = as_documents(texts)
        if not documents:
            return np.zeros((0, 1 if self.task_ in ("binary", "ordinal") else len(self.labels_.names)))
        return _finite(self.model_.scores(documents, progress=progress), "these")

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(f"this {type(self).__name__} has learned nothing yet: call fit, or load one")

    # -- on disk ----------------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, force: bool = False) -> None:
        """Write the model into a new folder, all or nothing: `model.json` and `weights.safetensors`.

        With `force` a classifier's folder there is replaced. Raises `UsageError` where the place is taken.
        """
        self._check_fitted()
        save_parts(Path(folder), self._record(), self.model_.state(), force=force)

    def _record(self) -> dict[str, Any]:
        """Everything of the model that is not in its state."""
        return {
            "estimator": type(self).__name__,
            "model": self.model_.kind,
            "task": self.task_,
            "labels": list(self.labels_.names),
            "descriptions": dict(self.labels_.descriptions),
            "preset": self.preset_.model_dump(mode="json"),
            "settings": {
                "regime": self.regime,
                "validation": self.validation,
                "refit": self.refit,
                "seed": self.seed,
                "cache": self.cache,
            },
            "encoders": {key: record.model_dump() for key, record in self._encoders.records.items()},
            "report": self.report_,
        }

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        labels: LabelSet | Sequence[str] | None = None,
        encoder: Encoder | None = None,
        device: str | None = None,
        cache: bool = True,
    ) -> Self:
        """The model of a folder, ready to predict.

        `labels`: those that it must have been made for, in order. Raises `ModelMismatch` for others, or for a folder of
        another estimator or of a newer version; `EncoderMismatch` for another encoder, when it is first used.
        """
        record, state = load_parts(Path(folder), cls.__name__)
        loaded = cls(load_preset(record["preset"]), **record["settings"], encoder=encoder, device=device)
        loaded.cache = cache
        loaded._restore(record, state, labels)
        return loaded

    def _restore(
        self, record: Mapping[str, Any], state: Any, labels: LabelSet | Sequence[str] | None
    ) -> None:
        self.preset_, self.task_ = load_preset(record["preset"]), record["task"]
        self.labels_ = LabelSet(tuple(record["labels"]), record["descriptions"])
        check_labels(self.labels_, labels)
        self.report_ = record["report"]
        records = {key: EncoderRecord(**value) for key, value in record["encoders"].items()}
        self._encoders = Encoders(encoder=self.encoder, device=self.device, cache=self.cache, records=records)
        self.model_ = model_from(record["model"], state, self._context())


def _rows(documents: Sequence[LabelledDocument], targets: Targets, rows: npt.NDArray[np.int64]) -> Examples:
    return Examples([documents[row] for row in rows.tolist()], targets[rows])


def _finite(scores: FloatArray, which: str) -> FloatArray:
    if not np.isfinite(scores).all():
        documents = np.flatnonzero(~np.isfinite(scores).all(axis=1))
        raise TrainingError(
            f"the scores of {len(documents)} of {which} documents are not finite, the first is number "
            f"{documents[0]}: train with a lower learning rate, or in fp32"
        )
    return scores
