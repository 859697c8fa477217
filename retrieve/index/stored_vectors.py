"""Vectors in the form in which an index keeps them, and all that is done with them without knowing that form.

Numbers are float32, float16, or int8 with a scale for each vector; sign bits may stand beside them for a first look.
Rows are copied between segments as the bytes they are: nothing is rounded a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from retrieve.errors import IndexCorrupt
from retrieve.index.arrays import Array, Float32s, Int64s
from retrieve.index.sign_bits import Words, sign_bits, sign_words
from retrieve.index.vectors import Spread, flat_scores, score_rows

Numbers: TypeAlias = Literal["float32", "float16", "int8"]
Rows: TypeAlias = slice | Int64s | list[int]

_NUMBERS: tuple[Numbers, ...] = get_args(Numbers)
_LARGEST = 127  # of int8, with its negative


class Form(NamedTuple):
    """How vectors are kept: the type of their numbers, and whether sign bits stand beside them."""

    numbers: Numbers
    signs: bool = False

    @classmethod
    def of(cls, storage: Numbers | Literal["binary"], rescore: Numbers) -> Form:
        """The form that a recipe's `storage` and `rescore` ask for."""
        return cls(rescore, signs=True) if storage == "binary" else cls(storage)

    def arrays(self, rows: int, dimensions: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Type and shape of each array that holds so many vectors, by name."""
        arrays: dict[str, tuple[str, tuple[int, ...]]] = {"vectors": (self.numbers, (rows, dimensions))}
        if self.numbers == "int8":
            arrays["scales"] = ("float32", (rows,))
        if self.signs:
            arrays["bits"] = ("uint64", (rows, sign_words(dimensions)))
        return arrays


@dataclass(frozen=True, eq=False, slots=True)
class StoredVectors:
    """P vectors of D dimensions: `numbers` (P,D), for int8 `scales` (P,) float32, and maybe `bits` (P,W) uint64.

    Slicing gives a view, choosing rows a copy, both in the same form.
    """

    numbers: Array
    scales: Float32s | None = None
    bits: Words | None = None

    @classmethod
    def make(
        cls, form: Form, rows: int, dimensions: int, new: Callable[[str, str, tuple[int, ...]], Array]
    ) -> StoredVectors:
        """Room for so many vectors, to be filled by `write`; `new` makes an array of a name, type and shape."""
        arrays = {name: new(name, *wanted) for name, wanted in form.arrays(rows, dimensions).items()}
        return cls(arrays["vectors"], arrays.get("scales"), arrays.get("bits"))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> StoredVectors:
        """Take the arrays back from a store. Raises IndexCorrupt where they do not make vectors of one form."""
        found = {name: (array.dtype.name, array.shape) for name, array in arrays.items()}
        dtype, shape = found.get("vectors", ("", ()))
        if dtype not in _NUMBERS or len(shape) != 2:
            raise IndexCorrupt(
                f"found the arrays {found}, wanted vectors (P,D) of {', '.join(_NUMBERS)}: restore them, or build again"
            )
        form = Form(_NUMBERS[_NUMBERS.index(dtype)], signs="bits" in arrays)
        if found != (wanted := form.arrays(*shape)):
            raise IndexCorrupt(f"found the arrays {found}, wanted {wanted}: restore them, or build again")
        return cls(arrays["vectors"], arrays.get("scales"), arrays.get("bits"))

    def arrays(self) -> dict[str, Array]:
        """The arrays by their names in a store."""
        found = {"vectors": self.numbers, "scales": self.scales, "bits": self.bits}
        return {name: array for name, array in found.items() if array is not None}

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self.numbers.shape[1])

    def __getitem__(self, rows: Rows) -> StoredVectors:
        return StoredVectors(
            self.numbers[rows],
            None if self.scales is None else self.scales[rows],
            None if self.bits is None else self.bits[rows],
        )

    def write(self, rows: Rows, others: StoredVectors) -> None:
        """Put vectors of the same form in the place of these rows."""
        theirs = others.arrays()
        for name, array in self.arrays().items():
            array[rows] = theirs[name]

    def flush(self) -> None:
        """Hand on to the disk what was written into memory maps."""
        for array in self.arrays().values():
            if isinstance(array, np.memmap):
                array.flush()

    def same(self, others: StoredVectors) -> bool:
        """Whether the others are these, number by number."""
        theirs = others.arrays()
        return all(np.array_equal(array, theirs[name]) for name, array in self.arrays().items())

    def tobytes(self) -> bytes:
        """What is stored, as one string for a digest."""
        return b"".join(np.ascontiguousarray(array).tobytes() for array in self.arrays().values())

    def take(self, rows: Rows = slice(None)) -> Float32s:
        """The vectors themselves (R,D) float32, as near as they were kept."""
        vectors = np.asarray(self.numbers[rows], np.float32)
        return vectors if self.scales is None else vectors * self.scales[rows][:, None]

    def scores(self, queries: Float32s, *, spread: Spread | None = None) -> Float32s:
        """queries (B,D) float32 → inner products with every stored vector (B,P) float32; see `flat_scores`."""
        return flat_scores(self.numbers, queries, self.scales, spread=spread)

    def score_rows(self, query: Float32s, rows: Int64s) -> Float32s:
        """query (D,) float32 → the same scores of some rows, (R,) float32."""
        return score_rows(self.numbers, query, rows, self.scales)


def encode_vectors(form: Form, vectors: Array) -> StoredVectors:
    """vectors (P,D) of any float type → their stored form.

    int8: the scale is the largest |component| / 127, a number the component / scale, rounded half to even.
    """
    bits = sign_bits(vectors) if form.signs else None
    if form.numbers != "int8":
        return StoredVectors(vectors.astype(form.numbers), bits=bits)
    wide = np.asarray(vectors, np.float32)
    scales = np.abs(wide).max(axis=1, initial=0) / np.float32(_LARGEST)
    steps = np.rint(wide / np.where(scales > 0, scales, np.float32(1))[:, None])
    # Only a scale too small to be a normal number is so coarse that a step could pass the limit.
    return StoredVectors(steps.clip(-_LARGEST, _LARGEST).astype(np.int8), scales, bits)
