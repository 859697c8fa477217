"""The rerank stage: a cross-encoder reads the query beside the best passage of each of the first hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from retrieve.types import Hit


class PairScorer(Protocol):
    """Scores (B,) of a query against texts."""

    def score(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Higher is more relevant."""
        ...


def rerank(scorer: PairScorer, query: str, hits: Sequence[Hit], k: int) -> list[Hit]:
    """Hits in the scorer's order (−score, document id), at most k; each keeps its old scores and gains `rerank`."""
    if not hits:
        return []
    texts = [f"{hit.title} {hit.passages[0].text}".strip() for hit in hits]
    scores = scorer.score(query, texts)
    ranked = sorted(zip(hits, scores.tolist(), strict=True), key=lambda item: (-item[1], item[0].doc_id))
    return [
        replace(hit, score=score, rank=rank, scores={**hit.scores, "rerank": score})
        for rank, (hit, score) in enumerate(ranked[:k], start=1)
    ]
