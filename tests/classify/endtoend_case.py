"""Documents of three made-up subjects, and a preset over a tiny encoder, for tests of end-to-end training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tiny_models import WORDS

from retrieve.classify.encoders import Encoders
from retrieve.classify.preset import Preset, load_preset
from retrieve.classify.records import Context, Examples, Problem
from retrieve.types import Document, LabelledDocument, LabelSet

SUBJECTS = ("law", "medicine", "flight")
SIGNS = ("court act article", "patient disease drug", "wing flow boundary")


def documents(count: int, *, seed: int = 0, sentences: int = 6) -> tuple[list[LabelledDocument], np.ndarray]:
    """Documents of up to so many sentences of random words, in which a subject shows in one sentence alone."""
    chance = np.random.default_rng(seed)
    targets = (chance.random((count, len(SUBJECTS))) < 0.5).astype(np.float32)
    found = []
    for number in range(count):
        lines = [
            " ".join(chance.choice(WORDS[:40], size=chance.integers(4, 12)))
            for _ in range(chance.integers(2, sentences + 1))
        ]
        for subject in np.flatnonzero(targets[number]):
            place = chance.integers(len(lines))
            lines[place] = f"{SIGNS[subject]} {SIGNS[subject]} {SIGNS[subject]}. {lines[place]}"
        text = "".join(f"{line}.\n\n" for line in lines)
        paragraphs, at = [], 0
        for line in lines:
            paragraphs.append((at, at + len(line) + 1))
            at += len(line) + 3
        names = tuple(SUBJECTS[subject] for subject in np.flatnonzero(targets[number]))
        found.append(
            LabelledDocument(Document(f"d{number}", text), labels=names, paragraphs=tuple(paragraphs))
        )
    return found, targets


def problem(train: int = 24, validation: int = 8, *, sentences: int = 6) -> Problem:
    """The subjects as a multi-label task."""
    return Problem(
        "multilabel",
        LabelSet(SUBJECTS),
        Examples(*documents(train, seed=1, sentences=sentences)),
        Examples(*documents(validation, seed=2, sentences=sentences)),
    )


def preset(model: Path, kind: str = "mean", **settings: Any) -> Preset:
    """Passages of twelve tokens; settings of dotted keys with two underscores for the dot."""
    values = {
        "name": "tiny",
        "description": "",
        "source": "",
        "passages": {"size": 12, "most": 0},
        "encoder": {"model": str(model)},
        "aggregator": {"kind": kind},
        "end_to_end": {"batch": 4, "epochs": 2, "lr": 1e-3, "head_lr": 1e-2, "budget": 64},
    }
    return load_preset(values, {key.replace("__", "."): value for key, value in settings.items()})


def context(seed: int = 0, checkpoints: Path | None = None) -> Context:
    return Context(Encoders(cache=False, device="cpu"), "cpu", seed, checkpoints)


Settings = Mapping[str, Any]
