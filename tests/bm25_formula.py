"""BM25 written once more from its formula: float64, passage by passage, no postings, no blocks, no cut at k.

Beside it a generator of small corpora that are hard in the ways real ones are (ties, empty documents, terms that
occur hundreds of times), and the comparison of the engine with the formula. The suite runs a few of them,
`scripts/campaigns/bm25_oracle.py` thousands.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from retrieve import Document, Index
from retrieve.api import RunResult
from retrieve.passages.encoder import PassageEncoder
from retrieve.text.analyze import Analyzer
from retrieve.types import Query

TOLERANCE = 1e-5

Makings = frozenset[tuple[int, ...]]

_TEXT = """
run running runner walk walks walking court courts law lawful liability carrier goods damage article the of and in a
is not straße café naïve 東京都 東京 ไทย हिन्दी x1 2020 cell protein flow pressure boundary layer shock wave zebra quark
lemma axiom proof theorem
"""
WORDS = _TEXT.split()


class Oracle:
    """Robertson and Zaragoza 2009 in Lucene's form: Σ idf · tf / (tf + k1 · (1 − b + b · length / average))."""

    def __init__(self, passages: Iterable[tuple[str, str]], analyzer: Analyzer) -> None:
        """`passages`: (document id, the text that is analysed), one for every live passage.

        Those without a term are in no statistic.
        """
        self._analyzer = analyzer
        self._owners: list[str] = []
        self._lengths: list[int] = []
        self._counts: dict[str, list[Counter[str]]] = defaultdict(list)  # document → its passages' terms
        self._found: dict[str, list[tuple[int, int]]] = defaultdict(list)  # term → (passage, frequency)
        for number, (doc_id, text) in enumerate(passages):
            counts = Counter(analyzer.terms(text))
            self._owners.append(doc_id)
            self._lengths.append(counts.total())
            self._counts[doc_id].append(counts)
            for term, frequency in counts.items():
                self._found[term].append((number, frequency))

    def scores(self, query: str, k1: float, b: float) -> dict[str, float]:
        """For every document that holds a term of the query, its best passage's score."""
        count = sum(length > 0 for length in self._lengths)
        average = sum(self._lengths) / count if count else 0.0
        total: dict[int, float] = defaultdict(float)
        for term, repeated in Counter(self._analyzer.asked(query)).items():
            found = self._found.get(term, [])
            idf = math.log(1 + (count - len(found) + 0.5) / (len(found) + 0.5))
            for passage, frequency in found:
                norm = k1 * (1 - b + b * self._lengths[passage] / average)
                total[passage] += repeated * idf * frequency / (frequency + norm)
        best: dict[str, float] = {}
        for passage, score in total.items():
            owner = self._owners[passage]
            best[owner] = max(score, best.get(owner, 0.0))
        return best

    def makings(self, query: str, doc_id: str) -> Makings:
        """All that a document's score depends on: its passages' lengths and frequencies of the query's terms."""
        terms = sorted(set(self._analyzer.terms(query)))
        return frozenset(
            (counts.total(), *(counts[term] for term in terms)) for counts in self._counts[doc_id]
        )

    def check(self, ranking: Sequence[tuple[str, float]], query: str, k: int, *, k1: float, b: float) -> None:
        """The ranking holds the k best documents, ties by id before the cut, scores within the tolerance.

        Documents made alike must tie. Others that the formula puts closer together than the tolerance may stand in
        either order: at b = 1 it has ties itself that no floating-point sum can be held to.
        """
        expected = self.scores(query, k1, b)
        assert len(ranking) == min(k, len(expected)), (len(ranking), k, len(expected))
        assert list(ranking) == sorted(ranking, key=lambda pair: (-pair[1], pair[0])), "not in the tie order"
        given = dict(ranking)
        assert len(given) == len(ranking), "a document twice"
        last: dict[Makings, tuple[float, str]] = {}  # score and last id of the documents made alike
        for name, score in ranking:
            assert name in expected, f"{name} holds no term of the query"
            assert abs(score - expected[name]) <= TOLERANCE, (name, score, expected[name])
            made = self.makings(query, name)
            assert last.get(made, (score,))[0] == score, f"{name} ought to tie with {last[made]}"
            last[made] = (score, name)
        floor = min((expected[name] for name in given), default=math.inf)
        for name in sorted(expected.keys() - given.keys()):
            assert expected[name] <= floor + TOLERANCE, f"{name} is missing"
            if expected[name] >= floor - TOLERANCE:
                tied = last.get(self.makings(query, name))
                assert tied is None or tied[1] < name, f"{name} ties with {tied} and comes before"


class Case(NamedTuple):
    """One random corpus with what is asked of it."""

    recipe: dict[str, Any]
    documents: list[Document]
    queries: list[Query]
    k1: float
    b: float
    k: int


