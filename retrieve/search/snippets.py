"""A hit as a person reads it: the best sentences of its best passage, with the query's words marked, and its place.

It is computed when somebody looks, from what the hit carries (its passages' texts and this record of the query), so
that it costs a search nothing, and a pickled hit can show itself in a process that has no index open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import regex

from retrieve.recipe import BM25, Recipe
from retrieve.search.sentences import sentence_scores, sentence_spans
from retrieve.text.analyze import Analyzer, analyzer_of
from retrieve.text.layout import PAGE_END
from retrieve.text.word_terms import found_words
from retrieve.types import Excerpt, Hit, Part, PassageHit

WIDTH = 300
"""Characters that a snippet shows at most, marks of omission aside."""

_SENTENCES = 3
_LONGEST_WORD = 60  # characters looked at for the word that a cut would go through
_OMITTED = "…"

# Marks that steer a terminal or turn the direction of what follows. The two joiners are part of how words are written.
_UNSEEN = regex.compile(r"(?V1)[\p{Cf}--[\u200C\u200D]]+")
_SPACE = regex.compile(r"(?V1)[\s[\p{C}--[\u200C\u200D]]]+")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class QueryWords:
    """A query and how its words are seen, by which a hit finds them in its texts."""

    query: str
    section: BM25

    @classmethod
    def of(cls, query: str, recipe: Recipe) -> QueryWords:
        """Words as the recipe's BM25 view sees them, or by the default analyzer where there is none."""
        return cls(query, recipe.analysis)

    @property
    def analyzer(self) -> Analyzer:
        """What sees words so."""
        return cached_analyzer(self.section)

    def found(self, text: str) -> list[Span]:
        """Characters (start, end) of the query's words in any text, sorted, none overlapping."""
        return found_words(text, frozenset(self.analyzer.asked(self.query)), self.analyzer)

    def highlights(self, hit: Hit) -> tuple[Span, ...]:
        """See `Hit.highlights`."""
        spans = {
            (passage.start + start, passage.start + end)
            for passage in hit.passages
            for start, end in self.found(passage.text)
        }
        return tuple(_joined(sorted(spans)))

    def excerpt(self, hit: Hit) -> Excerpt:
        """See `Hit.excerpt`."""
        title = _parts(hit.title, [(0, len(hit.title))], self.found(hit.title))
        if not hit.passages:
            return Excerpt(title, (), "")
        best = hit.passages[0]
        found = self.found(best.text)
        shown = _best(best.text, self.query, found, self.analyzer)
        return Excerpt(title, _marked(best.text, shown, found), _place(hit, best, _ends(shown, found)))

    def html(self, hits: Sequence[Hit]) -> str:
        """See `Hit._repr_html_`."""
        from retrieve.report.page import render_block
        from retrieve.report.records import HitList

        return render_block(HitList(tuple(hits)))


class _Shown(NamedTuple):
    """Spans of a text that are shown, in order; whether the first begins, and the last ends, inside a sentence."""

    spans: list[Span]
    begins_inside: bool = False
    ends_inside: bool = False


@cache
def cached_analyzer(section: BM25) -> Analyzer:
    """The analyzer of a recipe's `analysis`: one for all hits, so that its stems are kept from one to the next."""
    return analyzer_of(section)


def _best(text: str, query: str, found: Sequence[Span], analyzer: Analyzer) -> _Shown:
    """The best sentences that there is room for, at most three; the best part of one that is too long by itself.

    Where no word was found, how the text begins.
    """
    sentences = sentence_spans(text) or [(0, len(text))]
    everything = sentences[0][0], sentences[-1][1]
    if not found:
        return _window(text, everything, (), analyzer)
    units = [unit for span in sentences for unit in _units(text, span)]
    scores = sentence_scores(query, [text[start:end] for start, end in units], analyzer)
    chosen: list[int] = []
    said: set[str] = set()
    room = WIDTH
    for at in np.argsort(-np.array(scores), kind="stable").tolist():
        start, end = units[at]
        if not scores[at] or len(chosen) == _SENTENCES:
            break
        if end - start > room:
            if not chosen:
                return _window(text, (start, end), found, analyzer)
            continue
        if text[start:end] not in said:
            said.add(text[start:end])
            chosen.append(at)
            room -= end - start
    if not chosen:  # a word across the end of a sentence
        return _window(text, everything, found, analyzer)
    chosen.sort()
    for following in range(chosen[-1] + 1, len(units)):  # a heading alone says little
        start, end = units[following]
        if room <= WIDTH // 2 or end - start > room:
            break
        chosen.append(following)
        room -= end - start
    spans = _runs(text, units, chosen)
    return _Shown(
        spans,
        all(start != spans[0][0] for start, _ in sentences),
        all(end != spans[-1][1] for _, end in sentences),
    )


def _units(text: str, sentence: Span) -> Iterator[Span]:
    """What stands of a sentence on each page, without the head and foot of another one between."""
    begin, last = sentence
    while begin < last:
        end = text.find(PAGE_END, begin, last)
        end = last if end < 0 else end
        yield from _runs_of_lines(text, (begin, end))
        begin = end + 1


