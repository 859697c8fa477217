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


def rerank(scorer: PairScorer, query: str, hits: Sequence[Hit], *, depth: int, k: int) -> list[Hit]:
    """The first `depth` hits in the scorer's order (−score, document id), the others behind them; at most k in all.

    A reranked hit keeps its views' scores and gains `rerank`. The others keep their order and distances, below the
    last reranked score, so that a run that is sorted by score has this order.
    """
    if not hits:
        return []
    first, rest = hits[:depth], hits[depth:]
    scores = scorer.score(query, [f"{hit.title} {hit.passages[0].text}".strip() for hit in first]).tolist()
    ranked = sorted(zip(first, scores, strict=True), key=lambda item: (-item[1], item[0].doc_id))
    result = [replace(hit, score=score, scores={**hit.scores, "rerank": score}) for hit, score in ranked]
    below = min(scores) - 1 - first[-1].score
    result += [replace(hit, score=below + hit.score) for hit in rest]
    return [replace(hit, rank=rank) for rank, hit in enumerate(result[:k], start=1)]
