"""The frozen regime: encode once, keep the rows, learn an aggregator over them in seconds.

The encoder is not changed, so that vectors are shared by all presets that cut alike, and with a search index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retrieve.classify.aggregators.make import make_aggregator
from retrieve.classify.loop import Material, together, train
from retrieve.classify.losses import check_loss
from retrieve.classify.network import Network
from retrieve.classify.passages import Cut, cut, encoder_recipe
from retrieve.classify.preset import Preset, load_preset
from retrieve.classify.ragged import Ragged, mean, ragged_of, total
from retrieve.classify.records import (
    Context,
    Evidence,
    Examples,
    Fitted,
    FloatArray,
    IntArray,
    Problem,
    State,
)
from retrieve.classify.rows import DocumentRows, read_rows
from retrieve.classify.standardise import Standardise, blocks_of, dropped, learn_standardise
from retrieve.errors import ModelMismatch, RecipeError, TrainingError, UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.trainer.device import chosen_device
from retrieve.types import Document, LabelledDocument, LabelSet, Progress, Task

_GROUP = 256
"""Documents whose token states are in memory at a time when they are scored."""
_JUDGED = 1 << 16
"""Rows that are scored at a time for evidence."""


class Made(NamedTuple):
    """What a trained network was made for, and the epochs that it was trained."""

    preset: Preset
    task: Task
    labels: LabelSet
    epochs: int


class FrozenNetwork:
    """A network over what a frozen encoder says of passages. A `Model` of kind "network"."""

    kind = "network"

    def __init__(self, made: Made, network: Network, context: Context) -> None:
        self.made = made
        self.network = network.eval().to(device_of(context))
        self._context = context

    @cached_property
    def encoder(self) -> PassageEncoder:
        """Who encodes, made when first needed: a model that is only looked at loads none."""
        return self._context.encoder(encoder_recipe(self.made.preset))

    def scores(
        self, documents: Sequence[LabelledDocument], *, progress: Progress | None = None
    ) -> FloatArray:
        """Scores (N,L); see `Model`."""
        preset = self.made.preset
        found = cut(self.encoder, preset.passages, documents)
        scores = np.empty((len(documents), columns(self.made.task, self.made.labels)))
        step = _GROUP if preset.encoder.states else max(len(documents), 1)
        for start in range(0, len(documents), step):
            here = slice(start, start + step)
            part = Cut(found.documents[here], found.spans[here], found.unread[here])
            rows = read_rows(self.encoder, preset.encoder, part, progress=progress)
            for batch in rows.batches():
                scores[start + np.array(batch)] = self._scored(rows.ragged(batch, self.network.scale.device))
        return scores

    def evidence(self, document: LabelledDocument, spans: IntArray | None = None) -> Evidence:
        """What each of the network's own passages does; see `Model`. Nothing is encoded again for it."""
        found = cut(self.encoder, self.made.preset.passages, [document])
        rows = read_rows(self.encoder, self.made.preset.encoder, found)
        device = self.network.scale.device
        ragged, bounds = rows.ragged([0], device), rows.passages(0)
        return evidence_of(self.network, ragged, bounds, found.spans[0])

    def _scored(self, ragged: Ragged) -> FloatArray:
        return scores_of(self.network, ragged)

    def state(self) -> State:
        """The network as settings and arrays."""
        made = self.made
        labels = {"names": list(made.labels.names), "descriptions": dict(made.labels.descriptions)}
        settings = {
            "preset": made.preset.model_dump(mode="json"),
            "task": made.task,
            "labels": labels,
            "epochs": made.epochs,
        }
        arrays = {name: value.cpu().numpy() for name, value in self.network.state_dict().items()}
        return State(settings, arrays)

    @classmethod
    def from_state(cls, state: State, context: Context) -> FrozenNetwork:
        """The network that `state` describes. Raises `ModelMismatch` for arrays of another one."""
        settings = state.settings
        labels = LabelSet(tuple(settings["labels"]["names"]), settings["labels"]["descriptions"])
        made = Made(load_preset(settings["preset"]), settings["task"], labels, settings["epochs"])
        arrays = {name: torch.from_numpy(np.array(value)) for name, value in state.arrays.items()}
        try:
            standardise = Standardise(
                *(state.arrays[f"standardise.{name}"] for name in ("mean", "sd", "kept"))
            )
            with seeded(0, torch.device("cpu")):
                network = _network(made, standardise, (0.0, 1.0), arrays.get("aggregator.descriptions"))
            network.load_state_dict(arrays)
        except (KeyError, RuntimeError) as error:
            raise ModelMismatch(
                f"the arrays are not those of preset {made.preset.name!r} for {len(labels.names)} labels: {error}"
            ) from error
        return cls(made, network, context)

    def refit(self, problem: Problem, context: Context, *, progress: Progress | None = None) -> FrozenNetwork:
        """The preset learned again for as many epochs as were best before; see `Refittable`."""
        made = self.made
        training = made.preset.training.model_copy(update={"epochs": made.epochs})
        fitted = learn_frozen(
            replace(problem, remarks=[]),
            made.preset.model_copy(update={"training": training}),
            context,
            progress,
            hold_out=False,
        )
        model = fitted.model
        assert isinstance(model, FrozenNetwork)
        model.made = made
        return model

    def for_labels(self, labels: LabelSet) -> FrozenNetwork:
        """The same network for other labels, unseen ones too, by their descriptions, or names where they have none.

        Raises `UsageError` for a network that does not know labels by their descriptions.
        """
        if not self.made.preset.aggregator.descriptions:
            raise UsageError(
                f"preset {self.made.preset.name!r} knows labels by their training documents alone: take one with "
                "aggregator.descriptions = true, as zlwan"
            )
        made = self.made._replace(labels=labels)
        with torch.no_grad():
            vectors = label_vectors(self.encoder, made, self.network.standardise)
        settings, arrays = self.state()
        described = {"names": list(labels.names), "descriptions": dict(labels.descriptions)}
        changed = State(
            settings | {"labels": described}, arrays | {"aggregator.descriptions": vectors.cpu().numpy()}
        )
        return FrozenNetwork.from_state(changed, self._context)


