"""One training from labelled data to a model folder and everything there is to say about it: what the command does.

The test documents are looked at once, after everything was chosen; nothing here lets them choose.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from retrieve.classify.classifier import Classifier
from retrieve.classify.explain import Ranking, faithfulness
from retrieve.classify.folder import check_place
from retrieve.classify.inputs import values_of
from retrieve.classify.measured import measured
from retrieve.classify.preset import Regime, load_preset
from retrieve.classify.regressor import Regressor
from retrieve.corpora.labelled.records import LabelledData
from retrieve.errors import UsageError
from retrieve.types import LabelledDocument, Progress

_VERSIONS = ("retrieve-engine", "torch", "transformers", "scikit-learn", "numpy")


def train_classifier(
    data: LabelledData,
    out: str | Path,
    preset: str = "auto",
    *,
    settings: Mapping[str, Any] | None = None,
    regime: Regime = "frozen",
    seed: int = 0,
    force: bool = False,
    device: str | None = None,
    cache: bool = True,
    checkpoints: str | Path | None = None,
    check_explanations: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a preset on `data`, save the model, measure it on the test documents if there are any.

    Returns a JSON object: `data` (sizes, duplicates, remarks), `preset` (all settings), `fit` (the estimator's
    `report_`), `calibration` and `thresholds`, `test` (`measured`, or None), `versions`. With
    `check_explanations` N, `test` has `faithfulness` of the explanations of its first N documents. Raises `UsageError`
    before the training where `out` is taken, `TrainingError` for a training that fails.
    """
    place = Path(out)
    check_place(place, force=force)
    if not data.train:
        raise UsageError(
            f"{data.name} has no documents to learn from, {len(data.validation)} of validation and {len(data.test)} of "
            "test: put labelled ones into its train split"
        )
    made: dict[str, Any] = {
        "settings": settings,
        "regime": regime,
        "seed": seed,
        "device": device,
        "cache": cache,
        "checkpoints": checkpoints,
    }
    load_preset(preset, settings)  # a misspelt setting is found before the data are read through
    if data.task == "ordinal":
        regressor = Regressor(preset, **made).fit(
            data.train, validation=data.validation or None, progress=progress
        )
        regressor.save(place, force=force)
        return _report(data, place, regressor, _values(regressor, data.test))
    classifier = Classifier(preset, task=data.task, labels=data.labels, **made)
    classifier.fit(data.train, validation=data.validation or None, progress=progress)
    classifier.save(place, force=force)
    test = measured(classifier, data.test, data.train, seed=seed, progress=progress) if data.test else None
    if test is not None and check_explanations:
        test["faithfulness"] = _faithfulness(classifier, data.test[:check_explanations], seed)
    return _report(data, place, classifier, test) | {
        "calibration": classifier.calibration_.to_json(),
        "thresholds": classifier.thresholds_.to_json(),
        "label_names": list(classifier.labels_.names),
        "label_descriptions": dict(classifier.labels_.descriptions),
    }


def _faithfulness(
    classifier: Classifier, documents: list[LabelledDocument], seed: int
) -> list[dict[str, Any]]:
    """A row for each ranking that the model has, and each number of passages taken out; none of short documents."""
    model, found = classifier.model_, []
    evidence = [model.evidence(document) for document in documents]
    if max(len(each.spans) for each in evidence) < 2:
        return []
    rankings: list[Ranking] = ["effect"]
    if all(each.attention is not None for each in evidence):
        rankings.append("attention")
    for by in rankings:
        checked = faithfulness(
            model, classifier.calibration_, classifier.labels_, documents, by=by, seed=seed
        )
        found += [{"by": by, **drop._asdict()} for drop in checked.drops]
    return found


def _values(regressor: Regressor, documents: list[LabelledDocument]) -> dict[str, Any] | None:
    from retrieve.measures.label_values import ordinal_report

    if not documents:
        return None
    wanted = values_of(documents, None)[:, 0]
    predicted = regressor.predict(documents)
    return {
        "figures": ordinal_report(wanted, predicted),
        "values": np.stack([wanted, predicted], axis=1).tolist(),
    }


def _report(
    data: LabelledData, place: Path, trained: Classifier | Regressor, test: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "model": str(place),
        "data": {
            "name": data.name,
            "task": data.task,
            "labels": len(data.labels.names),
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
            "unlabelled": len(data.unlabelled),
            "skipped": data.skipped,
            "duplicates": len(data.duplicates),
            "remarks": data.remarks,
        },
        "preset": trained.preset_.model_dump(mode="json"),
        "fit": trained.report_,
        "test": test,
        "versions": {name: version(name) for name in _VERSIONS},
    }
