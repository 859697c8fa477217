"""What `retrieve index info` tells: counts, sizes and shares, from the manifest and the opened segments."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve.recipe import VIEWS
from retrieve.store.snapshot import Snapshot


def describe(snapshot: Snapshot) -> dict[str, Any]:
    """A JSON object. Sizes are in bytes; `not_indexed` is the share of tokens (or words) that no passage holds."""
    manifest = snapshot.manifest
    totals = manifest.totals
    stored = sum(segment.entry.totals.documents for segment in snapshot.segments)
    sizes: dict[str, int] = {
        name: sum(segment.nbytes(f"{name}/") for segment in snapshot.segments)
        for name in VIEWS
        if name in manifest.recipe
    }
    if kept := sum(segment.nbytes("vectors/") for segment in snapshot.segments):
        sizes["vectors"] = kept
    sizes["total"] = sum(segment.nbytes() for segment in snapshot.segments)
    encoder = manifest.encoder
    return {
        "path": str(snapshot.folder),
        "format": manifest.format,
        "generation": manifest.generation,
        "documents": totals.documents,
        "empty_documents": totals.empty,
        "deleted_documents": stored - totals.documents,
        "passages": totals.passages,
        "segments": len(manifest.segments),
        "terms": totals.length,
        "unit": manifest.resolved_recipe().passages.unit,
        "units": totals.units,
        "not_indexed": not_indexed(totals.units, totals.indexed),
        "truncated_tokens": totals.truncated,
        "bytes": sizes,
        "bytes_per_passage": {
            name: size / totals.passages for name, size in sizes.items() if totals.passages
        },
        "sparse": {name: _sparse(snapshot, name) for name in ("uhd", "splade") if name in manifest.recipe},
        "encoder": None if encoder is None else encoder.model_dump(mode="json"),
        "stemmer": None if manifest.stemmer is None else manifest.stemmer.model_dump(mode="json"),
        "trained": [item.model_dump(mode="json", exclude={"files"}) for item in manifest.trained],
        "recipe": deepcopy(manifest.recipe),
    }


def _sparse(snapshot: Snapshot, view: str) -> dict[str, float]:
    """How the dimensions of a sparse view are used, deleted passages included.

    `usage_entropy` is that of a non-zero's dimension over the entropy of all dimensions used alike, 0 to 1;
    `dead_dimensions` are those of no passage.
    """
    passages = sum(segment.passage_rows for segment in snapshot.segments)
    used = _usage(snapshot, view)
    used = used[used > 0]
    dimensions = _dimensions(snapshot, view)
    nonzeros = int(used.sum())
    shares = used / max(nonzeros, 1)
    return {
        "dimensions": dimensions,
        "nonzeros_per_passage": nonzeros / passages if passages else 0.0,
        "usage_entropy": float(-(shares * np.log(shares)).sum() / np.log(dimensions))
        if len(used) > 1
        else 0.0,
        "dead_dimensions": dimensions - len(used),
    }


def _dimensions(snapshot: Snapshot, view: str) -> int:
    """How many a passage could have: n of the codes, or the size of the encoder's vocabulary."""
    recipe, encoder = snapshot.manifest.resolved_recipe(), snapshot.manifest.encoder
    if view == "uhd" and recipe.uhd is not None:
        return recipe.uhd.dimensions
    assert encoder is not None
    return encoder.dimensions


def _usage(snapshot: Snapshot, view: str) -> npt.NDArray[np.int64]:
    """In how many passages each dimension is, or each that is in any."""
    if view == "uhd":
        counts = [segment.codes.usage() for segment in snapshot.segments]
        return np.sum(counts, axis=0) if counts else np.zeros(0, np.int64)
    by_term: Counter[str] = Counter()
    for segment in snapshot.segments:
        postings = segment.impacts
        by_term.update(dict(zip(postings.terms, postings.frequencies.tolist(), strict=True)))
    return np.array(list(by_term.values()), np.int64)


def not_indexed(units: int, indexed: int) -> float:
    """Share of units outside every passage, 0 to 1."""
    return 1 - indexed / units if units else 0.0
