"""A part of labelled documents that has each label in proportion: iterative stratification (Sechidis et al. 2011).

A random tenth of a skewed collection has no document of its rare labels, and a threshold chosen on it is chosen on
nothing. Documents are given out label by label, the rarest first, to the part that lacks that label most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retrieve.errors import UsageError

IntArray = npt.NDArray[np.int64]

SLACK = 0.02
"""How much of its size the part may be larger or smaller, so that frequent labels keep their share."""


def stratified_split(targets: npt.ArrayLike, share: float, *, seed: int) -> tuple[IntArray, IntArray]:
    """Targets (N,L), 0 or 1 → rows of the rest and rows of the part, both rising, neither empty.

    `share` counts of all N: for two parts, split off one and then a share of what is left. Documents of exactly one
    label (a multi-class task) are divided class by class, each within one document of its share, and the part has
    round(share·N) rows. Otherwise labels come within one document where those of the rarer labels leave that open, and
    the size within `SLACK` of that. The same seed gives the same rows.

    Raises `UsageError` unless 0 < share < 1, or if a side would be empty.
    """
    true = np.asarray(targets)
    if true.ndim != 2 or not ((true == 0) | (true == 1)).all():
        raise UsageError(f"targets of shape {true.shape}: wanted 0 or 1 for each document and label (N,L)")
    size = round(share * len(true)) if 0 < share < 1 else 0
    if not 0 < size < len(true):
        raise UsageError(
            f"a share of {share} of {len(true)} documents is {size} of them: wanted more than 0 and less than 1, "
            "and a document on either side"
        )
    rng = np.random.default_rng(seed)
    if (true.sum(1) == 1).all():
        inside = _by_class(true.argmax(1), true.shape[1], size, rng)
    else:
        inside = _iterative(true.astype(bool), size, rng)
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def grouped_split(
    targets: npt.ArrayLike, groups: Sequence[str | None], share: float, *, seed: int
) -> tuple[IntArray, IntArray]:
    """`stratified_split` of whole groups: `groups` (N,) names each document's, None is a group of one document.

    A group has the labels that any of its documents has, and `share` counts groups. Raises `UsageError` as that does.
    """
    if all(group is None for group in groups):
        return stratified_split(targets, share, seed=seed)
    true = np.asarray(targets)
    numbers: dict[str | int, int] = {}
    of_row = np.array(
        [
            numbers.setdefault(row if group is None else group, len(numbers))
            for row, group in enumerate(groups)
        ]
    )
    labels = np.zeros((len(numbers), true.shape[1]), dtype=true.dtype)
    np.maximum.at(labels, of_row, true)
    _, part = stratified_split(labels, share, seed=seed)
    inside = np.isin(of_row, part)
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def _by_class(classes: IntArray, count: int, size: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Each class gives the whole part of its share; those with the largest remainders give one more (ties by lot)."""
    number = np.bincount(classes, minlength=count)
    share = number * size / len(classes)
    taken = np.floor(share + 1e-9).astype(np.int64)
    order = rng.permutation(count)
    order = order[np.argsort(-np.round(share - taken, 9)[order], kind="stable")]
    taken[order[: size - taken.sum()]] += 1
    inside = np.zeros(len(classes), dtype=bool)
    for label in range(count):
        inside[rng.permutation(np.flatnonzero(classes == label))[: taken[label]]] = True
    return inside


def _iterative(true: npt.NDArray[np.bool_], size: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Side 0 is the rest, side 1 the part. `wanted[side, label]` and `room[side]`: what each still lacks."""
    n = len(true)
    shares = np.array([1 - size / n, size / n])
    rows_of = [np.flatnonzero(column) for column in np.ascontiguousarray(true.T)]
    labels_of = [np.flatnonzero(row) for row in true]
    left = true.sum(0)  # documents of each label that no side has yet
    wanted = shares[:, None] * left
    room = np.array([n - size, size], dtype=np.float64)
    side = np.full(n, -1)
    while (alive := np.flatnonzero(left > 0)).size:
        label = rng.choice(alive[left[alive] == left[alive].min()])
        for row in rng.permutation(rows_of[label][side[rows_of[label]] < 0]):
            to = _lacking(wanted[:, label], room, math.floor(SLACK * size), rng)
            side[row] = to
            wanted[to, labels_of[row]] -= 1
            left[labels_of[row]] -= 1
            room[to] -= 1
    rows = rng.permutation(np.flatnonzero(side < 0))  # without labels: they fill up the part
    side[rows] = 0
    side[rows[: max(int(room[1]), 0)]] = 1
    return np.asarray(side == 1)


def _lacking(
    wanted: npt.NDArray[np.float64], room: npt.NDArray[np.float64], slack: int, rng: np.random.Generator
) -> int:
    """The side that lacks the label most, then the one that lacks documents most, then by lot; a full one, never."""
    if room.min() <= -slack:
        return int(room.argmax())
    for lacks in (wanted, room):
        if abs(lacks[0] - lacks[1]) > 1e-9:
            return int(lacks.argmax())
    return int(rng.integers(2))