def random_case(seed: int) -> Case:
    """A corpus that the seed alone decides: 1 to 150 documents, ids whose string order is not their numbers'."""
    draw = random.Random(seed)
    words = draw.sample(WORDS, draw.randint(3, len(WORDS)))
    ids = [str(number) if draw.random() < 0.7 else f"é{number}" for number in range(draw.randint(1, 150))]
    draw.shuffle(ids)
    documents: list[Document] = []
    for doc_id in ids:
        if documents and draw.random() < 0.15:
            twin = draw.choice(documents)
            documents.append(Document(doc_id, twin.text, twin.title))
            continue
        title = _text(draw, words, 4) if draw.random() < 0.4 else ""
        documents.append(Document(doc_id, _body(draw, words), title))
    mode = draw.choice(["whole", "window", "first"])
    size = draw.randint(2, 24)
    passages = {"unit": "words", "mode": mode, "title": draw.choice(["every", "first", "none"])}
    if mode != "whole":
        passages |= {"size": size, "overlap": draw.randrange(size // 2 + 1)}
    texts = [_text(draw, [*words, "unseen"], 8) for _ in range(6)]
    return Case(
        recipe={"name": "random", "passages": passages, "bm25": {}},
        documents=documents,
        queries=[Query(f"q{number}", text) for number, text in enumerate(texts)],
        k1=draw.choice([0.0, 0.9, 1.2, draw.uniform(0, 3)]),
        b=draw.choice([0.0, 0.4, 0.75, 1.0, draw.random()]),
        k=draw.choice([1, 3, 10, 1000]),
    )


def _text(draw: random.Random, words: Sequence[str], most: int) -> str:
    return " ".join(words[int(len(words) * draw.random() ** 2)] for _ in range(draw.randint(1, most)))


def _body(draw: random.Random, words: Sequence[str]) -> str:
    kind = draw.random()
    if kind < 0.06:
        return draw.choice(["", "   ", "the of and", "…!"])
    if kind < 0.1:
        return f"{draw.choice(words)} " * draw.randint(250, 600) + _text(draw, words, 5)
    return _text(draw, words, 60)


def oracle_of(index: Index) -> Oracle:
    """The formula over the live documents of an index, cut as its recipe says."""
    passage_encoder = PassageEncoder(index.recipe)
    documents = [document for doc_id in index.ids() if (document := index.get(doc_id)) is not None]
    windows = passage_encoder.split(documents)
    return Oracle(
        (
            (document.id, text)
            for document, cut in zip(documents, windows, strict=True)
            for text in passage_encoder.fed(document, cut.spans)
        ),
        passage_encoder.analyzer,
    )


def build(folder: Path, case: Case, *, overrides: Sequence[str] = (), commits: int = 1) -> Index:
    """The case's corpus as an index, in so many commits."""
    index = Index.create(folder, case.recipe, overrides)
    size = -(-len(case.documents) // commits)
    for start in range(0, len(case.documents), size):
        with index.writer() as writer:
            writer.add(case.documents[start : start + size])
    return index


def churned(folder: Path, case: Case, seed: int) -> Index:
    """The same documents after a past: older versions, strangers that are deleted again, several commits, a merge."""
    draw = random.Random(seed)
    index = Index.create(folder, case.recipe)
    strangers = [Document(f"gone{number}", _text(draw, WORDS, 40)) for number in range(draw.randint(1, 20))]
    older = [
        Document(document.id, _text(draw, WORDS, 30)) for document in case.documents if draw.random() < 0.4
    ]
    early = [*strangers, *older]
    draw.shuffle(early)
    with index.writer() as writer:
        writer.add(early)
    late = list(case.documents)
    draw.shuffle(late)
    with index.writer() as writer:
        writer.add(late[: len(late) // 2])
        writer.delete([document.id for document in strangers[::2]])
    with index.writer() as writer:
        writer.delete([document.id for document in strangers[1::2]])
        writer.add(late[len(late) // 2 :])
    if draw.random() < 0.3:
        index.merge()
    return index


def run(index: Index, case: Case) -> RunResult:
    """The case's queries under its parameters."""
    return index.run(case.queries, case.k, k1=case.k1, b=case.b)


def check_formula(folder: Path, seed: int) -> None:
    """One random corpus against the formula."""
    case = random_case(seed)
    with build(folder, case) as index:
        answer = run(index, case)
        oracle = oracle_of(index)
    for query, (query_id, ranking) in zip(case.queries, answer.rankings, strict=True):
        assert query_id == query.id
        oracle.check(ranking, query.text, case.k, k1=case.k1, b=case.b)
        assert (query.id in answer.silent["bm25"]) == (not ranking)


def check_cuts(folder: Path, seed: int) -> None:
    """One random corpus in one segment, in 3 and in 17, and after a past: the same answers to the bit."""
    case = random_case(seed)
    with build(folder / "one", case) as index:
        answer = run(index, case)
        small = f"segments.passages={max(1, index.info()['passages'] // 17)}"
    with build(folder / "three", case, commits=3) as index:
        assert run(index, case) == answer, "in three commits"
    with build(folder / "seventeen", case, overrides=[small]) as index:
        assert run(index, case) == answer, small
    with churned(folder / "churned", case, seed) as index:
        assert run(index, case) == answer, "after a past"
