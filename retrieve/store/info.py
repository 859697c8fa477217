"""What `retrieve index info` tells: counts, sizes and shares, from the manifest and the opened segments."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from retrieve.store.snapshot import Snapshot


def describe(snapshot: Snapshot) -> dict[str, Any]:
    """A JSON object. Sizes are in bytes; `not_indexed` is the share of tokens (or words) that no passage holds."""
    manifest = snapshot.manifest
    totals = manifest.totals
    stored = sum(segment.entry.totals.documents for segment in snapshot.segments)
    sizes: dict[str, int] = {
        name: sum(segment.nbytes(name) for segment in snapshot.segments) for name in snapshot.views
    }
    if kept := sum(segment.nbytes("vectors") for segment in snapshot.segments):
        sizes["vectors"] = kept
    sizes["total"] = sum(segment.nbytes() for segment in snapshot.segments)
    encoder = manifest.encoder
    return {
        "path": str(snapshot.folder),
        "format": manifest.format,
        "generation": manifest.generation,
        "documents": totals.documents,
        "empty_documents": totals.empty,
        "expanded_documents": totals.expanded,
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
        "sparse": _figures(snapshot),
        "encoder": None if encoder is None else encoder.model_dump(mode="json"),
        "stemmer": None if manifest.stemmer is None else manifest.stemmer.model_dump(mode="json"),
        "trained": [item.model_dump(mode="json", exclude={"files"}) for item in manifest.trained],
        "recipe": deepcopy(manifest.recipe),
        "tuned": None if manifest.tuned is None else manifest.tuned.model_dump(mode="json"),
    }


def _figures(snapshot: Snapshot) -> dict[str, dict[str, float]]:
    """What views say of how they are filled, deleted passages included."""
    dimensions = 0 if snapshot.manifest.encoder is None else snapshot.manifest.encoder.dimensions
    said = {
        name: view.describe([segment.view(view) for segment in snapshot.segments], dimensions)
        for name, view in snapshot.views.items()
    }
    return {name: figures for name, figures in said.items() if figures}


def not_indexed(units: int, indexed: int) -> float:
    """Share of units outside every passage, 0 to 1."""
    return 1 - indexed / units if units else 0.0
