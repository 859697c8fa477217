"""An answer without a model: the sentences of a context that share most with the question.

They are scored by BM25 as if the context's sentences were the collection, over the index's own terms: what is said
in every sentence weighs little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from retrieve.index.idf import bm25_idf
from retrieve.rag.records import Context, Piece, Quote, Source
from retrieve.recipe import Recipe
from retrieve.text.analyze import Analyzer
from retrieve.text.boundaries import breaks

_SENTENCES = 3
_K1, _B = 0.9, 0.4


def best_sentences(question: str, given: Context, recipe: Recipe) -> tuple[Quote, ...]:
    """At most three sentences of a context, best first, none twice; ties go by the order of the sources.

    Sentences without a term of the question are left out; if none has any, the first sentence of the first source
    stands for all. Without sources there is none.
    """
    by_words: dict[str, Quote] = {}
    for quote in _sentences(given):
        by_words.setdefault(" ".join(quote.text.split()), quote)
    quotes = list(by_words.values())
    analyzer = (
        Analyzer() if recipe.bm25 is None else Analyzer(recipe.bm25.language, stopwords=recipe.bm25.stopwords)
    )
    counts = [Counter(analyzer.terms(quote.text)) for quote in quotes]
    lengths = [sum(count.values()) for count in counts]
    mean = max(sum(lengths) / max(len(quotes), 1), 1.0)
    terms = list(dict.fromkeys(analyzer.terms(question)))
    frequencies = [sum(term in count for count in counts) for term in terms]
    weights = bm25_idf(frequencies, len(quotes)).tolist()
    scores = []
    for count, length in zip(counts, lengths, strict=True):
        norm = _K1 * (1 - _B + _B * length / mean)
        scores.append(
            sum(w * count[term] / (count[term] + norm) for term, w in zip(terms, weights, strict=True))
        )
    order = np.argsort(-np.array(scores), kind="stable")[:_SENTENCES].tolist()
    return tuple(quotes[at] for at in order if scores[at] > 0) or tuple(quotes[:1])


def _sentences(given: Context) -> Iterator[Quote]:
    for source in given.sources:
        for piece in source.pieces:
            yield from _of_piece(source, piece)


def _of_piece(source: Source, piece: Piece) -> Iterator[Quote]:
    """Its sentences, without the spaces around them."""
    begin = 0
    for end in (*breaks(piece.text).sentences.tolist(), len(piece.text)):
        raw = piece.text[begin:end]
        if text := raw.strip():
            start = piece.start + begin + len(raw) - len(raw.lstrip())
            yield Quote(source.number, source.doc_id, start, start + len(text), text)
        begin = end