def learn_frozen(
    problem: Problem,
    preset: Preset,
    context: Context,
    progress: Progress | None = None,
    *,
    hold_out: bool = True,
) -> Fitted:
    """A `FrozenNetwork` of the preset; a seed fixes every number of it.

    `hold_out=False`: validation documents are learned from too, and no epoch is chosen by them.

    What was not read or not used is added to `problem.remarks`. Raises `TrainingError` for training documents without
    text and for a loss that is no number, `RecipeError` for settings that do not go together.
    """
    check_loss(problem.task, preset.training.loss)
    if preset.aggregator.legacy_padding:
        raise RecipeError(
            "aggregator.legacy_padding = true encodes empty passages, which frozen training has none of: train end to "
            "end, or leave it out"
        )
    if not len(problem.train.documents):
        raise TrainingError("there is no training document")
    encoder = context.encoder(encoder_recipe(preset))
    parts = (problem.train,) if hold_out else (problem.train, problem.validation)
    material = together([_read(encoder, preset, part, problem.remarks, progress) for part in parts])
    held = problem.validation if hold_out else Examples([], problem.validation.targets[:0])
    validation = _read(encoder, preset, held, [], progress)
    standardise = learn_standardise(lambda: _blocks(material.rows))
    dimensions = material.rows.of(0).shape[1]
    if left := dropped(dimensions, standardise.kept.numpy()):
        problem.remarks.append(f"{len(left)} of {dimensions} dimensions hardly vary and were dropped: {left}")
    made = Made(preset, problem.task, problem.labels, preset.training.epochs)
    device = device_of(context)
    with seeded(context.seed, device):
        described = label_vectors(encoder, made, standardise) if preset.aggregator.descriptions else None
        network = _network(made, standardise, scale_of(problem.task, material.targets), described).to(device)
        trained = train(
            network,
            preset.training,
            problem.task,
            material,
            validation,
            seed=context.seed,
            device=device,
            progress=progress,
        )
    tried = [{"preset": preset.name, "epoch": trained.best, **trained.curves[trained.best - 1]}]
    model = FrozenNetwork(made._replace(epochs=trained.best), network, context)
    return Fitted(model, trained.curves, tried)


