"""Search results for a language model: passages packed into a budget of tokens, answers whose citations are checked.

Nothing here knows a model: whatever takes a prompt and gives text back is a callable of the caller's.
"""

from retrieve.rag.answering import answer
from retrieve.rag.citations import check_citations
from retrieve.rag.packing import context
from retrieve.rag.records import Answer, Citation, Context, Omitted, Piece, Quote, Source

__all__ = [
    "Answer",
    "Citation",
    "Context",
    "Omitted",
    "Piece",
    "Quote",
    "Source",
    "answer",
    "check_citations",
    "context",
]
