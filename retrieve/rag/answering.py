"""Question → passages → answer, with citations that are checked against the passages that were given.

The model is any callable from prompt to text, so that whoever has one brings it; without one the answer is made of
sentences of the passages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from retrieve.api import Index
from retrieve.errors import UsageError
from retrieve.rag.citations import check_citations
from retrieve.rag.extraction import best_sentences
from retrieve.rag.packing import CountTokens, context, estimated_tokens
from retrieve.rag.records import Answer, Citation, Context
from retrieve.search.options import SearchSettings
from retrieve.store.filters import Where

Generate = Callable[[str], str]
"""A prompt → what a model writes."""

_PROMPT = """Answer the question from the numbered sources below and from nothing else.
Cite the sources of every statement by their numbers in square brackets, as in [1] or [2, 3].
If the sources do not answer the question, say so.

Sources:

{sources}

Question: {question}
Answer:"""


def answer(
    question: str,
    index: Index,
    generate: Generate | None = None,
    *,
    k: int = 10,
    budget: int = 2000,
    count: CountTokens = estimated_tokens,
    where: Where = None,
    **options: Unpack[SearchSettings],
) -> Answer:
    """Answer a question from the k best passages of an index, as many of them as `budget` tokens hold.

    `generate`: a prompt → a model's text. Numbers in brackets that it writes are looked up among the sources it was
    given: `Answer.citations` are those that are there, `Answer.unknown` those that are not. Without it the answer is
    the three sentences of these passages that share most with the question, each with its citation, and
    `Answer.quotes` tells their offsets. Where the search finds nothing, the text is empty and no model is asked.

    `budget` and `count` are those of `context`, the other arguments those of `Index.search`. Raises `UsageError` for
    what these refuse, and if what `generate` gives is no string; what it raises goes through.
    """
    if generate is not None and not callable(generate):
        raise UsageError(
            f"generate is of type {type(generate).__name__}: wanted a function from prompt to text, or None"
        )
    if options.get("unit") not in (None, "passage"):
        raise UsageError("an answer is made of passages: leave unit out, or search and call context yourself")
    asked: SearchSettings = {"aggregate": "max", **options, "unit": "passage"}
    hits = index.search(question, k, where=where, **asked)
    given = context(hits, budget, count=count)
    if not given.sources:
        return Answer(question, "", given)
    if generate is None:
        return _extracted(question, index, given)
    prompt = _PROMPT.format(sources=given.text, question=question)
    text = generate(prompt)
    if not isinstance(text, str):
        raise UsageError(
            f"generate gave {type(text).__name__}: wanted the answer's text, as in lambda prompt: model(prompt).content"
        )
    citations, unknown = check_citations(text, given)
    return Answer(question, text, given, citations, unknown, prompt=prompt)


def _extracted(question: str, index: Index, given: Context) -> Answer:
    quotes = best_sentences(question, given, index.recipe)
    sources = {source.number: source for source in given.sources}
    text, citations = "", []
    for quote in quotes:
        text += (" " if text else "") + " ".join(quote.text.split()) + " "
        mark = f"[{quote.number}]"
        citations.append(Citation(quote.number, len(text), len(text) + len(mark), sources[quote.number]))
        text += mark
    return Answer(question, text, given, tuple(citations), quotes=quotes)
