"""Blocks of postings put together from plain rows, posting by posting; and the other way round."""

from __future__ import annotations

import numpy as np

from retrieve.index.blocks import Blocks

BLOCK = 65_536
ESCAPE = 255

Rows = list[dict[int, int]]
"""Of each row its terms and how often it has each."""


def blocks_of(rows: Rows) -> Blocks:
    """The blocks of some rows."""
    starts, terms, ends = [0], [], [0]
    local, tfs, positions, values = [], [], [], []
    for first in range(0, len(rows), BLOCK):
        having: dict[int, list[tuple[int, int]]] = {}
        for row, counts in enumerate(rows[first : first + BLOCK]):
            for term, tf in counts.items():
                having.setdefault(term, []).append((row, tf))
        for term in sorted(having):
            terms.append(term)
            for row, tf in having[term]:
                if tf >= ESCAPE:
                    positions.append(len(tfs))
                    values.append(tf)
                local.append(row)
                tfs.append(min(tf, ESCAPE))
            ends.append(len(tfs))
        starts.append(len(terms))
    return Blocks(
        np.array(starts, np.int64),
        np.array(terms, np.uint32),
        np.array(ends, np.int64),
        np.array(local, np.uint16),
        np.array(tfs, np.uint8),
        np.array(positions, np.int64),
        np.array(values, np.uint32),
    )


def random_rows(random: np.random.Generator, rows: int, terms: int) -> Rows:
    """Rows of up to five terms, some with large frequencies; of several blocks' rows most have none."""
    frequencies = [1, 1, 1, 2, 3, 15, 16, 254, 255, 256, 70_000]
    made: Rows = [{} for _ in range(rows)]
    for row in random.integers(0, max(rows, 1), min(3 * rows, 2_000)).tolist():
        if row >= BLOCK or rows < BLOCK or row % 2:
            made[row][int(terms * random.random() ** 2)] = int(random.choice(frequencies))
    return made
