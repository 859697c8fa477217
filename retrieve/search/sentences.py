"""The sentences of a text that say most about a query: what snippets show and what answers without a model quote.

They are scored by BM25 as if the sentences were the collection, over the index's own terms: what is said in every
sentence weighs little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from retrieve.index.idf import bm25_idf
from retrieve.text.analyze import Analyzer
from retrieve.text.boundaries import breaks

_K1, _B = 0.9, 0.4


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Characters (start, end) of each sentence, without the spaces around it."""
    spans = []
    begin = 0
    for end in (*breaks(text).sentences.tolist(), len(text)):
        raw = text[begin:end]
        if inner := raw.strip():
            start = begin + len(raw) - len(raw.lstrip())
            spans.append((start, start + len(inner)))
        begin = end
    return spans


def sentence_scores(query: str, sentences: Sequence[str], analyzer: Analyzer) -> list[float]:
    """The BM25 score of each sentence; 0 for one without a term of the query."""
    counts = [Counter(analyzer.terms(sentence)) for sentence in sentences]
    lengths = [sum(count.values()) for count in counts]
    mean = max(sum(lengths) / max(len(sentences), 1), 1.0)
    terms = list(dict.fromkeys(analyzer.asked(query)))
    frequencies = [sum(term in count for count in counts) for term in terms]
    weights = bm25_idf(frequencies, len(sentences)).tolist()
    scores = []
    for count, length in zip(counts, lengths, strict=True):
        norm = _K1 * (1 - _B + _B * length / mean)
        scores.append(
            sum(w * count[term] / (count[term] + norm) for term, w in zip(terms, weights, strict=True))
        )
    return scores
