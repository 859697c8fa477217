"""The unstable order of numba's quicksort: as recorded, and as numba gives it where it is installed."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest

from retrieve.measures.conventions.quicksort import quicksort_order


def tied(size: int, values: int) -> np.ndarray:
    """Numbers in no order, of so many different values."""
    return np.array([(i * i * 7 + i // 3) % values for i in range(size)], float)


@pytest.mark.parametrize(
    ("size", "values", "recorded"),
    [
        (15, 1, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14"),
        (16, 1, "14 13 12 11 10 9 8 7 6 5 4 3 2 1 0 15"),
        (16, 3, "9 8 7 0 3 1 10 11 12 2 4 5 6 15 13 14"),
        (20, 4, "0 17 2 3 5 15 14 12 16 19 7 4 11 8 6 18 9 10 13 1"),
        (32, 5, "30 26 24 23 22 11 9 8 15 7 0 29 14 20 5 28 27 1 13 16 31 12 19 4 2 25 17 10 6 21 3 18"),
    ],
)
def test_ties_come_as_recorded(size: int, values: int, recorded: str) -> None:
    assert " ".join(map(str, quicksort_order(tied(size, values)))) == recorded


@pytest.mark.parametrize(
    ("size", "values", "recorded"),
    [(500, 1, "d931c214dfad1dbb"), (1_000, 10, "6b9eeef1300cb4c8"), (5_000, 300, "16d8f21b2e17545b")],
)
def test_long_orders_have_the_recorded_digest(size: int, values: int, recorded: str) -> None:
    assert sha256(quicksort_order(tied(size, values)).astype("<i8").tobytes()).hexdigest()[:16] == recorded


@pytest.mark.long
def test_the_order_is_numbas() -> None:
    numba = pytest.importorskip("numba")

    @numba.njit
    def argsort(values: np.ndarray) -> np.ndarray:
        return np.argsort(values)

    random = np.random.default_rng(0)
    special = [-np.inf, -1.0, -0.0, 0.0, 1.0, np.inf, np.nan]
    for size in [*range(70), *random.integers(70, 400, 300), 3_000, 10_000]:
        for values in (
            random.integers(0, random.choice([1, 2, 10, 1_000]), size).astype(float),
            random.choice(special, size),
            np.sort(random.integers(0, 20, size).astype(float))[:: random.choice([-1, 1])],
        ):
            assert quicksort_order(values).tolist() == argsort(values).tolist()
