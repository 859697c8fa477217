"""Learning of a network preset end to end: read, standardise, train, and keep what came out."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from retrieve.classify.endtoend.material import Material
from retrieve.classify.endtoend.model import EndToEnd, passages_of
from retrieve.classify.endtoend.reading import Reader, recipe_of
from retrieve.classify.endtoend.record import begin, end, ended, last_checkpoint
from retrieve.classify.endtoend.trainer import DocumentTrainer, arguments_of
from retrieve.classify.endtoend.tuned import TunedNetwork, network_of, passage_model, tokenizer_of
from retrieve.classify.folder import data_digest
from retrieve.classify.frozen import Made, _device, _label_vectors, _scale
from retrieve.classify.losses import check_loss, class_weights
from retrieve.classify.preset import Preset
from retrieve.classify.records import Context, Fitted, Problem
from retrieve.classify.standardise import Standardise, dropped, learn_standardise
from retrieve.encoders.tokens import TokenRow
from retrieve.errors import TrainingError, UsageError
from retrieve.types import Progress

_SAMPLE = 1024
"""Passages that say what is standard: at random, encoded before training begins."""


def learn_end_to_end(
    problem: Problem, preset: Preset, context: Context, progress: Progress | None = None
) -> Fitted:
    """A `TunedNetwork` of the preset. The same seed on the same machine gives the same weights.

    With `context.checkpoints` a training that was interrupted goes on where it was, bit for bit. With a patience the
    weights of the epoch with the least validation loss are kept, else those of the last. `dropout` is the
    aggregator's, the encoder keeps its own. Raises `TrainingError` for a loss that is no number and for a folder of
    other checkpoints, `RecipeError` for settings that do not go together, `UsageError` for fp16 without a GPU.
    """
    settings, device = preset.end_to_end, _device(context)
    check_loss(problem.task, settings.loss)
    if settings.precision == "fp16" and device.type == "cpu":
        raise UsageError('end_to_end.precision = "fp16" is for a GPU, a processor computes "bf16" or "fp32"')
    if not len(problem.train.documents):
        raise TrainingError("there is no training document")
    parts = context.encoder(recipe_of(preset))
    made = Made(preset, problem.task, problem.labels, None)
    reader = Reader(parts, preset)
    train = reader.read(problem.train.documents, progress=progress)
    _remark(problem, preset, train.unread, train.rows)
    validation = reader.read(problem.validation.documents, progress=progress)
    with _own_chance(context.seed), _on(device):
        encoder = passage_model(parts, made, str(device))
        passages = [row for rows, spans in zip(train.rows, train.spans, strict=True) for row in rows[: len(spans)]]
        standardise = _standard(EndToEnd(encoder, torch.nn.Identity(), budget=settings.budget, recompute=False), passages)
        if left := dropped(encoder.dimensions, standardise.kept.numpy()):
            problem.remarks.append(f"{len(left)} of {encoder.dimensions} dimensions hardly vary and were dropped: {left}")
        described = _label_vectors(parts, made, standardise) if preset.aggregator.descriptions else None
        network = network_of(made, encoder, standardise, _scale(problem), described)
        weights = class_weights(torch.from_numpy(problem.train.targets)) if settings.class_weights else None
        with _checkpoints(context.checkpoints) as folder:
            kept = context.checkpoints is not None
            if kept:
                begin(folder, _record(problem, made, context, parts.fingerprint))
            known = ended(folder, network) if kept else None
            trainer = None
        ...
