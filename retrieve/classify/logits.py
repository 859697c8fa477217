"""Log odds of probabilities, 0 and 1 among them: what thresholds, bands and averages are reckoned in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrieve.classify.records import FloatArray

_LEAST, _GREATEST = 1e-300, 1 - 2**-53


def logit(probabilities: npt.ArrayLike) -> FloatArray:
    """log(p/(1 − p)) float64, finite: p is held between 1e-300 and the float64 below 1."""
    from scipy import special

    return np.asarray(special.logit(np.clip(probabilities, _LEAST, _GREATEST)), dtype=np.float64)
