import numpy as np
import numpy.typing as npt

from retrieve.index.blocks import Blocks

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

def able_forms() -> tuple[str, ...]:
    """The forms that this processor runs, the richest last."""

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

def take_strings(data: Bytes, offsets: Int64s, rows: Int64s, /) -> list[str]:
    """The strings at some rows; IndexError for one that is not there."""

# -- words -------------------------------------------------------

class WordTable:
    """Distinct words, numbered in the order in which they were first met."""

    def __init__(self, lower: bool) -> None:
        """`lower`: capitals of ASCII are one word with their small letters."""

    @property
    def bytes(self) -> int:
        """How many bytes of words there are."""

    def __len__(self) -> int: ...
    def numbers(self, text: str, /) -> UInt32s:
        """The number of each word of a text, in order."""

    def since(self, first: int, /) -> list[str]:
        """The words from a number on, as they stood in the text."""

    def clear(self) -> None:
        """Forget them."""

class TermRows:
    """Rows of terms: each distinct word is given the numbers of its terms once, and rows are made of these."""

    def __init__(self, lower: bool) -> None: ...
    @property
    def words(self) -> int:
        """How many distinct words there are."""

    @property
    def waiting(self) -> int:
        """How many words there are in rows that are not settled."""

    def add(self, texts: list[str], /) -> None:
        """Add a row of the words of some texts."""

    def since(self, first: int, /) -> list[str]:
        """The distinct words from a number on, as they stood in the text."""

    def define(self, counts: UInt32s, terms: UInt32s, /) -> None:
        """Of the next words in order: how many terms each has, and the numbers of all of these."""

    def settle(self) -> None:
        """Turn the words of the rows that wait into their terms; all words have to be defined."""

    def take(self) -> tuple[UInt32s, Int64s]:
        """The terms of all rows, one after the other, and where each row starts; they are gone from here then."""

def word_spans(text: str, /) -> tuple[Int64s, Int64s]:
    """Start and end of each word of a text, one after the other, and which words are runs of an unspaced script."""

def count_words(text: str, /) -> int:
    """How many words a text has, or -1 where some are runs of an unspaced script."""

def find_breaks(text: str, /) -> tuple[Int64s, Int64s, Int64s]:
    """Where paragraphs, sentences and words of a text end, rising."""

# -- select ------------------------------------------------------

def best_groups(
    scores: Float32s | Float64s, k: int, groups: UInt32s, live: Bools, floor: float, /
) -> tuple[Float64s, Int64s]:
    """Scores and rows of the k best groups above the floor, rows rising; NaN is never above it.

    `groups` (rows,) do not fall (empty: each row is one), `live` (rows,) marks what may be found (empty: all). A group
    stands for its best row, the first among equals; of equal groups the first are kept.
    """

# -- postings ----------------------------------------------------
# In the making: rows of terms → (term, frequency) pairs row by row → postings term by term; and back again.

BLOCK: int
"""Rows in a block: as many as two bytes can number."""

ESCAPE: int
"""The stored frequency that sends the reader to the overflow list; one less is the largest that stands for itself."""

def count_rows(
    term_ids: UInt32s,
    starts: Int64s,
    slots: Int64s,
    pair_starts: Int64s,
    terms: UInt32s,
    frequencies: UInt32s,
    /,
) -> int:
    """Occurrences row by row → distinct (term, frequency) pairs row by row; returns how many.

    `slots` (V,) must be -1 everywhere at first: it remembers where the current row put a term.
    """

def find_repeated(term_ids: UInt32s, starts: Int64s, seen: Int64s, /) -> int:
    """The place of a term that its row had already, or -1; `seen` (V,) must be -1 everywhere at first."""

def count_each(numbers: UInt32s, counts: Int64s, /) -> None:
    """counts[number] += 1 for each: of terms as of dimensions."""

def pack_pairs(
    pair_starts: Int64s,
    terms: UInt32s,
    frequencies: UInt32s,
    cursors: Int64s,
    local_rows: UInt16s,
    tfs: Bytes,
    overflow_positions: Int64s,
    overflow_values: UInt32s,
    /,
) -> None:
    """Pairs row by row → postings term by term; `cursors` (V,) holds each term's first posting and is moved on.

    The overflow comes out in the order of the rows: the caller sorts it by posting.
    """

def terms_in_block(
    blocks: Blocks, block: int, rows: Int64s, owners: UInt32s, terms: UInt32s, frequencies: UInt32s, /
) -> int:
    """The postings of some rows (R,) of a block, rising and counted from its first; returns how many there are.

    Posting i is of row `owners[i]` of these; they come by term.
    """

