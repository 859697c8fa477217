"""Training a UHD head in one call: folds, a training for each, the gate, and the head that is kept, or is not.

The encoder stays as it is: only the head's projection learns. A head is judged before it exists: five are trained, each
without the documents of a fifth of the queries, and only if these answer better than the untrained head is one trained
on everything and written.
"""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retrieve.corpora.dataset import read_judged
from retrieve.encoders.dense.encoder import Encoder
from retrieve.encoders.folder import read_encoder_folder
from retrieve.encoders.load import DEFAULT_MODEL, load_encoder
from retrieve.errors import MissingExtra, TrainingError
from retrieve.files import remove_folder, seal_folder, write_file
from retrieve.train.folds import Fold, make_folds
from retrieve.train.gate import NOT_WORSE, paired_gain, passes
from retrieve.train.settings import Settings
from retrieve.train.training_data import Material, gather
from retrieve.types import Progress
from retrieve.user_folders import cache_root

_log = logging.getLogger("retrieve")

NEEDED = {"accelerate": "train", "datasets": "train", "scipy": "train", "ir_measures": "train"}
GATE = "gate.json"
NOTE = "training.json"
VERSIONS = ("retrieve-engine", "sentence-transformers", "transformers", "torch", "numpy", "scipy")

Report = dict[str, Any]


