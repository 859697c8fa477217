"""Passages that the caller cut: paragraphs, zones, head and tail, as character offsets into a document's text.

A passage may have several parts, as a head and a tail that are read together: they are joined by a space, and every
token is still known by its place in the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from retrieve.errors import UsageError
from retrieve.types import Document

IntArray = npt.NDArray[np.int64]

JOINT = " "


def checked_documents(documents: Iterable[Document]) -> Iterator[Document]:
    """The documents, each looked at when its turn comes. Raises `UsageError` for anything else, as for one alone."""
    if isinstance(documents, Document | str | Mapping) or not isinstance(documents, Iterable):
        raise UsageError(
            f"wanted a list of documents, got one {type(documents).__name__}: write [Document(id, text)]"
        )
    for number, document in enumerate(documents):
        if not isinstance(document, Document):
            raise UsageError(
                f"document {number} is of type {type(document).__name__}: wanted a retrieve.Document(id, text, title)"
            )
        for name, value in (("text", document.text), ("title", document.title)):
            if not isinstance(value, str):
                raise UsageError(
                    f"the {name} of document {document.id!r} is of type {type(value).__name__}: wanted a string"
                )
        yield document


def checked_spans(documents: Sequence[Document], given: Iterable[npt.ArrayLike]) -> list[IntArray]:
    """For each document its passages (S,2), or (S,K,2) of K parts each, a part without length being none.

    Raises `UsageError` for another number of them than documents, another shape, or offsets outside of the text.
    """
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise UsageError(
            f"the spans are of type {type(given).__name__}: wanted a list with one array for each document"
        )
    spans = list(given)
    if len(spans) != len(documents):
        raise UsageError(
            f"spans were given for {len(spans)} documents, there are {len(documents)}: one array for each"
        )
    return [_checked(document, given) for document, given in zip(documents, spans, strict=True)]


def _checked(document: Document, given: npt.ArrayLike) -> IntArray:
    name = f"the spans of document {document.id!r}"
    try:
        found = np.asarray(given)
    except ValueError as error:  # rows of unequal length
        raise UsageError(
            f"{name} are no array: wanted (S,2), or (S,K,2) where each passage has as many parts; give empty ones, "
            f"as [0, 0], to those with fewer ({error})"
        ) from error
    if found.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if found.dtype.kind not in "iu" or found.ndim not in (2, 3) or found.shape[-1] != 2:
        raise UsageError(
            f"{name} are {found.dtype} of shape {found.shape}, wanted whole numbers (S,2), or (S,K,2) for passages of "
            "several parts"
        )
    cut = found.astype(np.int64)
    starts, ends = cut[..., 0], cut[..., 1]
    if (starts < 0).any() or (starts > ends).any() or (ends > len(document.text)).any():
        raise UsageError(
            f"{name} leave its text of {len(document.text)} characters: wanted 0 ≤ start ≤ end ≤ length"
        )
    return cut


def joined_spans(spans: Sequence[IntArray]) -> IntArray:
    """All documents' spans as one array, (P,2), or (P,K,2) where one has parts: passages of fewer get empty ones."""
    parts = max((cut.shape[1] for cut in spans if cut.ndim == 3), default=0)
    if not parts:
        return np.concatenate([np.empty((0, 2), np.int64), *spans])
    filled = np.zeros((sum(map(len, spans)), parts, 2), dtype=np.int64)
    at = 0
    for cut in spans:
        own = cut if cut.ndim == 3 else cut[:, None]
        filled[at : at + len(cut), : own.shape[1]] = own
        at += len(cut)
    return filled


def grouped(documents: Iterable[Document], characters: int = 1 << 17) -> Iterator[list[Document]]:
    """Documents in groups of about so many characters, one at least."""
    group: list[Document] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document.text)
        if size >= characters:
            yield group
            group, size = [], 0
    if group:
        yield group


def span_text(text: str, span: IntArray) -> str:
    """The text of one passage, (2,) or (K,2)."""
    return JOINT.join(text[start:end] for start, end in span.reshape(-1, 2).tolist() if start < end)


def in_document(offsets: IntArray, span: IntArray, before: int) -> IntArray:
    """Tokens' offsets (T,2) into a string that ends in a passage → into the document's text; (−1, −1) for others.

    The string has `before` characters in front of the passage `span`, (2,) or (K,2): prompt and title. A token over the
    joint of two parts is taken for the part it begins in.
    """
    result = np.full_like(offsets, -1)
    real = offsets[:, 1] > offsets[:, 0]
    at = before
    for start, end in span.reshape(-1, 2).tolist():
        if start == end:
            continue
        here = real & (offsets[:, 0] >= at) & (offsets[:, 0] < at + end - start)
        result[here] = np.minimum(offsets[here] - at + start, end)
        at += end - start + len(JOINT)
    return result
