"""Token states of a collection, kept in the cache of this machine: for training that reads them again and again.

They are gigabytes for long collections, so they are kept on request alone, and found again only for the same texts,
passages and encoder: one sealed folder of arrays, memory-mapped.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

from retrieve.errors import RecipeError, UsageError
from retrieve.passages.given_spans import in_document, joined_spans, span_text
from retrieve.passages.ragged import DocumentStates, tell_cut
from retrieve.types import Document
from retrieve.vector_cache.cache import keys_of
from retrieve.vector_cache.states import Arrays, building_states, open_states, read_states, states_folder

if TYPE_CHECKING:
    from retrieve.passages.encoder import PassageEncoder

IntArray = npt.NDArray[np.int64]

_log = logging.getLogger("retrieve")


class KeptStates(Sequence[DocumentStates]):
    """Token states of N documents in order, in float16, memory-mapped: a document is read when it is asked for.

    They pickle as their folder, so that worker processes read the same bytes.
    """

    def __init__(self, folder: Path, arrays: Arrays) -> None:
        self.folder = folder
        self._arrays = arrays

    def __reduce__(self) -> tuple[Callable[[Path], KeptStates], tuple[Path]]:
        return _open_again, (self.folder.absolute(),)

    @property
    def tokens(self) -> int:
        """Tokens of all documents."""
        return len(self._arrays["states"])

    def __len__(self) -> int:
        return len(self._arrays["passages"]) - 1

    @overload
    def __getitem__(self, document: int) -> DocumentStates: ...
    @overload
    def __getitem__(self, document: slice) -> list[DocumentStates]: ...
    def __getitem__(self, document: int | slice) -> DocumentStates | list[DocumentStates]:
        if isinstance(document, slice):
            return [self[number] for number in range(*document.indices(len(self)))]
        number = range(len(self))[document]
        arrays = self._arrays
        first, last = (int(bound) for bound in arrays["passages"][number : number + 2])
        bounds = arrays["tokens"][first : last + 1]
        here = slice(int(bounds[0]), int(bounds[-1]))
        return DocumentStates(
            arrays["states"][here],
            arrays["offsets"][here].astype(np.int64),
            bounds - bounds[0],
            arrays["spans"][first:last],
            arrays["cut"][first:last],
        )


def _open_again(folder: Path) -> KeptStates:
    return KeptStates(folder, read_states(folder))


def states_of(
    encoder: PassageEncoder, documents: Sequence[Document], spans: Sequence[IntArray], dtype: npt.DTypeLike
) -> Iterator[DocumentStates]:
    """The token states of documents by the passages `spans`, which are checked; all of them are in memory."""
    if encoder.recipe.late_chunking:
        raise RecipeError("dense.late_chunking gives vectors of spans, no token states: leave it out")
    model = encoder.models.documents
    fed = [encoder.fed(document, cut) for document, cut in zip(documents, spans, strict=True)]
    found = model.token_states([text for texts in fed for text in texts], dtype)
    tell_cut(found.cut)
    at = 0
    for document, cut, texts in zip(documents, spans, fed, strict=True):
        bounds = found.firsts[at : at + len(cut) + 1]
        offsets = [np.empty((0, 2), np.int64)]
        for first, end, span, text in zip(bounds[:-1], bounds[1:], cut, texts, strict=True):
            before = len(model.document_prompt) + len(text) - len(span_text(document.text, span))
            offsets.append(in_document(found.offsets[first:end], span, before))
        yield DocumentStates(
            found.states[bounds[0] : bounds[-1]],
            np.concatenate(offsets),
            bounds - bounds[0],
            cut,
            found.cut[at : at + len(cut)],
        )
        at += len(cut)


def keep_states(
    encoder: PassageEncoder,
    documents: Sequence[Document],
    spans: Sequence[IntArray],
    *,
    most_bytes: int,
    progress: Callable[[int, int], None] | None,
) -> KeptStates:
    """See `PassageEncoder.keep_token_states`; `spans` are checked."""
    model = encoder.models.documents
    root = model.cache_root
    if root is None:
        raise UsageError("token states were to be kept, and cache=False keeps nothing: leave one of them out")
    digest = hashlib.blake2b(model.space.canonical(), digest_size=16)
    counts: list[int] = []
    tokens = 0
    for document, cut in zip(documents, spans, strict=True):
        fed = [model.document_prompt + text for text in encoder.fed(document, cut)]
        digest.update(keys_of(fed).tobytes() + np.array(cut.shape).tobytes() + cut.tobytes())
        counts.append(len(fed))
        tokens += sum(len(row.ids) for row in model.rows(fed))
    folder = states_folder(root, digest.hexdigest())
    size = tokens * model.width * np.dtype(np.float16).itemsize
    if size > most_bytes:
        raise UsageError(
            f"token states of {len(documents)} documents ({tokens} tokens) take {size / 1e9:.2f} GB, wanted at most "
            f"{most_bytes / 1e9:.2f}: raise the limit, take fewer passages, or go without keeping them"
        )
    known = open_states(folder)
    if known is not None:
        return KeptStates(folder, known)
    _log.info(
        "token states of %d documents, %d tokens: %.2f GB are kept in %s",
        len(documents),
        tokens,
        size / 1e9,
        folder,
    )
    shapes = {"states": ((tokens, model.width), "float16"), "offsets": ((tokens, 2), "int32")}
    with building_states(folder, shapes, model.fingerprint) as (arrays, finish):
        firsts, cut = _fill(arrays, encoder.token_states(documents, spans), len(documents), progress)
        passages = np.cumsum([0, *counts], dtype=np.int64)
        finish({"passages": passages, "spans": joined_spans(spans), "tokens": firsts, "cut": cut})
    made = open_states(folder)
    assert made is not None
    return KeptStates(folder, made)


def _fill(
    arrays: Arrays,
    states: Iterator[DocumentStates],
    documents: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[IntArray, IntArray]:
    at = 0
    ends: list[IntArray] = []
    cut: list[IntArray] = []
    for done, found in enumerate(states, start=1):
        here = slice(at, at + len(found.states))
        arrays["states"][here], arrays["offsets"][here] = found.states, found.offsets
        ends.append(found.firsts[1:] + at)
        cut.append(found.cut)
        at = here.stop
        if progress is not None:
            progress(done, documents)
    return np.concatenate([[0], *ends]).astype(np.int64), np.concatenate([np.empty(0, np.int64), *cut])
