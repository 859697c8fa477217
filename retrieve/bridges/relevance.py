"""A search's scores brought to 0…1, for frameworks that ask for a threshold there.

What a score is depends on what was searched, so a threshold means something for one way of searching alone: a cosine, a
place among the other hits of the same query, or a saturated sum of term weights.
"""

from __future__ import annotations

from collections.abc import Callable

from retrieve.errors import UsageError
from retrieve.recipe import Recipe
from retrieve.search.fusion import RRF_CONSTANT
from retrieve.search.options import SearchOptions


def relevance(recipe: Recipe, options: SearchOptions) -> Callable[[float], float]:
    """Score → 0…1, order kept, of such a search.

    Cosines below 0 are 0; fused scores are 0…1 already under `convex`, and brought there under `rrf`; under `z` the
    mean of the pools is ½, and s deviations from it are ½ · s / (1 + |s|) away; a sum of term weights or of shared
    dimensions s is s / (1 + s). Raises `UsageError` for scores without a range: a cross-encoder's,
    inner products of vectors that are not normalised, and cosines added up.
    """
    if options.reranker:
        raise UsageError(
            "scores of a cross-encoder have no range 0…1: search with reranker='', or without threshold"
        )
    if len(options.views) > 1 and options.fusion == "z":
        return lambda score: (1.0 + score / (1.0 + abs(score))) / 2.0
    if len(options.views) > 1:
        best = 1.0 if options.fusion == "convex" else sum(options.weights) / (RRF_CONSTANT + 1)
        return lambda score: min(max(score / best, 0.0), 1.0)
    if options.views != ("dense",):
        return lambda score: max(score, 0.0) / (1.0 + max(score, 0.0))
    if recipe.dense is None or not recipe.dense.normalize:
        raise UsageError(
            "inner products of vectors that are not normalised have no range 0…1: build the index with "
            "dense.normalize = true, or search without threshold"
        )
    if options.aggregate not in ("max", "first", "mean"):
        raise UsageError(
            f"aggregate={options.aggregate!r} adds cosines up, which have no range 0…1 then: search with "
            f"aggregate='max', or without threshold"
        )
    return lambda score: min(max(score, 0.0), 1.0)
