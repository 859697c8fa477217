"""A document with some of its passages taken out: its text, and with it the places of its paragraphs and zones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retrieve.classify.records import IntArray
from retrieve.types import LabelledDocument


def without_passages(document: LabelledDocument, spans: IntArray) -> LabelledDocument:
    """The document without the characters of passages (S,2) or (S,K,2), which may overlap.

    Paragraphs and zones are where their characters are then; those of which none is left are gone.
    """
    text = document.document.text
    kept = np.ones(len(text), bool)
    for start, end in np.reshape(spans, (-1, 2)).tolist():
        kept[start:end] = False
    before = np.concatenate([[0], np.cumsum(kept)]).tolist()  # of each character: how many before it stay
    paragraphs = [(before[start], before[end]) for start, end in document.paragraphs]
    zones = {name: (before[start], before[end]) for name, (start, end) in document.zones.items()}
    return replace(
        document,
        document=replace(document.document, text="".join(text[at] for at in np.flatnonzero(kept))),
        paragraphs=tuple((start, end) for start, end in paragraphs if start < end),
        zones={name: (start, end) for name, (start, end) in zones.items() if start < end},
    )
