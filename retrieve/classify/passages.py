"""Labelled documents → the passages that a preset reads, as characters of their texts, and the recipe of its encoder.

`PassageEncoder` cuts windows and encodes; here is only what documents have beside text: paragraphs, zones, a head and a
tail. A title that the text begins with is not read twice; any other one is read once, in front of the first passage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from retrieve.classify.preset import EncoderSection, PassagesSection, Preset
from retrieve.classify.records import FloatArray, IntArray
from retrieve.errors import InputError, RecipeError
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.given_spans import JOINT
from retrieve.text.cut_positions import Cuts
from retrieve.text.splitter import shown_title
from retrieve.types import Document, LabelledDocument

_HEAD = 2000
"""Characters of a text, beside as many as the title has, in which a title counts as its beginning: journals and numbers
may stand in front of it."""

Spans = tuple[int, int]


class Cut(NamedTuple):
    """N documents as they are fed to the encoder, and for each its passages: spans (S,2), or (S,K,2) of K parts.

    `unread` (N,): the share of each text's characters, white space aside, that is in no passage.
    """

    documents: list[Document]
    spans: list[IntArray]
    unread: FloatArray


def encoder_recipe(preset: Preset) -> dict[str, Any]:
    """The recipe of the preset's encoder and windows, for `PassageEncoder`; equal for presets that encode alike."""
    section = preset.passages
    windows = {"overlap": section.overlap, "boundaries": section.boundaries, "title": "first"}
    if section.size is not None and section.cut != "head-tail":
        windows["size"] = section.size
    own = EncoderSection.model_fields.keys() - {"states", "most_gigabytes"}
    dense = preset.encoder.model_dump(mode="json", include=set(own), exclude_none=True)
    return {"name": "classify", "passages": windows, "dense": dense}


def cut(encoder: PassageEncoder, section: PassagesSection, documents: Sequence[LabelledDocument]) -> Cut:
    """The passages of documents, the first `most` of each; a document without text has none, or its title's one.

    `encoder` is of `encoder_recipe`. Raises `RecipeError` for a head and tail, or a size, beyond the encoder's limit,
    `InputError` for paragraphs or zones outside of their text.
    """
    for document in documents:
        _check_structure(document)
    fed = [_without_known_title(each.document) for each in documents]
    spans = _CUTS[section.cut](encoder, section, documents, fed)
    if section.most:
        spans = [own[: section.most] for own in spans]
    unread = [_unread(document.text, own) for document, own in zip(fed, spans, strict=True)]
    return Cut(fed, spans, np.array(unread, dtype=np.float64))


def structure_remarks(section: PassagesSection, documents: Sequence[LabelledDocument]) -> list[str]:
    """One sentence on documents with text that lack what they are to be cut by, if there are any."""
    if section.cut not in ("paragraphs", "zones"):
        return []
    wanted = f"zone of {', '.join(section.zones)}" if section.cut == "zones" else "paragraphs"
    with_text = [each for each in documents if each.document.text.strip()]
    without = sum(not _pieces_of(section, each) for each in with_text)
    said = f"{without} of {len(with_text)} documents to learn from have no {wanted} in the data, and are cut as tokens"
    return [said] if without else []


# -- ways to cut ------------------------------------------------------------------------------------------------


def _tokens(
    encoder: PassageEncoder,
    section: PassagesSection,
    documents: Sequence[LabelledDocument],
    fed: Sequence[Document],
) -> list[IntArray]:
    return [windows.spans for windows in encoder.split(fed)]


def _paragraphs(
    encoder: PassageEncoder,
    section: PassagesSection,
    documents: Sequence[LabelledDocument],
    fed: Sequence[Document],
) -> list[IntArray]:
    """One passage for each paragraph with text, or neighbours joined; those that are too long are cut into windows."""
    pieces = [_pieces_of(section, each) for each in documents]
    if section.merge:
        size = section.size or encoder.token_budget
        offsets = encoder.models.text.token_offsets([document.text for document in fed])
        titles = _title_tokens(encoder, fed)
        pieces = [
            _merged(own, tokens, size, title)
            for own, tokens, title in zip(pieces, offsets, titles, strict=True)
        ]
    return _apart(encoder, fed, pieces)