def scores_of(network: Network, ragged: Ragged) -> FloatArray:
    """Scores (N,L) of the rows of N documents."""
    with torch.no_grad():
        scores: FloatArray = network(ragged).double().cpu().numpy()
    return scores


def evidence_of(network: Network, ragged: Ragged, bounds: IntArray, spans: IntArray) -> Evidence:
    """What the passages `spans` of one document do, passage s having `ragged` rows `bounds`[s] to [s + 1].

    Rows after the last passage's stay where a passage is left out; attention is that among passages.
    """
    with torch.no_grad():
        weights = network.attention(ragged)
    attention = None
    if weights is not None:
        by_passage = Ragged(weights[: bounds[-1]], torch.from_numpy(bounds).to(weights.device))
        attention = total(by_passage).double().cpu().numpy()
        attention = attention / np.maximum(attention.sum(axis=0), np.finfo(np.float64).tiny)
    scores = scores_of(network, ragged)
    without = _without(network, ragged.rows, bounds, scores.shape[1])
    return Evidence(spans, scores[0], without, attention)


def _without(network: Network, rows: Tensor, bounds: IntArray, labels: int) -> FloatArray:
    """Scores (S,L) of a document's rows without those of passage s."""
    passages = len(bounds) - 1
    together = max(_JUDGED // max(len(rows), 1), 1)
    parts = [np.empty((0, labels))]
    for start in range(0, passages, together):
        left = [
            torch.cat([rows[: bounds[number]], rows[bounds[number + 1] :]])
            for number in range(start, min(start + together, passages))
        ]
        parts.append(scores_of(network, ragged_of(left)))
    return np.concatenate(parts)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """torch's generators start from `seed`; afterwards they are as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _network(
    made: Made, standardise: Standardise, scale: tuple[float, float], descriptions: Tensor | None
) -> Network:
    aggregator = make_aggregator(
        made.preset.aggregator,
        len(standardise.kept),
        columns(made.task, made.labels),
        task=made.task,
        dropout=made.preset.training.dropout,
        descriptions=descriptions,
    )
    return Network(standardise, aggregator, scale)


def _read(
    encoder: PassageEncoder, preset: Preset, examples: Examples, remarks: list[str], progress: Progress | None
) -> Material:
    found = cut(encoder, preset.passages, examples.documents)
    rows = read_rows(encoder, preset.encoder, found, keep=True, progress=progress)
    if len(found.unread) and (share := float(found.unread.mean())) > 5e-4:
        remarks.append(f"{share:.1%} of a training document's text is not read, on average")
    if empty := int(np.count_nonzero(rows.counts == 0)):
        remarks.append(f"{empty} training documents have no text")
    return Material(rows, examples.targets, [each.document.id for each in examples.documents])


def _blocks(rows: DocumentRows) -> Iterator[Any]:
    for number in range(len(rows.counts)):
        yield from blocks_of(rows.of(number))


def label_vectors(encoder: PassageEncoder, made: Made, standardise: Standardise) -> Tensor:
    """Standardised vectors (L,D) of what labels are described by: their descriptions, or their names."""
    names = made.labels.names[-1:] if made.task == "binary" else made.labels.names
    texts = [Document(name, made.labels.descriptions.get(name) or name) for name in names]
    found = encoder.vectors(texts)
    rows = standardise.cpu()(torch.from_numpy(found.vectors))
    return mean(Ragged(rows, torch.from_numpy(found.firsts)))


def scale_of(task: Task, targets: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Mean and standard deviation of the values of an ordinal task; (0, 1) of labels."""
    if task != "ordinal":
        return 0.0, 1.0
    values = targets.astype(np.float64)
    return float(values.mean()), float(values.std()) or 1.0


def columns(task: Task, labels: LabelSet) -> int:
    """L of a task's scores."""
    return 1 if task in ("binary", "ordinal") else len(labels.names)


def device_of(context: Context) -> torch.device:
    """Where torch computes: as was said, else a GPU if there is one."""
    return chosen_device(context.device)
