"""An answer without a model: the sentences of a context that share most with the question."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from retrieve.rag.records import Context, Piece, Quote, Source
from retrieve.recipe import Recipe
from retrieve.search.sentences import sentence_scores, sentence_spans
from retrieve.search.snippets import cached_analyzer

_SENTENCES = 3


def best_sentences(question: str, given: Context, recipe: Recipe) -> tuple[Quote, ...]:
    """At most three sentences of a context, best first, none twice; ties go by the order of the sources.

    Sentences without a term of the question are left out; if none has any, the first sentence of the first source
    stands for all. Without sources there is none.
    """
    by_words: dict[str, Quote] = {}
    for quote in _sentences(given):
        by_words.setdefault(" ".join(quote.text.split()), quote)
    quotes = list(by_words.values())
    scores = sentence_scores(question, [quote.text for quote in quotes], cached_analyzer(recipe.analysis))
    order = np.argsort(-np.array(scores), kind="stable")[:_SENTENCES].tolist()
    return tuple(quotes[at] for at in order if scores[at] > 0) or tuple(quotes[:1])


def _sentences(given: Context) -> Iterator[Quote]:
    for source in given.sources:
        for piece in source.pieces:
            yield from _of_piece(source, piece)


def _of_piece(source: Source, piece: Piece) -> Iterator[Quote]:
    for start, end in sentence_spans(piece.text):
        yield Quote(
            source.number, source.doc_id, piece.start + start, piece.start + end, piece.text[start:end]
        )
