import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Int8s = npt.NDArray[np.int8]
UInt16s = npt.NDArray[np.uint16]
UInt32s = npt.NDArray[np.uint32]
Words = npt.NDArray[np.uint64]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]

form: str
"""The instruction set that this process computes with: `baseline`, `avx2` or `avx512`."""

# Sorted tables of strings: string i is data[offsets[i] : offsets[i + 1]].

def find_strings(data: Bytes, offsets: Int64s, wanted: Bytes, bounds: Int64s, found: Int64s, /) -> None:
    """For each wanted string its row → `found`, -1 where it is absent."""

def align_strings(
    a: Bytes, a_offsets: Int64s, b: Bytes, b_offsets: Int64s, a_map: Int64s, b_map: Int64s, /
) -> int:
    """Number the union of two tables in order; fill each table's map to it; return its size."""

def place_strings(
    source: Bytes, offsets: Int64s, new_rows: Int64s, target: Bytes, target_offsets: Int64s, /
) -> None:
    """Copy each string to its new row; -1 leaves it out."""

# -- words -------------------------------------------------------

# -- select ------------------------------------------------------

# -- postings ----------------------------------------------------

# -- scoring -----------------------------------------------------

# -- rankings ----------------------------------------------------

# -- planes ------------------------------------------------------

# -- codes -------------------------------------------------------

# -- signs -------------------------------------------------------

def count_differing(bits: Words, query: Words, distances: UInt32s, /) -> None:
    """How many bits of each row of `bits` (N,W) differ from the query's (W,) → `distances` (N,)."""

def least_distant(distances: UInt32s, live: Bools, count: int, farthest: int, /) -> Int64s:
    """The `count` ≥ 0 rows (or all there are) of least distance among the live ones, ties by row; in row order.

    `live` (N,), or empty: all are; `farthest` is the largest distance.
    """

# -- dot ---------------------------------------------------------

# Lane l of 32 adds the products l, l + 32, l + 64 …, nothing fused; the lanes are folded in halves, and what is left
# behind the last 32 is added in order. `vectors` (N,D) are float32, the bits of float16 as uint16, or int8, `queries`
# (B,D) float32. `scales` (N,), or empty for ones: a row's sum is multiplied by its scale.

def dot_tiles(
    vectors: Float32s | UInt16s | Int8s,
    scales: Float32s,
    queries: Float32s,
    first: int,
    end: int,
    tile: int,
    scores: Float32s,
    /,
) -> None:
    """Inner products of rows [first, end) → scores[query, row]; `tile` rows at a time, which all queries pass over."""

def dot_rows(
    vectors: Float32s | UInt16s | Int8s,
    scales: Float32s,
    queries: Float32s,
    rows: Int64s,
    scores: Float32s,
    /,
) -> None:
    """Inner products of the first query and vectors[rows[i]] → scores[i]."""

# -- winners -----------------------------------------------------

def take_largest(scores: Float32s, segments: int, each: int, dims: UInt32s, /) -> None:
    """The `each` largest of every segment of scores[row], none NaN → dims[row], rising; of equal ones the lower."""

def count_votes(z: Float32s, winners: int, segments: int, votes: Int64s, values: Float32s, /) -> None:
    """Add for each token of z (T,n), all finite, its winners to `votes` (n,), and raise `values` (n,) to their z.

    So many winners in each of `segments` equal parts; of equal z the lower dimension wins.
    """
