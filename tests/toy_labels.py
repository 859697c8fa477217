"""Labelled documents that can be learned: each label has words of its own, among words of nobody."""

from __future__ import annotations

import numpy as np
from tiny_models import WORDS

from retrieve.types import Document, LabelledDocument

TOPICS = {
    "law": ("law", "court", "act", "article"),
    "cell": ("cell", "protein", "blood", "gene"),
    "flow": ("wing", "flow", "heat", "pressure"),
}
_OTHERS = [word for word in WORDS if word not in {own for words in TOPICS.values() for own in words}]


def toy_texts(
    count: int, *, several: bool = False, seed: int = 0, words: int = 60
) -> tuple[list[str], list[list[str]]]:
    """Texts of about so many words and their labels: one each, or one to three each."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for place in range(count):
        own = [list(TOPICS)[place % len(TOPICS)]]
        if several:
            own = sorted({*own, *rng.choice(list(TOPICS), rng.integers(0, 3)).tolist()})
        drawn = rng.choice(_OTHERS, int(rng.integers(words // 2, words))).tolist()
        for label in own:
            drawn += rng.choice(TOPICS[label], 6).tolist()
        rng.shuffle(drawn)
        texts.append(" ".join(drawn))
        labels.append(own)
    return texts, labels


def toy_documents(count: int, *, several: bool = False, seed: int = 0) -> list[LabelledDocument]:
    """The same as labelled documents."""
    texts, labels = toy_texts(count, several=several, seed=seed)
    return [
        LabelledDocument(Document(f"{seed}-{place}", text), tuple(row))
        for place, (text, row) in enumerate(zip(texts, labels, strict=True))
    ]
