"""The commit: write the deletions of the new generation, then replace the manifest.

Nothing that the old generation names is touched, so a crash before the rename leaves the old one and a crash after
it the new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieve.store.deletions import write_deletions
from retrieve.store.manifest import SegmentEntry, StemmerRecord, Trained, replace_manifest
from retrieve.store.segment import BoolArray, Segment
from retrieve.store.snapshot import Snapshot


def commit(
    folder: Path,
    base: Snapshot,
    segments: Sequence[Segment],
    live: Sequence[BoolArray],
    trained: Sequence[Trained],
    encoding: Mapping[str, Any] | None = None,
    *,
    stemmer: StemmerRecord | None = None,
) -> int:
    """Make these segments with these live rows the current generation; returns its number.

    A segment without live rows is dropped. Where nothing differs from `base` no generation is made. `encoding`: what a
    manifest says of recipe and encoder, where they are others now. `stemmer`: the one at hand, kept by an index that
    does not say yet which it has.
    """
    old = base.manifest
    generation = old.generation + 1
    before = {segment.id: alive for segment, alive in zip(base.segments, base.live, strict=True)}
    entries: list[SegmentEntry] = []
    fresh: list[tuple[Segment, BoolArray]] = []
    for segment, alive in zip(segments, live, strict=True):
        if not alive.any():
            continue
        if alive.all():
            entries.append(segment.entry.model_copy(update={"deletions": None}))
            continue
        entries.append(segment.entry)
        known = before.get(segment.id)
        if known is None or not np.array_equal(known, alive):
            fresh.append((segment, ~alive))
    if fresh:
        written = write_deletions(folder, generation, fresh)
        entries = [
            entry.model_copy(update={"deletions": written.get(entry.id, entry.deletions)})
            for entry in entries
        ]
    used = {entry.trained for entry in entries} | {item.digest for item in trained[-1:]}
    kept = tuple(item for item in trained if item.digest in used)
    changed = {"segments": tuple(entries), "trained": kept, "replaced": None, **(encoding or {})}
    if old.model_copy(update=changed) == old:
        return old.generation
    changed |= {"generation": generation, "stemmer": old.stemmer or stemmer}
    replace_manifest(folder, old.model_copy(update=changed))
    return generation
