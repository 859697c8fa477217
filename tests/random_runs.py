"""Random runs with judgments, small and full of what tools part on: ties, missing queries, grades below 0."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from retrieve.trec import Qrels, Run

TIED = (-1.5, 0.0, 0.25, 1.0, 1.0 + 1e-9, 2.0, 3.5)


def pairs(
    number: int,
    *,
    seed: int = 0,
    lowest: int = -2,
    highest: int = 3,
    tied: bool = True,
    queries: int = 4,
    documents: int = 30,
    missing: bool = True,
    prefix: str = "",
) -> Iterator[tuple[Run, Qrels]]:
    """Runs and judgments that share a query. `tied`: scores that are often equal, also in single precision alone."""
    rng = np.random.default_rng(seed)
    made = 0
    while made < number:
        size = int(rng.integers(2, documents + 1))
        names = [f"d{name}" for name in rng.permutation(documents)[:size]]
        qrels: Qrels = {}
        run: Run = {}
        for query in range(1, int(rng.integers(1, queries + 1)) + 1):
            query_id = f"{prefix}{query}"
            judged = rng.permutation(names)[: int(rng.integers(1, size + 1))]
            qrels[query_id] = {str(name): int(rng.integers(lowest, highest + 1)) for name in judged}
            ranked = rng.permutation(names)[: int(rng.integers(1, size + 1))]
            scores = rng.choice(TIED, len(ranked)) if tied else rng.permutation(len(ranked)) / 7 - 0.5
            if not missing or rng.random() < 0.85:
                run[query_id] = {str(name): float(score) for name, score in zip(ranked, scores, strict=True)}
        if missing and rng.random() < 0.3:
            run[f"{prefix}99"] = {"d1": 1.0}
        if not missing or run.keys() & qrels.keys():
            made += 1
            yield run, qrels
