"""Documents that a network over a tiny random encoder can learn, and the shipped presets made small enough for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_models import WORDS

from retrieve.classify.passages import cut, encoder_recipe
from retrieve.classify.preset import Preset, load_preset, presets
from retrieve.classify.ragged import Ragged, ragged_of
from retrieve.classify.records import Context, Examples, Problem
from retrieve.passages.encoder import PassageEncoder
from retrieve.types import Document, LabelledDocument, LabelSet, Task

NETWORKS = [name for name in presets() if load_preset(name).family == "network"]
TOPICS = {"law": WORDS[40:50], "biology": WORDS[51:63], "physics": WORDS[64:71], "code": WORDS[72:85]}
LABELS = LabelSet(tuple(TOPICS), {name: " ".join(words) for name, words in TOPICS.items()})


def toy_documents(count: int, *, seed: int = 0, least: int = 12) -> Examples:
    """Documents of `least` to 160 words, in paragraphs, half of the words about their labels, which are one or two."""
    draws = np.random.default_rng(seed)
    documents, targets = [], np.zeros((count, len(TOPICS)), dtype=np.float32)
    for number in range(count):
        own = draws.choice(len(TOPICS), 1 + number % 2, replace=False)
        targets[number, own] = 1
        about = [word for topic in own for word in TOPICS[LABELS.names[topic]]]
        words = [
            str(draws.choice(about if draws.random() < 0.5 else WORDS[:40]))
            for _ in range(int(draws.integers(least, 160)))
        ]
        documents.append(labelled(f"d{number}", words))
    return Examples(documents, targets)


def labelled(name: str, words: list[str]) -> LabelledDocument:
    """A document with paragraphs of 13 words; the first is its header, the next three are its recitals."""
    paragraphs = [" ".join(words[start : start + 13]) for start in range(0, len(words), 13)]
    ends = np.cumsum([len(text) + 1 for text in paragraphs])
    spans = [(int(end) - len(text) - 1, int(end) - 1) for text, end in zip(paragraphs, ends, strict=True)]
    zones = {"header": spans[0]} if spans else {}
    if len(spans) > 1:
        zones["recitals"] = (spans[1][0], spans[min(3, len(spans) - 1)][1])
    return LabelledDocument(
        Document(name, "\n".join(paragraphs)), labels=(), paragraphs=tuple(spans), zones=zones
    )


def small(name: str, folder: Path, **settings: Any) -> Preset:
    """A shipped preset over the model in `folder`, its sizes cut down to a few words, no dropout."""
    preset = load_preset(name)
    passages, aggregator = preset.passages, preset.aggregator
    given: dict[str, Any] = {
        "encoder.model": str(folder),
        "encoder.limit": 32,
        "passages.overlap": min(passages.overlap, 6),
        "passages.head": passages.head * 30 // (passages.head + passages.tail),
        "passages.tail": passages.tail * 30 // (passages.head + passages.tail),
        "aggregator.hidden": min(aggregator.hidden, 32),
        "aggregator.heads": min(aggregator.heads, 2),
        "training.dropout": 0.0,
    }
    if passages.size is not None:
        given["passages.size"] = 24
    return load_preset(name, given | {key.replace("__", "."): value for key, value in settings.items()})


def toy_problem(train: Examples, validation: Examples | None = None, task: Task = "multilabel") -> Problem:
    return Problem(task, LABELS, train, train if validation is None else validation)


def toy_context(*, cache: bool = False, seed: int = 0) -> Context:
    if cache:
        return Context(partial(PassageEncoder, cache=True), device="cpu", seed=seed)
    return Context(_encoder, device="cpu", seed=seed)


def _encoder(recipe: Mapping[str, Any]) -> PassageEncoder:
    """Without the cache; one for equal recipes, as loading takes longer than a test."""
    key = json.dumps(recipe, sort_keys=True)
    if key not in _MADE:
        _MADE[key] = PassageEncoder(recipe, cache=False)
    return _MADE[key]


_MADE: dict[str, PassageEncoder] = {}


def float32_rows(preset: Preset, documents: Sequence[LabelledDocument]) -> Ragged:
    """What the aggregator reads of documents, in full precision, made anew: all of them are encoded together."""
    encoder = _encoder(encoder_recipe(preset))
    found = cut(encoder, preset.passages, documents)
    model = encoder.models.documents
    fed = [encoder.fed(document, spans) for document, spans in zip(found.documents, found.spans, strict=True)]
    texts = [text for own in fed for text in own]
    passages = np.cumsum([0, *map(len, fed)])
    if preset.encoder.states:
        states = model.token_states(texts, np.float32)
        rows, bounds = states.states, states.firsts[passages]
    else:
        rows, bounds = model.encode_apart(texts), passages
    return ragged_of([torch.from_numpy(rows[start:end]) for start, end in pairwise(bounds)])