def train_uhd(
    source: str | Path,
    out: str | Path,
    settings: Settings | None = None,
    *,
    model: str = DEFAULT_MODEL,
    allow_not_worse: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Train a head on a collection (a BEIR folder or `ir_datasets:NAME`) and put it through the gate.

    If it passes, `out` becomes a `SparseEncoder` folder with the returned report as `gate.json`; if not, nothing is
    written. The report's `kept` says which. Checkpoints are in `<out>.training` until then; an interrupted call goes
    on from them with `resume`. Raises `TrainingError`: no relevant documents, or `out` or its checkpoints are there;
    `InputError`: too few groups of queries for the folds; `MissingExtra`.
    """
    asked = settings or Settings()
    _check_extras()
    place = Path(out)
    work = place.with_name(f"{place.name}.training")
    if place.exists():
        raise TrainingError(f"{place} is there: name another folder, or remove it")
    if work.exists() and not resume:
        raise TrainingError(f"{work} holds an interrupted training: go on with --resume, or remove it")
    encoder = load_encoder(model, precision="fp32", cache=cache_root())
    if read_encoder_folder(encoder.folder, None).winners is not None:
        raise TrainingError(f"{model} has a head already: name the encoder that a new one is for")
    data = read_judged(source)
    note = json.dumps(
        {"data": data.name, "encoder": encoder.fingerprint, "settings": asdict(asked)}, indent=1
    )
    _check_same(work, note)
    crops = asked.loss != "infonce"
    material = gather(data, encoder, crops=crops, seed=asked.seed, progress=progress)
    folds = make_folds(material.qrels, asked.folds, seed=asked.seed)
    work.mkdir(parents=True, exist_ok=True)  # only now: what cannot begin leaves nothing behind
    write_file(work / NOTE, note.encode())
    report = _Course(material, encoder, asked, folds, work, progress).run(allow_not_worse=allow_not_worse)
    if report["kept"]:
        _keep(report, work, place)
    remove_folder(work)
    return report


class _Course:
    """All trainings of one call, each in a folder of its own under `work`."""

    def __init__(
        self,
        material: Material,
        encoder: Encoder,
        settings: Settings,
        folds: Sequence[Fold],
        work: Path,
        progress: Progress | None,
    ) -> None:
        self._material = material
        self._encoder = encoder
        self._settings = settings
        self._folds = folds
        self._work = work
        self._progress = progress

    def run(self, *, allow_not_worse: bool) -> Report:
        from retrieve.train.student import save, untrained
        from retrieve.train.validate import MEASURE, per_query, usage

        material, settings, folds = self._material, self._settings, self._folds
        everything = material.documents()
        plain = untrained(material, self._encoder, settings, everything)
        slope = _slope(plain, material)
        before = per_query(plain, material, list(material.qrels))
        figures = {}
        for view in ("inductive", "transductive"):
            after: dict[str, float] = {}
            for number, fold in enumerate(folds, 1):
                after |= self._fold(f"{view} fold {number} of {len(folds)}", fold, view == "inductive", slope)
            figures[view] = paired_gain(after, before, seed=settings.seed)
            _log.info(
                "%s: %s %.4f untrained, %.4f trained, gain %+.4f (95 %%: %+.4f to %+.4f), %d queries",
                view,
                MEASURE,
                *figures[view][1:],
                figures[view].queries,
            )
        kept = passes(figures["inductive"], allow_not_worse=allow_not_worse)
        report: Report = {
            "kept": kept,
            "measure": MEASURE,
            **{view: gain._asdict() for view, gain in figures.items()},
            "needed": NOT_WORSE if allow_not_worse else 0.0,
            "usage_before": usage(plain, everything)._asdict(),
        }
        if kept:
            trained, losses = self._train("all", frozenset(), tuple(material.qrels), slope)
            report["usage_after"] = usage(trained, everything)._asdict()
            report["losses"] = losses
            save(trained[1], self._encoder, self._work / "head")
        return report | _described(material, self._encoder, settings, slope, folds)

    def _fold(self, name: str, fold: Fold, inductive: bool, slope: float) -> dict[str, float]:
        """nDCG@10 of the fold's queries by a head trained without them; from its file if that is there already."""
        from retrieve.train.validate import per_query

        folder = self._work / name.replace(" ", "-")
        done = folder.with_suffix(".json")
        if done.is_file():
            found: dict[str, float] = json.loads(done.read_bytes())
            return found
        others = [query for query in self._material.qrels if query not in set(fold.queries)]
        hidden = fold.documents if inductive else frozenset[str]()
        trained, _ = self._train(name, hidden, others, slope)
        values = per_query(trained, self._material, fold.queries)
        write_file(done, json.dumps(values).encode())
        remove_folder(folder)
        return values

    def _train(
        self, name: str, hidden: frozenset[str], queries: Sequence[str], slope: float
    ) -> tuple[Any, Report]:
        """A head trained without the `hidden` documents, on the judgments of `queries`; the first and last loss."""
        from retrieve.train.fit import fit
        from retrieve.train.losses import PairLoss, Weights
        from retrieve.train.student import to_be_trained

        settings, material = self._settings, self._material
        asked = np.array([material.query_rows[query] for query in queries], dtype=np.int64)
        model = to_be_trained(
            material, self._encoder, settings, documents=material.documents(hidden), queries=asked
        )
        vectors = torch.from_numpy(material.vectors)
        pairs, losses = {}, {}
        if settings.loss != "infonce":
            pairs["crops"] = material.crop_pairs(hidden)
            losses["crops"] = PairLoss(
                model, vectors=vectors, weights=Weights(0, 1, settings.balance), slope=slope
            )
        if settings.loss != "distill":
            pairs["judged"] = material.judged_pairs(queries)
            losses["judged"] = PairLoss(
                model, vectors=vectors, weights=Weights(1, 0, settings.balance), slope=slope
            )
        log = fit(
            model,
            pairs,
            losses,
            settings,
            self._work / name.replace(" ", "-"),
            progress=None if self._progress is None else partial(self._progress, f"training: {name}"),
        )
        return model, {"first": log[0]["loss"], "last": log[-1]["loss"]} if log else {}


def _slope(untrained: Any, material: Material) -> float:
    """Of the untrained head's overlap on cosine, over a sample of pairs of the collection."""
    from retrieve.train.objectives import overlap, overlap_slope
    from retrieve.train.validate import codes_of

    pairs = material.crop_pairs() if len(material.crops) else material.judged_pairs(material.qrels)
    sample = pairs[:: max(1, len(pairs) // 500)]
    scores = overlap(
        queries=codes_of(untrained, sample[:, 0], "query"),
        documents=codes_of(untrained, sample[:, 1], "document"),
    )
    first, second = (torch.from_numpy(material.vectors[sample[:, column]]) for column in (0, 1))
    return overlap_slope(scores, first @ second.T)


def _check_extras() -> None:
    for package, extra in NEEDED.items():
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(f"training a head (package {package})", extra)


def _check_same(work: Path, note: str) -> None:
    """See that checkpoints which are there are of the same data, encoder and settings."""
    found = work / NOTE
    if found.is_file() and found.read_text(encoding="utf-8") != note:
        raise TrainingError(
            f"{work} holds checkpoints of another training ({found} says which): give its settings, or remove it"
        )


def _described(
    material: Material, encoder: Encoder, settings: Settings, slope: float, folds: Iterable[Fold]
) -> Report:
    return {
        "data": material.name,
        "documents": len(material.doc_ids),
        "crops": len(material.crops),
        "queries": len(material.qrels),
        "fold_queries": [len(fold.queries) for fold in folds],
        "settings": asdict(settings),
        "slope": round(slope, 4),
        "encoder": {"name": encoder.name, "fingerprint": encoder.fingerprint, "limit": encoder.limit},
        "versions": {name: version(name) for name in VERSIONS},
    }


def _keep(report: Report, work: Path, place: Path) -> None:
    head = work / "head"
    write_file(head / GATE, json.dumps(report, indent=1).encode())
    seal_folder(head, place)
