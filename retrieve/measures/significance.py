"""Whether a difference between two systems is more than chance: intervals, paired tests, Holm's correction.

Everything is paired: both systems are resampled by the same documents (or queries). A measure that is no mean, as
macro-F1, is computed again in each resample, from sums over documents that a resample weighs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from retrieve.errors import MeasureError

FloatArray = npt.NDArray[np.float64]

RESAMPLES = 9999
_BATCH = 500  # resamples computed at once

Name = TypeVar("Name", bound=Hashable)


class Interval(NamedTuple):
    """A value and its percentile bootstrap interval."""

    value: float
    low: float
    high: float


class DocumentMeasure(Protocol):
    """A measure over documents, in two steps: sums that are linear in the documents' weights, and what they make."""

    @property
    def documents(self) -> int:
        """N."""

    def totals(self, weights: FloatArray) -> tuple[FloatArray, ...]:
        """Weights (R,N) → sums, each (R,…)."""

    def value(self, totals: tuple[FloatArray, ...]) -> FloatArray:
        """Sums → the measure (R,)."""


class MeanMeasure:
    """The mean of a value for each document (N,), as RP@5; documents with nan have no value and are left out."""

    def __init__(self, values: npt.ArrayLike) -> None:
        given = np.asarray(values, dtype=np.float64)
        self.documents = len(given)
        self._there = ~np.isnan(given)
        self._values = np.where(self._there, given, 0.0)

    def totals(self, weights: FloatArray) -> tuple[FloatArray, ...]:
        """Weights (R,N) → sum of values and of weights, each (R,)."""
        return weights @ self._values, weights @ self._there.astype(np.float64)

    def value(self, totals: tuple[FloatArray, ...]) -> FloatArray:
        """The mean (R,); nan where no document has a value."""
        total, size = totals
        return np.divide(total, size, out=np.full_like(size, np.nan), where=size > 0)


def mean_interval(
    values: npt.ArrayLike, *, seed: int, resamples: int = RESAMPLES, level: float = 0.95
) -> Interval:
    """The mean of values (N,), N ≥ 2, with its interval; of paired differences, the interval of a gain.

    Percentile, because BCa is undefined where all values are equal, as for a system that did not change.
    """
    from scipy.stats import bootstrap

    data = np.asarray(values, dtype=np.float64)
    if len(data) < 2 or not np.isfinite(data).all():
        raise MeasureError(f"{len(data)} values: an interval needs at least two, all of them finite")
    found = bootstrap(
        (data,),
        np.mean,
        n_resamples=resamples,
        batch=_BATCH,
        method="percentile",
        confidence_level=level,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(data.mean()), float(found.low), float(found.high))


def measure_interval(
    measure: DocumentMeasure, *, seed: int, resamples: int = RESAMPLES, level: float = 0.95
) -> Interval:
    """A measure with its interval, documents resampled; the measure's own definition applies to each resample."""
    return _interval(
        measure.documents, lambda weights: measure.value(measure.totals(weights)), seed, resamples, level
    )


