"""The terms of many texts as numbers, for who counts them: no string is made of a word that was met before."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from retrieve._core import TermRows
from retrieve.text.analyze import RULES, Analyzer

_WAITING = 1 << 20  # words that are held before they are turned into terms: 4 MiB


class NumberedRows(NamedTuple):
    """Rows of terms: row i has the terms numbers[starts[i]:starts[i + 1]], in order, out of the `vocabulary`."""

    vocabulary: list[str]
    numbers: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rows: Iterable[Iterable[str]]) -> Self:
        """Of rows of terms as strings."""
        vocabulary = _Vocabulary()
        stream = array("I")
        starts = array("q", [0])
        for terms in rows:
            stream.extend(map(vocabulary.__getitem__, terms))
            starts.append(len(stream))
        numbers = np.frombuffer(stream, dtype=np.uint32) if stream else np.empty(0, dtype=np.uint32)
        return cls(list(vocabulary), numbers, np.frombuffer(starts, dtype=np.int64))

    def strings(self) -> Iterator[list[str]]:
        """The terms of each row as strings."""
        for start, end in pairwise(self.starts.tolist()):
            yield [self.vocabulary[number] for number in self.numbers[start:end].tolist()]


def numbered_rows(rows: Iterable[Sequence[str]], analyzer: Analyzer) -> NumberedRows:
    """The terms of rows of texts; those of a row's texts follow one another. Numbers are by first sight."""
    if analyzer.rules != RULES:
        return NumberedRows.of(chain.from_iterable(map(analyzer.terms, texts)) for texts in rows)
    vocabulary = _Vocabulary()
    forms = analyzer.word_forms()
    found = TermRows(lower=analyzer.lowers_capitals)
    defined = 0

    def settle() -> None:
        nonlocal defined
        terms = forms.indexed(found.since(defined))
        defined = found.words
        found.define(
            np.fromiter(map(len, terms), np.uint32, len(terms)),
            np.array([vocabulary[term] for several in terms for term in several], np.uint32),
        )
        found.settle()

    for texts in rows:
        found.add(list(texts))
        if found.waiting > _WAITING:
            settle()
    settle()
    return NumberedRows(list(vocabulary), *found.take())


class _Vocabulary(defaultdict[str, int]):
    """Term → number, given when it is first asked for."""

    def __missing__(self, term: str) -> int:
        number = self[term] = len(self)
        return number