def _zones(
    encoder: PassageEncoder,
    section: PassagesSection,
    documents: Sequence[LabelledDocument],
    fed: Sequence[Document],
) -> list[IntArray]:
    """Windows of the named zones; with `merge` one may go on into the next zone, as a passage of several parts."""
    if not section.zones:
        raise RecipeError(
            'passages.cut = "zones" without passages.zones: name them, as in ["header", "recitals"]'
        )
    pieces = [_pieces_of(section, each) for each in documents]
    if section.merge:
        return _over_parts(encoder, fed, pieces)
    return _apart(encoder, fed, pieces)


def _head_tail(
    encoder: PassageEncoder,
    section: PassagesSection,
    documents: Sequence[LabelledDocument],
    fed: Sequence[Document],
) -> list[IntArray]:
    """One passage: a document that fits, or its first `head` and last `tail` tokens, fewer where a title takes room."""
    wanted, budget = section.head + section.tail, encoder.token_budget
    if not 0 < wanted <= budget:
        raise RecipeError(
            f"passages.head + passages.tail = {wanted} tokens, {encoder.models.text.name} takes {budget} of text: "
            "lower them, set encoder.limit where its positions allow more, or name a model of longer windows as "
            "encoder.model"
        )
    offsets = encoder.models.text.token_offsets([document.text for document in fed])
    titles = _title_tokens(encoder, fed)
    found = []
    for document, tokens, title in zip(fed, offsets, titles, strict=True):
        room = max(min(wanted, budget - title), 1)
        if len(tokens) <= room:
            whole = [[0, len(document.text)]] if document.text.strip() or title else []
            found.append(np.array(whole, dtype=np.int64).reshape(-1, 2))
            continue
        head = min(section.head, room)
        found.append(_ends(document.text, tokens, head, min(section.tail, room - head)))
    return found


_CUTS: Mapping[str, Callable[..., list[IntArray]]] = {
    "tokens": _tokens,
    "paragraphs": _paragraphs,
    "zones": _zones,
    "head-tail": _head_tail,
}


# -- pieces -----------------------------------------------------------------------------------------------------


def _pieces_of(section: PassagesSection, document: LabelledDocument) -> list[Spans]:
    """The paragraphs of a document, or the zones that `section` names, in its order: those that have text."""
    found: Sequence[Spans] = document.paragraphs
    if section.cut == "zones":
        found = [document.zones[name] for name in section.zones if name in document.zones]
    return [(start, end) for start, end in found if document.document.text[start:end].strip()]


def _merged(pieces: list[Spans], offsets: IntArray, size: int, title: int) -> list[Spans]:
    """Neighbours joined, from the first on, as long as all tokens from the first to the last are at most `size`."""
    merged: list[Spans] = []
    for start, end in pieces:
        if merged:
            first = merged[-1][0]
            tokens = _tokens_between(offsets, first, end) + (title if len(merged) == 1 else 0)
            if tokens <= size:
                merged[-1] = first, end
                continue
        merged.append((start, end))
    return merged


def _tokens_between(offsets: IntArray, start: int, end: int) -> int:
    """Tokens, offsets (T,2), that have a character from `start` to `end`."""
    first = np.searchsorted(offsets[:, 1], start, side="right")
    return int(np.searchsorted(offsets[:, 0], end, side="left") - first)


def _apart(
    encoder: PassageEncoder, fed: Sequence[Document], pieces: Sequence[Sequence[Spans]]
) -> list[IntArray]:
    """Windows (S,2) of each piece by itself; of a document without one, those of its tokens."""
    windows = _windows(encoder, fed, pieces)
    whole = _whole(encoder, fed, windows)
    return [
        whole[number] if not own else np.array([span for part in own for span in part], dtype=np.int64)
        for number, own in enumerate(windows)
    ]


def _windows(
    encoder: PassageEncoder, fed: Sequence[Document], pieces: Sequence[Sequence[Spans]]
) -> list[list[list[Spans]]]:
    """For each document, for each of its pieces, the windows that it is cut into: one, if it fits."""
    parts = [
        Document(document.id, document.text[start:end], document.title if number == 0 else "")
        for document, own in zip(fed, pieces, strict=True)
        for number, (start, end) in enumerate(own)
    ]
    cuts: Iterator[IntArray] = (windows.spans for windows in encoder.split(parts))
    return [
        [[(start + left, start + right) for left, right in next(cuts).tolist()] for start, _ in own]
        for own in pieces
    ]