def paired_interval(
    first: DocumentMeasure,
    second: DocumentMeasure,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval:
    """`first` − `second` over the same documents, both computed again in each resample."""
    _check_pair(first, second)

    def difference(weights: FloatArray) -> FloatArray:
        return first.value(first.totals(weights)) - second.value(second.totals(weights))

    return _interval(first.documents, difference, seed, resamples, level)


def permutation_p(
    first: DocumentMeasure, second: DocumentMeasure, *, seed: int, permutations: int = RESAMPLES
) -> float:
    """Two-sided p of |first − second| when each document's two outcomes are exchangeable (Fisher 1935; Noreen 1989).

    p = (b + 1)/(m + 1) with b of m random exchanges at least as far apart: never 0. 1 where the systems do not differ
    in anything that the measure sees; nan where the measure is not defined.
    """
    _check_pair(first, second)
    n = first.documents
    ones = np.ones((1, n))
    observed = abs(float((first.value(first.totals(ones)) - second.value(second.totals(ones)))[0]))
    if math.isnan(observed):
        return math.nan
    rng = np.random.default_rng(seed)
    as_far = 0
    for size in _batches(permutations):
        kept = rng.integers(0, 2, (size, n)).astype(np.float64)
        one = first.value(_sum(first.totals(kept), second.totals(1 - kept)))
        other = first.value(_sum(first.totals(1 - kept), second.totals(kept)))
        # Sums in another order differ by roundings: what is as far within them counts as as far.
        as_far += int((np.abs(one - other) >= observed - 1e-12).sum())
    return (as_far + 1) / (permutations + 1)


def shown_p(p: float) -> str:
    """A p in four decimals; a smaller one in two digits."""
    return f"{p:.4f}" if p >= 0.001 else f"{p:.2g}"


def paired_t_p(differences: npt.ArrayLike) -> float:
    """Two-sided p of the paired t-test on differences (N,); nan where they do not vary, so that there is no t."""
    from scipy.stats import ttest_1samp

    data = np.asarray(differences, dtype=np.float64)
    if len(data) < 2 or not np.ptp(data):
        return math.nan
    return float(ttest_1samp(data, 0.0).pvalue)


def wilcoxon_p(differences: npt.ArrayLike) -> tuple[float, str]:
    """Two-sided p of Wilcoxon's signed-rank test on differences (N,), zeros left out, and how it was computed.

    By scipy's rule: exactly up to 50 differences; where one of them is zero or two are equally large, over all signs up
    to 13, and by the normal approximation beyond. One query more or less can change the method, and p with it: hence
    its name. nan where all differences are zero.
    """
    from scipy.stats import PermutationMethod, wilcoxon

    data = np.asarray(differences, dtype=np.float64)
    if not data.any():
        return math.nan, "no difference"
    plain = bool(data.all()) and len(np.unique(np.abs(data))) == len(data)
    if plain and len(data) <= 50:
        return float(wilcoxon(data, method="exact").pvalue), "exact"
    if not plain and len(data) <= 13:  # scipy goes over all 2^13 signs then, and draws none
        return float(wilcoxon(data, method=PermutationMethod()).pvalue), "exact, over all signs"
    return float(wilcoxon(data, method="asymptotic").pvalue), "normal approximation"


class Corrected(NamedTuple, Generic[Name]):
    """p-values after correction, by name; `undefined`: the names whose p is nan, which were not part of it."""

    p: dict[Name, float]
    undefined: list[Name]


def holm(p: Mapping[Name, float]) -> Corrected[Name]:
    """Holm's step-down correction (1979): the i-th smallest of m is multiplied by m − i + 1, and none falls below
    the one before it. A comparison without a p-value is no test: it is taken out first.
    """
    undefined = [name for name, value in p.items() if math.isnan(value)]
    order = sorted((name for name in p if name not in set(undefined)), key=lambda name: p[name])
    if order and not (p[order[0]] >= 0 and p[order[-1]] <= 1):
        raise MeasureError("a p-value below 0 or above 1")
    corrected: dict[Name, float] = {}
    highest = 0.0
    for place, name in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p[name]))
        corrected[name] = highest
    return Corrected({name: corrected[name] for name in p if name in corrected}, undefined)


def _interval(
    n: int, statistic: Callable[[FloatArray], FloatArray], seed: int, resamples: int, level: float
) -> Interval:
    from scipy.stats import bootstrap

    if n < 2:
        raise MeasureError(f"{n} documents: an interval needs at least two")
    value = float(statistic(np.ones((1, n)))[0])
    if math.isnan(value):
        raise MeasureError("the measure is not defined for these documents: nothing to resample")

    def of_rows(rows: npt.NDArray[np.int64], axis: int = -1) -> FloatArray:
        drawn = rows.reshape(-1, n)
        places = drawn + n * np.arange(len(drawn))[:, None]
        weights = np.bincount(places.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)
        return statistic(weights).reshape(rows.shape[:-1])

    found = bootstrap(
        (np.arange(n),),
        of_rows,
        vectorized=True,
        n_resamples=resamples,
        batch=_BATCH,
        method="percentile",
        confidence_level=level,
        rng=np.random.default_rng(seed),
    )
    return Interval(value, *_quantiles(found.bootstrap_distribution, level))


def _quantiles(distribution: FloatArray, level: float) -> tuple[float, float]:
    """Without resamples in which the measure is not defined: they say nothing of its value."""
    low, high = np.nanquantile(distribution, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _batches(count: int) -> Iterator[int]:
    for start in range(0, count, _BATCH):
        yield min(_BATCH, count - start)


def _sum(left: tuple[FloatArray, ...], right: tuple[FloatArray, ...]) -> tuple[FloatArray, ...]:
    return tuple(one + other for one, other in zip(left, right, strict=True))


def _check_pair(first: DocumentMeasure, second: DocumentMeasure) -> None:
    if first.documents != second.documents:
        raise MeasureError(
            f"{first.documents} documents of one system and {second.documents} of the other cannot be paired"
        )
