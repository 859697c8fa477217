"""The head of UHD as numbers: a projection, the mean taken off before it, and how many dimensions win.

It is apart from the torch module so that an index makes and reads heads without torch. The untrained head is made of
numbers that depend on the seed alone, so that an index needs to keep no more of it than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.folder import Module
from retrieve.encoders.folder_files import weight_files
from retrieve.errors import DimensionMismatch, EncoderError, UsageError
from retrieve.types import MOST_QUERY_WINNERS

Float32s = NDArray[np.float32]

STEPS = 32

LEAST_SHARE, MOST_LEFT = 0.5, 0.2
"""At least so much of the documents' mean is taken off a query, and what is left of it is at most so long as a share of
the length of what lies around the mean: see `query_share`."""

_DRAWN = 1 << 20  # numbers drawn at a time


@dataclass(frozen=True, slots=True)
class Head:
    """`weight` (n,H) and `mean` (H,) float32: z = weight · (vector − mean); the largest of z win, ties by dimension.

    A query has `query_mean` (H,) taken off instead; None: `mean` too, as from a document.

    `dimensions` n is cut into as many `segments`, each with an equal share of the `winners` (of a document) and
    `query_winners`. Raises `UsageError` for numbers that cannot be, `DimensionMismatch` for arrays of other shapes.
    """

    weight: Float32s
    mean: Float32s
    dimensions: int
    winners: int
    query_winners: int
    segments: int = 1
    query_mean: Float32s | None = None

    def __post_init__(self) -> None:
        check_numbers(self.dimensions, self.winners, self.query_winners, self.segments)
        if self.weight.ndim != 2 or len(self.weight) != self.dimensions:
            raise DimensionMismatch(
                f"the head's weight has shape {self.weight.shape}, wanted ({self.dimensions}, hidden)"
            )
        check_mean(self.mean.shape, (self.hidden,))
        if self.query_mean is not None:
            check_mean(self.query_mean.shape, (self.hidden,))

    @property
    def hidden(self) -> int:
        """H of the vectors it takes."""
        return int(self.weight.shape[1])


def load_head(module: Module, level: str = "text") -> Head:
    """The head in a checked folder's `WinnerTakeAll` of this level and one layer, without torch.

    Raises `EncoderError` for weights that cannot be read or are not finite and for settings that cannot be,
    `DimensionMismatch` for weights that do not fit the settings.
    """
    settings = module.settings
    if not {"hidden", "dimensions", "winners"} <= settings.keys() or settings.get("level", "text") != level:
        raise EncoderError(
            f"{module.folder} has no settings of a {level}-level head: save it with WinnerTakeAll.save"
        )
    _check_settings(module)
    arrays = _arrays(module)
    winners = settings["winners"]
    try:
        head = Head(
            arrays["weight"],
            arrays["mean"],
            settings["dimensions"],
            winners,
            settings.get("query_winners") or winners,
            settings.get("segments", 1),
            arrays.get("query_mean"),
        )
    except (UsageError, DimensionMismatch) as error:
        raise type(error)(f"{module.folder}: {error}") from error
    if head.hidden != settings["hidden"]:
        raise DimensionMismatch(
            f"{module.folder}: weights for vectors of {head.hidden} dimensions, its settings say {settings['hidden']}"
        )
    return head


def _check_settings(module: Module) -> None:
    numbers = {"query_winners": None, "segments": 1, **module.settings}
    for name in ("hidden", "dimensions", "winners", "query_winners", "segments"):
        value = numbers[name]
        if value is None and name == "query_winners":
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise EncoderError(
                f"{module.folder}: {name} is {value!r}, wanted a whole number: save it with WinnerTakeAll.save"
            )


def _arrays(module: Module) -> dict[str, Float32s]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    found: dict[str, Any] = {}
    for path in weight_files(module.folder):
        try:
            found |= load_file(path)
        except (SafetensorError, OSError, KeyError, TypeError) as error:
            raise EncoderError(f"{path} cannot be read: {error!r}") from error
    wanted = ["weight", "mean"] + (["query_mean"] if module.settings.get("own_query_mean") else [])
    missing = set(wanted) - found.keys()
    if missing:
        raise EncoderError(f"{module.folder}: the weights lack {', '.join(sorted(missing))}")
    arrays = {name: np.asarray(found[name], dtype=np.float32) for name in wanted}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise EncoderError(f"{module.folder}: {name} holds NaN or infinite values: the file is damaged")
    return arrays


def gaussian(dimensions: int, hidden: int, seed: int) -> Float32s:
    """(dimensions, hidden) float32 from N(0, 1/hidden): `gaussian_steps` in units of 1 / (STEPS · √hidden)."""
    return gaussian_steps(dimensions, hidden, seed) * gaussian_factor(hidden)


def gaussian_factor(hidden: int) -> np.float32:
    """What a step of `gaussian_steps` stands for in `gaussian`."""
    return np.float32(1 / (STEPS * np.sqrt(hidden)))


def gaussian_steps(dimensions: int, hidden: int, seed: int) -> NDArray[np.int8]:
    """(dimensions, hidden) int8: N(0, 1) in steps of 1/STEPS, within four standard deviations.

    Numpy's PCG64 of the seed, row after row, in float64: no version of torch has a part in it, and rows do not depend
    on how many follow. One byte a number, because a query reads all of the matrix and that is what it waits for.
    """
    source = np.random.Generator(np.random.PCG64(seed))
    steps = np.empty((dimensions, hidden), np.int8)
    rows = max(1, _DRAWN // hidden)  # at a time: all of them as float64 would take eight times the matrix
    for start in range(0, dimensions, rows):
        part = steps[start : start + rows]
        part[:] = np.rint(source.standard_normal(part.shape) * STEPS).clip(-127, 127)
    return steps


def query_share(mean: Float32s) -> float:
    """How much of the mean (H,) of unit vectors an untrained head takes off queries: from `LEAST_SHARE` to 1.

    Queries that keep a little of the mean do better: for MiniLM, whose mean is .36 long, nDCG@10 at n = 8,192 and
    m = 512 is .626 with all of it taken off and .636 with half, over SciFact's 1,109 judged queries (three seeds), and
    .420 and .418 on Vaswani (four). Where vectors crowd around a long mean, so much of it would outshout what tells
    them apart.
    """
    length = float(np.linalg.norm(mean))
    if length == 0:
        return 1.0
    around = np.sqrt(max(0.0, 1 - length**2))
    return float(1 - min(1 - LEAST_SHARE, MOST_LEFT * around / length))


def check_numbers(dimensions: int, winners: int, query_winners: int, segments: int) -> None:
    """Raise `UsageError` unless segments divide everything and no more win than there are."""
    for name, value in (("dimensions", dimensions), ("segments", segments)):
        if value < 1:
            raise UsageError(f"{name} is {value}, wanted at least 1")
    for name, value in (("winners", winners), ("query_winners", query_winners)):
        if not 1 <= value <= dimensions:
            raise UsageError(
                f"{name} is {value}, wanted 1 to {dimensions}, the dimensions: change one of them"
            )
    for name, value in (
        ("dimensions", dimensions),
        ("winners", winners),
        ("query_winners", query_winners),
    ):
        if value % segments:
            raise UsageError(
                f"{name} is {value}, wanted a multiple of segments = {segments}, which share it equally"
            )
    if query_winners > MOST_QUERY_WINNERS:
        raise UsageError(
            f"query_winners is {query_winners}, wanted at most {MOST_QUERY_WINNERS}, which is what is counted to: "
            "lower it"
        )


def check_mean(found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Raise `DimensionMismatch` unless the shapes of a mean are equal."""
    if found != wanted:
        raise DimensionMismatch(
            f"a mean of shape {found}, wanted {wanted}: take it over vectors of the encoder that the head is for"
        )
