"""Learning of a network preset end to end: read, say what is standard, train, and keep what came out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from retrieve.classify.endtoend.material import Material
from retrieve.classify.endtoend.model import DocumentNetwork, passages_of
from retrieve.classify.endtoend.reading import Read, Reader, recipe_of
from retrieve.classify.endtoend.trainer import DocumentTrainer, arguments_of
from retrieve.classify.endtoend.tuned import TunedNetwork, network_of, passage_model, tokenizer_of
from retrieve.classify.folder import data_digest
from retrieve.classify.frozen import Made, device_of, label_vectors, scale_of
from retrieve.classify.losses import check_loss, class_weights
from retrieve.classify.preset import Preset
from retrieve.classify.records import Context, Fitted, Problem
from retrieve.classify.standardise import Standardise, dropped, learn_standardise
from retrieve.encoders.torch.trainable import PassageModel
from retrieve.errors import TrainingError, UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.trainer.checkpoints import alone_in, begin, end, ended, last_checkpoint
from retrieve.trainer.random_state import on_device, own_chance
from retrieve.types import Progress

_SAMPLE = 1024
"""Training passages that say what is standard: drawn at random, encoded before training begins."""

Curves = list[dict[str, float]]


def learn_end_to_end(
    problem: Problem, preset: Preset, context: Context, progress: Progress | None = None
) -> Fitted:
    """A `TunedNetwork` of the preset. The same seed on the same machine gives the same weights.

    With `context.checkpoints` a training that was interrupted goes on where it was, bit for bit. With a patience the
    weights of the epoch with the least validation loss are kept, else those of the last. `end_to_end.dropout` is the
    aggregator's, the encoder keeps its own. What was not read or not used is added to `problem.remarks`. Raises
    `TrainingError` for a loss that is no number and for a folder of other checkpoints, `RecipeError` for settings that
    do not go together, `UsageError` for fp16 without a GPU.
    """
    settings, device = preset.end_to_end, device_of(context)
    check_loss(problem.task, settings.loss)
    if settings.precision == "fp16" and device.type == "cpu":
        raise UsageError('end_to_end.precision = "fp16" is for a GPU: a processor computes "bf16" or "fp32"')
    if not len(problem.train.documents):
        raise TrainingError("there is no training document")
    parts = context.encoder(recipe_of(preset))
    made = Made(preset, problem.task, problem.labels, preset.end_to_end.epochs)
    reader = Reader(parts, preset)
    train = reader.read(problem.train.documents, progress=progress)
    validation = reader.read(problem.validation.documents, progress=progress)
    problem.remarks.extend(_remarks(preset, train))
    with own_chance(context.seed), on_device(device):
        network = _untrained(problem, made, parts, train, device, context.seed)
        with _folder(context.checkpoints) as folder, alone_in(folder):
            if context.checkpoints is not None:
                begin(folder, _record(problem, made, parts, context.seed))
            curves = _trained(network, problem, preset, (train, validation), folder, context, progress)
    problem.remarks.extend(_dropped(network))
    best = _best(curves, settings.patience)
    tried: list[dict[str, Any]] = [{"preset": preset.name, **curves[best]}]
    made = made._replace(epochs=best + 1)
    return Fitted(TunedNetwork(made, reader, network, tokenizer_of(parts)), curves, tried)


def _untrained(
    problem: Problem, made: Made, parts: PassageEncoder, train: Read, device: torch.device, seed: int
) -> DocumentNetwork:
    encoder = passage_model(parts, made, str(device))
    standardise = _standardise(encoder, train, made.preset.end_to_end.budget, seed)
    described = label_vectors(parts, made, standardise) if made.preset.aggregator.descriptions else None
    return network_of(made, encoder, standardise, scale_of(problem.task, problem.train.targets), described)


def _standardise(encoder: PassageModel, train: Read, budget: int, seed: int) -> Standardise:
    """Mean and standard deviation of what the encoder makes of passages before it is trained."""
    passages = [
        row for rows, spans in zip(train.rows, train.spans, strict=True) for row in rows[: len(spans)]
    ]
    chosen = np.random.default_rng(seed).permutation(len(passages))[:_SAMPLE]
    sample = [passages[row] for row in np.sort(chosen)]
    network = DocumentNetwork(encoder, nn.Identity(), budget=budget, recompute=False).eval()
    with torch.no_grad():
        rows = network.encoded(passages_of([sample])).rows.cpu().numpy()
    return learn_standardise(lambda: [rows] if len(rows) else [])


def _trained(
    network: DocumentNetwork,
    problem: Problem,
    preset: Preset,
    read: Sequence[Read],
    folder: Path,
    context: Context,
    progress: Progress | None,
) -> Curves:
    """Train the network in place; its curves."""
    kept, settings = context.checkpoints is not None, preset.end_to_end
    if kept and (known := ended(folder, network)) is not None:
        return known
    train, validation = read
    weights = class_weights(torch.from_numpy(problem.train.targets)) if settings.class_weights else None
    trainer = DocumentTrainer(
        network,
        arguments_of(
            settings,
            folder,
            seed=context.seed,
            device=device_of(context),
            validated=len(validation.rows) > 0,
            kept=kept,
        ),
        Material(train.rows, problem.train, passages=settings.passages, seed=context.seed),
        Material(validation.rows, problem.validation) if validation.rows else None,
        task=problem.task,
        settings=settings,
        weights=weights,
        progress=progress,
        often=kept,
    )
    last = last_checkpoint(folder)
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    # Without the wrapper that computes in bf16: what is predicted is the same after it is saved and loaded.
    trainer.accelerator.unwrap_model(network, keep_fp32_wrapper=False)
    for name, values in network.named_parameters():
        if not bool(torch.isfinite(values).all()):
            raise TrainingError(
                f"after the training {name} holds NaN or infinite values: lower end_to_end.lr and head_lr, or set "
                "end_to_end.precision to fp32"
            )
    curves = trainer.curves()
    if kept:
        end(folder, network, curves)
    return curves


def _best(curves: Curves, patience: int) -> int:
    """The epoch, from 0, whose weights were kept."""
    losses = [epoch.get("validation_loss", 0.0) for epoch in curves]
    return losses.index(min(losses)) if patience and "validation_loss" in curves[0] else len(curves) - 1


def _record(problem: Problem, made: Made, parts: PassageEncoder, seed: int) -> dict[str, Any]:
    """Everything that a training depends on beside this machine."""
    preset = made.preset.model_dump(mode="json")
    sections = {name: preset[name] for name in ("passages", "encoder", "aggregator", "end_to_end")}
    settings = {
        f"{name}.{key}": value for name, section in sections.items() for key, value in section.items()
    }
    return settings | {
        "task": problem.task,
        "data": data_digest(problem.train, problem.validation, problem.labels),
        "fingerprint of the encoder": parts.fingerprint,
        "seed": seed,
    }


def _remarks(preset: Preset, train: Read) -> list[str]:
    remarks = []
    if (share := float(train.unread.mean())) > 5e-4:
        remarks.append(f"{share:.1%} of a training document's text is not read, on average")
    if empty := sum(not len(spans) for spans in train.spans):
        remarks.append(f"{empty} training documents have no text")
    if preset.aggregator.legacy_padding:
        filled = sum(len(rows) - len(spans) for rows, spans in zip(train.rows, train.spans, strict=True))
        remarks.append(
            f"legacy padding: {filled} of {sum(map(len, train.rows))} passages in training are empty, and are encoded "
            "and pooled like the others, as the code behind published figures did"
        )
    return remarks


def _dropped(network: DocumentNetwork) -> list[str]:
    head: Any = network.head
    left = dropped(network.encoder.dimensions, head.standardise.kept.cpu().numpy())
    if not left:
        return []
    return [f"{len(left)} of {network.encoder.dimensions} dimensions hardly vary and were dropped: {left}"]


@contextmanager
def _folder(named: Path | None) -> Iterator[Path]:
    if named is not None:
        yield named
        return
    with TemporaryDirectory() as place:
        yield Path(place)
