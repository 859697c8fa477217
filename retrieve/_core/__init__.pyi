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

UNIT: int
"""Words of 64 bits that a bitmap's are a multiple of: what the widest register holds."""

LEAST_PLANES: int
"""Planes that the least query needs."""

def find_entries(dims: UInt32s, dimensions: int, query: UInt32s, found: Int64s, /) -> int:
    """The entries of a block that a query has, both rising → `found` (m_q,), of which the first so many are filled."""

def count_block(
    dims: UInt32s,
    sizes: Int32s,
    places: Int64s,
    lists: UInt16s,
    bitmaps: Words,
    dimensions: int,
    starts: Int64s,
    winners: UInt32s,
    planes: Words,
    first: int,
    words: int,
    /,
) -> None:
    """Count what a block's rows share with each query q into planes[q, :, first : first + words], which are 0.

    The block is a `CountedBlock`, whose bitmaps have `words`; query q has winners[starts[q]:starts[q+1]]. `planes` is
    (B,planes,W), with as many planes as the largest count has bits, and `LEAST_PLANES` at least.
    """

def counts_at(planes: Words, rows: Int64s, /) -> Int64s:
    """Counts of some rows (R,) in planes (planes,W)."""

def best_rows(planes: Words, live: Words, k: int, /) -> tuple[Int64s, Int64s]:
    """Rows and counts of the k best rows with a count above 0, by (−count, row).

    `live` (W,) is the bitmap of the rows that may be found, or empty: all.
    """

# -- codes -------------------------------------------------------

# Row i has the winners dims[starts[i]:starts[i+1]]. Entries are those of a `CountedBlock`, whose bitmaps have `words`.

def first_wrong(starts: Int64s, dims: UInt32s, dimensions: int, /) -> int:
    """The first row whose winners do not rise strictly or pass the last dimension, or -1."""

def count_dims(entries: UInt32s, counts: Int64s, /) -> None:
    """counts[entry] += 1 for each winner."""

def sort_rows(starts: Int64s, entries: UInt32s, first: int, cursors: Int64s, sorted_rows: UInt16s, /) -> None:
    """Winners row by row → rows entry by entry, counted on from `first`.

    `cursors` holds where each entry's next row goes and is moved on.
    """

def place_rows(
    sizes: Int32s, places: Int64s, sorted_rows: UInt16s, lists: UInt16s, bitmaps: Words, /
) -> None:
    """Each entry's rows to where they are stored; `bitmaps` must be 0 everywhere."""

def count_winners(
    sizes: Int32s, places: Int64s, lists: UInt16s, bitmaps: Words, words: int, counts: Int64s, /
) -> None:
    """counts[row] += 1 for each dimension that a row of the block has, (rows,)."""

def unpack_winners(
    dims: UInt32s,
    sizes: Int32s,
    places: Int64s,
    lists: UInt16s,
    bitmaps: Words,
    words: int,
    new_rows: Int64s,
    cursors: Int64s,
    winners: UInt32s,
    /,
) -> None:
    """Write the block's dimensions to their rows: new_rows[row] is the row's number among `cursors`, or outside it.

    `cursors` holds where each new row's next winner goes and is moved on; dimensions come rising.
    """

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