def count_kept(blocks: Blocks, new_rows: Int64s, counts: Int64s, /) -> None:
    """counts[new row] += 1 for each posting whose row is kept (new row ≥ 0)."""

def unpack_block(
    blocks: Blocks,
    block: int,
    new_terms: Int64s,
    new_rows: Int64s,
    target: int,
    cursors: Int64s,
    terms: UInt32s,
    frequencies: UInt32s,
    /,
) -> None:
    """Write one old block's postings as pairs into the new block of rows [target, target + len(cursors)).

    `cursors` holds where each new row's next pair goes and is moved on.
    """

def count_marked(blocks: Blocks, marked: Bools, counts: Int64s, /) -> None:
    """counts[term] += 1 for each posting of a marked row; `marked` (rows,) bool."""

# -- scoring -----------------------------------------------------
# A posting adds weight · saturation, which is tf / (tf + base + slope · length); neither of the two is below 0.
# Contributions are added up in the order of the query's terms.

FREQUENCIES: int
"""Term frequencies below this are in the table of saturations."""

LENGTHS: int
"""And lengths below this: the table (FREQUENCIES · LENGTHS,) has each saturation at tf · LENGTHS + length.

`columns` (rows,) say where in it each length is, or `LENGTHS` for one that is not.
"""

def add_bm25(
    blocks: Blocks,
    lengths: UInt32s,
    columns: Bytes | UInt16s,
    table: Float64s,
    term_ids: Int64s,
    weights: Float64s,
    base: float,
    slope: float,
    scores: Float64s,
    /,
) -> None:
    """scores[row] += weight · saturation for every row and each query term (Q,) in turn."""

def add_impacts(blocks: Blocks, term_ids: Int64s, weights: Float64s, scores: Float64s, /) -> None:
    """scores[row] += weight · impact, where the stored frequency is the impact."""

def bm25_of_rows(
    blocks: Blocks,
    lengths: UInt32s,
    term_ids: Int64s,
    weights: Float64s,
    base: float,
    slope: float,
    rows: Int64s,
    scores: Float64s,
    /,
) -> None:
    """scores[i] += what `add_bm25` adds to rows[i]; quick for few rows."""

def best_bm25(
    blocks: Blocks,
    lengths: UInt32s,
    columns: Bytes | UInt16s,
    table: Float64s,
    term_ids: Int64s,
    weights: Float64s,
    starts: Int64s,
    floors: Float64s,
    base: float,
    slope: float,
    k: int,
    groups: UInt32s,
    live: Bools,
    zeros: Float64s,
    /,
) -> tuple[Float64s, Int64s, Int64s]:
    """For each of B queries `best_groups` of what `add_bm25` gives, above its floor ≥ 0, by falling score.

    Query q has the terms and weights from starts[q] to starts[q + 1], and its answer stands between the bounds (B+1,)
    that are returned beside scores and rows, the first row among equals. `zeros` (65,536,) are zeros afterwards too.
    """

# -- rankings ----------------------------------------------------

def merge_ranked(
    k: int,
    keys: Int64s,
    scores: Float64s,
    bounds: Int64s,
    more_keys: Int64s,
    more_scores: Float64s,
    more_bounds: Int64s,
    floors: Float64s,
    /,
) -> tuple[Int64s, Float64s, Int64s]:
    """Two rankings of each query, by falling score → keys, scores and bounds of their k best and what equals the last.

    Query q's stand between bounds[q] and bounds[q + 1]. Of equal scores those of the first ranking come first.
    `floors` (B,) rise to just below the k-th best where there are k.
    """

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

def packed_size(dimensions: int, hidden: int, segments: int, /) -> int:
    """Bytes that a projection (n,H) takes as `pack_projection` packs it; ValueError for H above 16,384."""

def pack_projection(weight: Float32s | Int8s, segments: int, packed: Bytes, /) -> None:
    """weight (n,H), in so many equal parts → `packed`: whole numbers as this form of the core wants them."""

def token_winners(
    weight: Float32s | Int8s,
    packed: Bytes,
    segments: int,
    each: int,
    states: Float32s,
    mean: Float32s,
    dims: UInt32s,
    values: Float32s,
    /,
) -> None:
    """The `each` largest products of states (T,H) less mean (H,) with the rows of each segment of weight (n,H).

    dims[token] has the winners of each segment in turn, the largest first, of equal ones the lower dimension, and
    values[token] their products, in the order of additions of `dot_rows`; NaN where a state or a product is not finite.
    """