def _runs_of_lines(text: str, sentence: Span) -> Iterator[Span]:
    """A sentence; one that is longer than a snippet (a list, a table) as runs of its lines that fit in one."""
    begin, last = sentence
    while begin < last:
        if last - begin <= WIDTH:
            end = last
        else:
            end = text.rfind("\n", begin + 1, begin + WIDTH)
            if end < 0:
                end = text.find("\n", begin + WIDTH, last)
            end = last if end < 0 else end
        inner = text[begin:end]
        start = begin + len(inner) - len(inner.lstrip())
        if inner := inner.strip():
            yield start, start + len(inner)
        begin = end + 1


def _runs(text: str, units: Sequence[Span], chosen: Sequence[int]) -> list[Span]:
    """The units chosen, in order; those that follow each other on a page as one span."""
    spans: list[Span] = []
    for number, at in enumerate(chosen):
        start, end = units[at]
        follows = number and chosen[number - 1] == at - 1
        if follows and PAGE_END not in text[spans[-1][1] : start]:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((start, end))
    return spans


def _window(text: str, inside: Span, found: Sequence[Span], analyzer: Analyzer) -> _Shown:
    """The part of one long span that has most different words found, with some of what stands around them."""
    begin, end = _densest(text, inside, found, analyzer)
    spare = max(WIDTH - (end - begin), 0)
    low = max(inside[0], min(begin - spare // 3, inside[1] - WIDTH))
    high = max(end, min(inside[1], low + WIDTH))
    base = max(inside[0], low - _LONGEST_WORD)
    words = analyzer.word_offsets(text[base : min(inside[1], high + _LONGEST_WORD)]) + base
    if low > inside[0]:
        low = int(min(words[words[:, 0] >= low, 0], default=low))
    if high < inside[1]:
        high = int(max(words[(words[:, 1] <= high) & (words[:, 1] > low), 1], default=high))
    return _Shown([(low, high)], low > inside[0], high < inside[1])


def _densest(text: str, inside: Span, found: Sequence[Span], analyzer: Analyzer) -> Span:
    """Where most different words stand within two thirds of a snippet; the first such place. The beginning for none."""
    within = [span for span in found if inside[0] <= span[0] and span[1] <= inside[1]]
    terms = [frozenset(analyzer.terms(text[start:end])) for start, end in within]
    best, most = (inside[0], inside[0]), 0
    for number, (start, end) in enumerate(within):
        seen, last = set(terms[number]), end
        for other in range(number + 1, len(within)):
            if within[other][1] - start > WIDTH * 2 // 3:
                break
            seen |= terms[other]
            last = within[other][1]
        if len(seen) > most:
            best, most = (start, last), len(seen)
    return best


def _marked(text: str, shown: _Shown, found: Sequence[Span]) -> tuple[Part, ...]:
    """The spans shown, with a mark wherever something is left out inside a sentence or between two of them."""
    parts = list(_parts(text, shown.spans, found))
    if shown.begins_inside:
        parts.insert(0, Part(f"{_OMITTED} ", False))
    if shown.ends_inside:
        parts.append(Part(f" {_OMITTED}", False))
    return tuple(parts)


def _parts(text: str, spans: Sequence[Span], found: Sequence[Span]) -> tuple[Part, ...]:
    """The text of spans on one line, in parts that are words found or are not."""
    parts: list[Part] = []
    for number, span in enumerate(spans):
        if number:
            parts.append(Part(f" {_OMITTED} ", False))
        parts.extend(_parts_of(text, span, found))
    return tuple(part for part in parts if part.text)


def _parts_of(text: str, span: Span, found: Sequence[Span]) -> Iterator[Part]:
    at, end = span
    for start, stop in found:
        if start >= at and stop <= end:
            yield Part(_plain(text[at:start]), False)
            yield Part(_plain(text[start:stop]), True)
            at = stop
    yield Part(_plain(text[at:end]), False)


def _plain(text: str) -> str:
    """Text without what is not seen; line ends, control characters and runs of spaces as one space."""
    plain: str = _SPACE.sub(" ", _UNSEEN.sub("", text))
    return plain


def _ends(shown: _Shown, found: Sequence[Span]) -> Span:
    """From the first to the last word found of what is shown; where none is, its beginning."""
    words = [span for span in found if any(start <= span[0] and span[1] <= end for start, end in shown.spans)]
    start = shown.spans[0][0]
    return (words[0][0], words[-1][1]) if words else (start, start)


def _place(hit: Hit, passage: PassageHit, ends: Span) -> str:
    """As in "passage 12 of 40, pages 3–4"; what is not known, or is one alone, is left out. Pages are those of `ends`,
    characters of the passage.
    """
    places = []
    if hit.passage_count > 1:
        places.append(f"passage {passage.position + 1:,} of {hit.passage_count:,}")
    if passage.page is not None:
        first, last = (passage.page + passage.text.count(PAGE_END, 0, end) for end in ends)
        places.append(f"page {first:,}" if first == last else f"pages {first:,}–{last:,}")
    return ", ".join(places)


def _joined(spans: Sequence[Span]) -> Iterator[Span]:
    """Sorted spans, those that overlap as one: passages share text, and may cut a word."""
    held: Span | None = None
    for start, end in spans:
        if held is not None and start < held[1]:
            held = held[0], max(held[1], end)
            continue
        if held is not None:
            yield held
        held = start, end
    if held is not None:
        yield held
