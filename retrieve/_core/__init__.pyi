import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
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

# -- postings ----------------------------------------------------

# -- scoring -----------------------------------------------------

# -- rankings ----------------------------------------------------

# -- planes ------------------------------------------------------

# -- codes -------------------------------------------------------

# -- signs -------------------------------------------------------

# -- dot ---------------------------------------------------------

# -- winners -----------------------------------------------------
