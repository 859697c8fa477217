"""What `retrieve index info` tells: counts, sizes and shares, from the manifest and the opened segments."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from retrieve.corpora.extracted import WithoutText
from retrieve.store.snapshot import Snapshot

_BATCH = 500


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
        "without_text": without_text(snapshot).described(),
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


def without_text(snapshot: Snapshot) -> WithoutText:
    """The live documents without text, with the reasons that their readers gave.

    A title alone makes a passage, so passages do not tell; texts are read where no token was counted.
    """
    found = WithoutText()
    for segment, live in zip(snapshot.segments, snapshot.alive(), strict=True):
        rows = np.flatnonzero(live & (segment.units[:, 0] == 0))
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            for stored in segment.documents.get(batch.tolist(), segment.ids.get_many(batch)):
                found.add(stored.document)
    return found


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