def _whole(
    encoder: PassageEncoder, fed: Sequence[Document], pieces: Sequence[Sequence[object]]
) -> dict[int, IntArray]:
    """Windows of the documents that have no piece, by number: they are cut as tokens."""
    missing = [number for number, own in enumerate(pieces) if not own]
    cuts = encoder.split([fed[number] for number in missing])
    return {number: windows.spans for number, windows in zip(missing, cuts, strict=True)}


def _over_parts(
    encoder: PassageEncoder, fed: Sequence[Document], pieces: Sequence[Sequence[Spans]]
) -> list[IntArray]:
    """Windows over the pieces read as one text: passages (S,K,2) of K pieces, without length where one is not in it."""
    joined = [
        replace(document, text=JOINT.join(document.text[start:end] for start, end in own))
        if own
        else document
        for document, own in zip(fed, pieces, strict=True)
    ]
    cuts = [windows.spans for windows in encoder.split(joined)]
    return [_in_parts(spans, own) if own else spans for spans, own in zip(cuts, pieces, strict=True)]


def _in_parts(spans: IntArray, pieces: Sequence[Spans]) -> IntArray:
    """Spans (S,2) of pieces that were joined → (S,K,2), the characters of each piece that they hold."""
    starts, ends = np.array(pieces, dtype=np.int64).T
    at = np.cumsum([0, *(ends - starts + len(JOINT))[:-1]])  # where each piece begins in the joined text
    inside = np.clip(spans[:, None, :] - at[:, None], 0, (ends - starts)[:, None])
    return np.asarray(inside + starts[:, None], dtype=np.int64)


def _ends(text: str, offsets: IntArray, head: int, tail: int) -> IntArray:
    """One passage of the first `head` and the last `tail` tokens; a single part (1,2) where one of them is 0."""
    cuts = Cuts(text, offsets, natural=False)
    first = (0, cuts.units_end(cuts.last(head)))
    last = (cuts.position(cuts.following(len(offsets) - tail - 1)), len(text))
    parts = [part for part, size in ((first, head), (last, tail)) if size]
    return np.array(parts if len(parts) == 1 else [parts], dtype=np.int64)


# -- documents --------------------------------------------------------------------------------------------------


def _without_known_title(document: Document) -> Document:
    """The document as it is fed: without its title where the text begins with it, case and white space aside."""
    title = " ".join(document.title.split()).casefold()
    beginning = document.text[: _HEAD + 2 * len(title)]
    if title and title in " ".join(beginning.split()).casefold():
        return replace(document, title="")
    return document


def _title_tokens(encoder: PassageEncoder, fed: Sequence[Document]) -> list[int]:
    titles = [shown_title(document, 0, title="first") for document in fed]
    lengths = iter(encoder.models.text.token_offsets([title for title in titles if title]))
    return [len(next(lengths)) if title else 0 for title in titles]


def _check_structure(document: LabelledDocument) -> None:
    length = len(document.document.text)
    named = [(f"paragraph {number}", span) for number, span in enumerate(document.paragraphs)]
    for name, (start, end) in [*named, *((f"zone {name!r}", span) for name, span in document.zones.items())]:
        if not 0 <= start <= end <= length:
            raise InputError(
                document.document.id,
                f"{name} is characters {start} to {end}, the text has {length}: wanted 0 ≤ start ≤ end ≤ length",
            )


def _unread(text: str, spans: IntArray) -> float:
    """The share of a text's characters, white space aside, that is in none of the spans (S,2) or (S,K,2)."""
    whole = _letters(text)
    reached = read = 0
    for start, end in sorted(map(tuple, spans.reshape(-1, 2).tolist())):
        read += _letters(text[max(start, reached) : end])
        reached = max(reached, end)
    return 1 - read / whole if whole else 0.0


def _letters(text: str) -> int:
    return sum(map(len, text.split()))
