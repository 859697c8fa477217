"""How the dimensions of a sparse view are used."""

from __future__ import annotations

import numpy as np

from retrieve.views.protocol import IntArray


def usage_figures(counts: IntArray, dimensions: int, passages: int) -> dict[str, float]:
    """`counts`: in how many of the passages each dimension is, or each that is in any; deleted passages count.

    `usage_entropy` is that of a non-zero's dimension over the entropy of all dimensions used alike, 0 to 1;
    `dead_dimensions` are those of no passage.
    """
    used = counts[counts > 0]
    nonzeros = int(used.sum())
    shares = used / max(nonzeros, 1)
    entropy = float(-(shares * np.log(shares)).sum() / np.log(dimensions)) if len(used) > 1 else 0.0
    return {
        "dimensions": dimensions,
        "nonzeros_per_passage": nonzeros / passages if passages else 0.0,
        "usage_entropy": entropy,
        "dead_dimensions": dimensions - len(used),
    }
