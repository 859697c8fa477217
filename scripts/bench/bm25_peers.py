"""BM25 through public calls, ours against engines that are libraries in other languages: `bm25.py --peers`.

Every engine gets the same terms, joined by spaces and not analysed further, and k1 1.2 and b .75, which tantivy has
for good. What is timed begins with query texts and ends with ids and scores: ours one `Index.run` of all queries, PISA
one frame of all of them, tantivy, which takes one query at a time, one search after the other; then ours one query at a
time too. One thread on one core, engines in turn, seconds of the processor.
"""

from __future__ import annotations

import os
import statistics
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from turns import in_turn, ratios, spread

from retrieve import Document, Index, Query
from retrieve.peers.pisa import Pisa
from retrieve.peers.protocol import Peer, Task
from retrieve.peers.tantivy import Tantivy
from retrieve.recipe import Recipe, load_recipe

OURS = ("ours", "ours, one by one")
K1, B = 1.2, 0.75
SAME = 0.8
"""Of the ten best of a query so many at least are to be ours too, in the mean: engines round lengths differently."""

Texts = Sequence[str]
Answers = list[list[str]]
"""Ids of each query, best first."""


class Engine(ABC):
    """An index of texts, whose ids are their numbers."""

    @abstractmethod
    def answer(self, queries: Texts, k: int) -> Answers:
        """All queries, in the way that suits the engine best."""


class Ours(Engine):
    """An `Index` of whole documents without stemmer and stop words, all its queries in one run."""

    def __init__(self, texts: Texts, folder: Path) -> None:
        self._index = Index.create(folder / "ours.index", recipe(), cache=False)
        self._index.add(Document(str(row), text) for row, text in enumerate(texts))

    def answer(self, queries: Texts, k: int) -> Answers:
        """One call."""
        asked = [Query(str(number), text) for number, text in enumerate(queries)]
        return [[doc_id for doc_id, _ in ranking] for _, ranking in self._index.run(asked, k).rankings]


class OursAlone(Engine):
    """The same index, query by query."""

    def __init__(self, ours: Ours) -> None:
        self._ours = ours

    def answer(self, queries: Texts, k: int) -> Answers:
        """A call for each query."""
        return [self._ours.answer([query], k)[0] for query in queries]


class OfTantivy(Engine):
    """As `retrieve bench --peers` runs it."""

    def __init__(self, texts: Texts, folder: Path) -> None:
        self._peer: Peer = Tantivy(task())
        self._peer.build(texts, folder / "tantivy")  # type: ignore[arg-type]

    def answer(self, queries: Texts, k: int) -> Answers:
        """A call for each query: it has none for several."""
        return [list(map(str, self._peer.search(query, k)[0].tolist())) for query in queries]


class OfPisa(Engine):
    """As `retrieve bench --peers` runs it, but for its frame, which holds all queries."""

    def __init__(self, texts: Texts, folder: Path) -> None:
        self._peer = Pisa(task())
        self._peer.build(texts, folder / "pisa")  # type: ignore[arg-type]

    def answer(self, queries: Texts, k: int) -> Answers:
        """One frame."""
        numbers = [str(number) for number in range(len(queries))]
        found = self._peer.ranker(k).transform(pd.DataFrame({"qid": numbers, "query": list(queries)}))
        answers: Answers = [[] for _ in queries]
        for number, doc_id in zip(found["qid"].tolist(), found["docno"].tolist(), strict=True):
            answers[int(number)].append(doc_id)
        return answers


ENGINES: dict[str, Callable[[Texts, Path], Engine]] = {"tantivy": OfTantivy, "pisa": OfPisa}


def recipe() -> Recipe:
    """Words are cut at spaces already."""
    return load_recipe("bm25", ["bm25.language=none", f"search.bm25.k1={K1}", f"search.bm25.b={B}"])


def task() -> Task:
    """The same for a peer."""
    return Task(recipe().model_dump(mode="json"), {}, 10)


def against(
    names: Sequence[str],
    texts: Texts,
    kinds: Mapping[str, Texts],
    depths: Sequence[int],
    rounds: int,
    folder: Path,
) -> dict[str, Any]:
    """Queries a second of the processor, and how many times the peers' ours are, by kind of query and depth."""
    ours = Ours(texts, folder)
    engines: dict[str, Engine] = dict(zip(OURS, (ours, OursAlone(ours)), strict=True))
    engines |= {name: ENGINES[name](texts, folder) for name in names}
    if hasattr(os, "sched_setaffinity"):  # not before: builds are not timed, and PISA's wants its threads
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    result: dict[str, Any] = {}
    for kind, queries in kinds.items():
        same_as(engines, queries)
        result[kind] = {f"k={k}": compared(engines, queries, k, rounds) for k in depths}
    return result


def same_as(engines: dict[str, Engine], queries: Texts) -> None:
    """Stop where an engine finds something else than ours."""
    found = {name: engine.answer(queries, 10) for name, engine in engines.items()}
    for name, answers in found.items():
        shares = [
            len(set(own) & set(theirs)) / max(len(own), 1)
            for own, theirs in zip(found["ours"], answers, strict=True)
        ]
        if statistics.mean(shares) < SAME:
            raise SystemExit(
                f"{name} has {statistics.mean(shares):.2f} of our ten best: it was asked something else"
            )


def compared(engines: dict[str, Engine], queries: Texts, k: int, rounds: int) -> dict[str, Any]:
    """Round by round."""
    ways = {name: partial(engine.answer, queries, k) for name, engine in engines.items()}
    taken = in_turn(ways, rounds)
    result: dict[str, Any] = {
        name: {"queries_per_second": spread([len(queries) / each for each in seconds], 0)}
        for name, seconds in taken.items()
    }
    for own in OURS:
        for name in [name for name in engines if name not in OURS]:
            result[f"{own} / {name}"] = spread(ratios(taken[name], taken[own]))
    return result
