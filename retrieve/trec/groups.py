"""A run read one query at a time, in memory that does not grow with it; for files as programs write them.

Everything else that `read_run` takes or refuses (comments, more columns, CR, a query in two places, every fault) is
left to it: `Unusual` says to read the file again, line by line. So there is one reader that knows all rules, and this
one only has to notice when it is not enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.trec.lines import opened

_BLOCK = 1 << 21
"""Bytes read at once; their words take some twenty times as much."""


class Unusual(Exception):
    """The file is not what this reader is for."""


class Hits(NamedTuple):
    """A query's hits in the order of the file; `places`: document id, in UTF-8, → its place. `scores` (K,)."""

    query_id: str
    places: dict[bytes, int]
    scores: npt.NDArray[np.float64]


def read_groups(path: Path) -> Iterator[Hits]:
    """The queries of a run, each once, in the order of the file. `OSError` and its like: it cannot be read."""
    seen: set[bytes] = set()
    query, documents, scores = b"", [], []  # type: ignore[var-annotated]
    for block in _blocks(path):
        queries, ids, numbers = _columns(block)
        starts = [0, *(place for place, (one, two) in enumerate(pairwise(queries), start=1) if one != two)]
        for start, end in pairwise([*starts, len(queries)]):
            if queries[start] != query:
                if documents:
                    yield _group(query, documents, scores)
                query, documents, scores = queries[start], [], []
                if query in seen:
                    raise Unusual
                seen.add(query)
            documents += ids[start:end]
            scores += numbers[start:end]
    if documents:
        yield _group(query, documents, scores)


def _blocks(path: Path) -> Iterator[bytes]:
    """Whole lines."""
    with opened(path) as file:
        rest = b""
        while block := file.read(_BLOCK):
            block = rest + block
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            if end:
                yield block[:end]
        if rest:
            yield rest + b"\n"


def _columns(block: bytes) -> tuple[list[bytes], list[bytes], list[float]]:
    """Query ids, document ids and scores of lines that all have six columns."""
    if b"\0" in block or b"\r" in block or block.startswith((b"#", b"\xef\xbb\xbf")) or b"\n#" in block:
        raise Unusual
    # A zero byte stands for the end of a line: if it is every seventh word, every line has six.
    words = block.replace(b"\n", b" \0 ").split()
    lines = block.count(b"\n")
    if len(words) != 7 * lines or words[6::7].count(b"\0") != lines:
        raise Unusual
    written = words[4::7]
    try:
        if not block.isascii():
            block.decode()
        numbers = list(map(float, written))
    except ValueError:
        raise Unusual from None
    if b"_" in b"".join(written) or not np.isfinite(numbers).all():  # Python alone takes 1_0 for ten
        raise Unusual
    return words[0::7], words[2::7], numbers


def _group(query: bytes, documents: list[bytes], scores: list[float]) -> Hits:
    places = dict(zip(documents, range(len(documents)), strict=True))
    if len(places) < len(documents):
        raise Unusual
    return Hits(query.decode(), places, np.array(scores, dtype=np.float64))
