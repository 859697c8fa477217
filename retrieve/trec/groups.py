"""A run read one query at a time, in memory that does not grow with it; for files as programs write them.

Everything else that `read_run` takes or refuses (comments, more columns, CR, a query in two places, every fault) is
left to it: `Unusual` says to read the file again, line by line. So there is one reader that knows all rules, and this
one only has to notice when it is not enough. No word becomes a Python object: columns are places in a block of bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.trec.lines import RANK_BEGINS, opened

_BLOCK = 1 << 21
"""Bytes read at once."""
_WIDEST = 128
"""Words that are longer are for the careful reader."""
_RANK_BEGINS = np.isin(np.arange(256), list(RANK_BEGINS))
_DIGITS = 15
"""So many digits are a whole number below 2^53, and by a power of ten up to 10^22 one division rounds correctly."""

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


class Unusual(Exception):
    """The file is not what this reader is for."""


class Hits(NamedTuple):
    """A query's hits in the order of the file: document ids in UTF-8, filled up with zero bytes (K,W), a number for
    each that is the same for the same id (K,), and scores (K,).
    """

    query_id: str
    ids: Bytes
    marks: npt.NDArray[np.uint64]
    scores: npt.NDArray[np.float64]

    def place(self, document_id: bytes) -> int | None:
        """Where a document is."""
        width = self.ids.shape[1]
        if len(document_id) > width:
            return None
        row = np.frombuffer(document_id.ljust(width, b"\0"), np.uint8).reshape(1, width)
        for place in np.flatnonzero(self.marks == _marks(row)[0]).tolist():
            if (self.ids[place] == row[0]).all():
                return int(place)
        return None

    def id_at(self, place: int) -> bytes:
        """The id of a document."""
        return bytes(self.ids[place]).rstrip(b"\0")


def read_groups(path: Path) -> Iterator[Hits]:
    """The queries of a run, each once, in the order of the file. `OSError` and its like: it cannot be read."""
    seen: set[str] = set()
    rest = b""
    with opened(path) as file:
        while True:
            more = file.read(max(_BLOCK, len(rest)))
            block = rest + more
            if not more and block and not block.endswith(b"\n"):
                block += b"\n"
            end = block.rfind(b"\n") + 1
            if end:
                found, start_of_last = _queries(block[:end], whole=not more)
                for hits in found:
                    if hits.query_id in seen:
                        raise Unusual
                    seen.add(hits.query_id)
                    yield hits
                rest = block[start_of_last:]
            else:
                rest = block
            if not more:
                return


def _queries(block: bytes, *, whole: bool) -> tuple[list[Hits], int]:
    """The queries of some lines, and where the last one begins; if not `whole`, it may go on, and is left out."""
    if b"\xef\xbb\xbf" in block or b"\r" in block or b"\0" in block:
        raise Unusual
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            raise Unusual from None
    data = np.frombuffer(block, np.uint8)
    starts, ends = _columns(data)
    if (data[starts[:, 0]] == 35).any():  # a comment of six words
        raise Unusual
    if not _RANK_BEGINS[data[starts[:, 3]]].all():
        raise Unusual
    queries = _words(data, starts[:, 0], ends[:, 0])
    names = queries.view(f"S{queries.shape[1]}").ravel()
    changes = np.flatnonzero(names[1:] != names[:-1]) + 1
    edges = [0, *changes.tolist(), len(queries)]
    last = int(starts[edges[-2], 0])
    if not whole:
        edges.pop()
    if len(edges) == 1:
        return [], last
    lines = slice(0, edges[-1])
    ids = _words(data, starts[lines, 2], ends[lines, 2])
    marks = _marks(ids)
    scores = _numbers(data, starts[lines, 4], ends[lines, 4])
    found = []
    for start, end in pairwise(edges):
        ordered = np.sort(marks[start:end])
        if (ordered[1:] == ordered[:-1]).any():  # a document twice, or two of one mark
            raise Unusual
        query_id = queries[start].tobytes().rstrip(b"\0").decode()
        found.append(Hits(query_id, ids[start:end], marks[start:end], scores[start:end]))
    return found, last


def _columns(data: Bytes) -> tuple[Places, Places]:
    """Where the words of lines (L) that have six each begin and end: (L,6) each."""
    blank = (data == 32) | (data - np.uint8(9) < 5)  # what `bytes.split` takes for one
    edges = np.flatnonzero(blank[1:] != blank[:-1]) + 1
    if not blank[0]:
        edges = np.concatenate([[0], edges])
    starts, ends = edges[0::2], edges[1::2]  # in turn, since the last byte is a blank
    breaks = np.flatnonzero(data == 10)
    if len(starts) != 6 * len(breaks):
        raise Unusual
    starts, ends = starts.reshape(-1, 6), ends.reshape(-1, 6)
    if (ends[:, 5] > breaks).any() or (starts[1:, 0] < breaks[:-1]).any():
        raise Unusual
    return starts, ends


def _words(data: Bytes, starts: Places, ends: Places) -> Bytes:
    """Words, filled up with zero bytes (L,W)."""
    lengths = ends - starts
    width = int(lengths.max())
    if width > _WIDEST:
        raise Unusual
    if int(starts[-1]) + width > len(data):
        data = np.concatenate([data, np.zeros(width, np.uint8)])
    windows: npt.NDArray[np.void] = np.ndarray(
        len(data) - width + 1, f"V{width}", np.ascontiguousarray(data), strides=(1,)
    )
    words: Bytes = windows[starts].view(np.uint8).reshape(-1, width)
    words *= np.arange(width, dtype=np.uint8) < lengths.astype(np.uint8)[:, None]
    return words


def _marks(words: Bytes) -> npt.NDArray[np.uint64]:
    """A number for each word (L,W) → (L,), whatever W is: zero bytes at its end add nothing."""
    wide = -(-words.shape[1] // 8) * 8
    filled = np.zeros((len(words), wide), np.uint8)
    filled[:, : words.shape[1]] = words
    parts = filled.view(np.uint64)
    factor, total = np.uint64(1), np.zeros(len(words), np.uint64)
    for number in range(parts.shape[1]):
        total += parts[:, number] * factor
        factor = np.uint64((int(factor) * 0x9E3779B97F4A7C15) % 2**64)
    return total


def _numbers(data: Bytes, starts: Places, ends: Places) -> npt.NDArray[np.float64]:
    """Scores (L,) as `float` reads them: plain decimals all at once, others one by one."""
    words = _words(data, starts, ends)
    columns = np.ascontiguousarray(words.T)
    digits = columns - np.uint8(48)
    is_digit, is_point = digits < 10, columns == 46
    negative = columns[0] == 45
    count = is_digit.sum(axis=0, dtype=np.uint8)
    signs = negative | (columns[0] == 43)
    lengths = (ends - starts).astype(np.uint8)
    if (
        count + is_point.any(axis=0) + signs != lengths
    ).any() or not 0 < count.min() <= count.max() <= _DIGITS:
        return _one_by_one(words)
    whole = np.zeros(len(words))
    behind = np.zeros(len(words), np.uint8)
    after_point = np.zeros(len(words), bool)
    for here, point, digit in zip(is_digit, is_point, digits, strict=True):
        whole = np.where(here, whole * 10 + digit, whole)
        behind += here & after_point
        after_point |= point
    scores: npt.NDArray[np.float64] = np.where(negative, -whole, whole) / _POWERS[behind]
    return scores


_POWERS = 10.0 ** np.arange(_DIGITS + 1)


def _one_by_one(words: Bytes) -> npt.NDArray[np.float64]:
    written = [word.rstrip(b"\0") for word in words.view(f"S{words.shape[1]}").ravel().tolist()]
    try:
        scores = np.array([float(word) for word in written], dtype=np.float64)
    except ValueError:
        raise Unusual from None
    if b"_" in b"".join(written) or not np.isfinite(scores).all():  # Python alone takes 1_0 for ten
        raise Unusual
    return scores
