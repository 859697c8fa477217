"""The corpus of the benchmarks beside this file: EU acts from $RETRIEVE_DATA, cut into windows of 64 words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from retrieve import Document
from retrieve.corpora.open import open_corpus
from retrieve.passages.encoder import PassageEncoder

SEGMENT = 25_000
WINDOWS = (
    "passages.mode=window",
    "passages.size=64",
    "passages.unit=words",
    "passages.title=none",
    f"segments.passages={SEGMENT}",
)


def acts() -> Iterator[Document]:
    """All acts, in the order of the files."""
    folder = Path(os.environ["RETRIEVE_DATA"]) / "eurlex_acts"
    for split in ("train", "validation", "test"):
        yield from open_corpus(folder / f"{split}.jsonl.gz")


def documents_needed(passages: Sequence[int]) -> list[int]:
    """How many acts it takes to make at least each number of passages (ascending)."""
    passage_encoder = PassageEncoder("bm25", WINDOWS)
    needed: list[int] = []
    found = 0
    for number, document in enumerate(acts(), start=1):
        found += len(passage_encoder.split([document])[0].spans)
        while len(needed) < len(passages) and found >= passages[len(needed)]:
            needed.append(number)
        if len(needed) == len(passages):
            return needed
    raise SystemExit(f"the acts make {found} passages, wanted {passages[-1]}")
