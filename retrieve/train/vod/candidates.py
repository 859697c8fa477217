"""The sampler's cache: for every list of candidates the P best passages by f_φ, their scores, and their vectors.

f_φ is computed once, when the checkpoint φ is refreshed, and the very numbers in this file are drawn from and divided
by until the next refresh. Arrays are memory-mapped; a folder says of which checkpoint it is, and another's is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from retrieve.api import Index
from retrieve.errors import TrainingError, UsageError
from retrieve.files import read_array, replaced_folder, write_array, write_file
from retrieve.train.vod.asked import Asked
from retrieve.train.vod.retriever import Retriever, Texts
from retrieve.types import Progress

Float32s = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

RECORD = "candidates.json"
_ARRAYS = ("keys", "sampler", "question_bm25", "option_bm25", "places", "vectors")
_ROWS = 256
_DEPTH = 1_000
_TIE = 1e-6
"""The weight of the cosine where f_φ is BM25's alone: it only orders what BM25 scores alike."""


class How(NamedTuple):
    """f_φ = `scale` · cosine + BM25 / `temperature`, with `scale` 0 where there is no checkpoint yet; `p` passages."""

    p: int
    scale: float
    temperature: float


class Candidates(NamedTuple):
    """R lists of P passages, best first; a list with fewer ends in keys −1 and scores −inf.

    keys (R,P) int64 of the index's layout; `sampler` f_φ (R,P) float32; BM25 of the question alone (R,P), and of each
    option alone that reads the list (R,W,P), float32; `places` (R,P) int64, the rows of `vectors` (U,D) float16.
    `record` says what it is of.
    """

    keys: IntArray
    sampler: Float32s
    question_bm25: Float32s
    option_bm25: Float32s
    places: IntArray
    vectors: npt.NDArray[np.float16]
    record: Mapping[str, Any]

    @property
    def filled(self) -> npt.NDArray[np.bool_]:
        """(R,P): where there is a passage."""
        return self.keys >= 0

    def log_sampler(self, rows: IntArray) -> npt.NDArray[np.float64]:
        """log r of some lists, (…,P): the softmax of f_φ; −inf where there is no passage."""
        return log_softmax(np.asarray(self.sampler[rows], np.float64))


def log_softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Over the last axis; −inf stays, and a row of nothing else, too."""
    highest = scores.max(axis=-1, keepdims=True)
    shifted = scores - np.where(np.isneginf(highest), 0.0, highest)
    with np.errstate(divide="ignore"):
        found: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return np.where(np.isneginf(scores), -np.inf, found)


def effective_sizes(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """exp of the entropy's order-2 form, (Σr)²/Σr², of the softmax of each row (R,P)."""
    probabilities = np.exp(log_softmax(scores))
    sizes: npt.NDArray[np.float64] = 1.0 / (probabilities**2).sum(axis=-1)
    return sizes


@torch.inference_mode()
def encoded(retriever: Retriever, texts: Texts, asked: Sequence[Asked], budget: int) -> Float32s:
    """Vectors (R,D) of what is asked, by the question tower."""
    found: Float32s = (
        retriever.queries.vectors(texts.questions([each.text for each in asked]), budget).cpu().numpy()
    )
    return found


def choose_temperature(
    index: Index, asked: Sequence[Asked], vectors: Float32s, how: How, *, size: float
) -> float:
    """The t at which half of the lists have an effective size above `size`.

    Where a checkpoint's scores alone are as concentrated as that, no t would do, and BM25 would be out of the sampler:
    then at three quarters of what they have alone.
    """
    found = _ranked(index, asked, vectors, how)

    def median(temperature: float) -> float:
        scores = how.scale * found["cosine"].astype(np.float64) + found["bm25"] / temperature
        return float(np.median(effective_sizes(np.where(found["keys"] >= 0, scores, -np.inf))))

    wanted = min(size, 0.75 * median(np.inf))
    low, high = 0.05, 500.0
    for _ in range(40):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if median(middle) > wanted else (middle, high)
    return round(float(np.sqrt(low * high)), 3)


def check_size(p: int, index: Index) -> None:
    """Raise `UsageError` where the index has fewer passages than P."""
    passages = index.info()["passages"]
    if p > passages:
        raise UsageError(
            f"sampler.p is {p}, the corpus has {passages} passages: lower sampler.p, or give a larger corpus"
        )


def build_candidates(
    index: Index,
    asked: Sequence[Asked],
    vectors: Float32s,
    how: How,
    *,
    record: Mapping[str, Any],
    stage: str = "candidates ranked",
    progress: Progress | None = None,
) -> Candidates:
    """The cache of these lists; `vectors` (R,D) are of their texts. Raises `UsageError` where the index
    has fewer passages than P.
    """
    check_size(how.p, index)
    parts: list[dict[str, Any]] = []
    width = max(len(each.options) for each in asked)
    for start in range(0, len(asked), _ROWS):
        some = asked[start : start + _ROWS]
        ranked = _ranked(index, some, vectors[start : start + _ROWS], how)
        parts.append(ranked | _apart(index, some, ranked["keys"], width))
        if progress is not None:
            progress(stage, start + len(some), len(asked))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    keys = joined["keys"]
    unique, places = np.unique(keys, return_inverse=True)
    scores = how.scale * joined["cosine"] + joined["bm25"] / np.float32(how.temperature)
    return Candidates(
        keys,
        np.where(keys >= 0, scores, -np.inf).astype(np.float32),
        joined["question"],
        joined["options"],
        places.reshape(keys.shape).astype(np.int64),
        _vectors(index, unique),
        {**record, "p": how.p, "scale": how.scale, "temperature": how.temperature, "layout": index.layout},
    )


def _ranked(index: Index, asked: Sequence[Asked], vectors: Float32s, how: How) -> dict[str, npt.NDArray[Any]]:
    """Keys (R,P) of the best by f_φ, with their cosines and BM25 scores, 0 where there is no passage."""
    queries = [{"bm25": each.terms, "dense": vector} for each, vector in zip(asked, vectors, strict=True)]
    weights = {"bm25": 1.0 / how.temperature, "dense": how.scale or _TIE}
    found = index.rank_passages(queries, how.p, fusion="sum", weights=weights, depth=max(_DEPTH, how.p))
    filled = found.keys >= 0
    return {
        "keys": found.keys,
        "cosine": np.where(filled, found.by_view["dense"], 0.0).astype(np.float32),
        "bm25": np.where(filled, found.by_view["bm25"], 0.0).astype(np.float32),
    }


def _apart(index: Index, asked: Sequence[Asked], keys: IntArray, width: int) -> dict[str, Float32s]:
    """BM25 of the question alone (R,P), and of each of up to `width` options alone (R,W,P)."""
    options = np.zeros((len(asked), width, keys.shape[1]), np.float32)
    for at in range(width):
        texts = [each.options[at] if at < len(each.options) else "" for each in asked]
        options[:, at] = _bm25(index, texts, keys)
    return {"question": _bm25(index, [each.asked for each in asked], keys), "options": options}


def _bm25(index: Index, texts: Sequence[str], keys: IntArray) -> Float32s:
    """BM25 (R,P) of a text for each list, 0 of an empty one and where there is no passage."""
    scores = np.zeros(keys.shape, np.float32)
    rows = np.array([row for row, text in enumerate(texts) if text.strip()], np.int64)
    if len(rows):
        queries = [{"bm25": texts[row]} for row in rows.tolist()]
        scores[rows] = index.score_passages(queries, keys[rows], layout=index.layout)["bm25"]
    return np.where(keys >= 0, scores, np.float32(0))


def _vectors(index: Index, keys: IntArray) -> npt.NDArray[np.float16]:
    """(U,D) the stored vectors of passages; zeros for −1."""
    passages = index.passages_at(keys, layout=index.layout)
    ids = list(dict.fromkeys(passage.doc_id for passage in passages if passage is not None))
    stored = index.vectors(ids)
    number = {doc_id: at for at, doc_id in enumerate(ids)}
    rows = [
        -1 if passage is None else int(stored.firsts[number[passage.doc_id]]) + passage.position
        for passage in passages
    ]
    found = stored.vectors[rows].astype(np.float16)
    found[[row < 0 for row in rows]] = 0
    return found


def write_candidates(candidates: Candidates, folder: Path) -> None:
    """Keep a cache, whole or not at all; one that is there goes."""
    with replaced_folder(folder) as building:
        for name in _ARRAYS:
            write_array(building / f"{name}.npy", getattr(candidates, name))
        write_file(building / RECORD, json.dumps(dict(candidates.record), indent=1).encode())


def open_candidates(folder: Path, wanted: Mapping[str, Any]) -> Candidates:
    """A cache that was kept. Raises `TrainingError` for one of another checkpoint, questions or settings."""
    found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    different = sorted(key for key, value in wanted.items() if found.get(key) != value)
    if different:
        key = different[0]
        raise TrainingError(
            f"{folder} is the sampler's cache of another checkpoint: its {key} is {found.get(key)!r}, this one's is "
            f"{wanted[key]!r}; delete that folder, and it is computed anew"
        )
    arrays: dict[str, Any] = {name: read_array(folder / f"{name}.npy") for name in _ARRAYS}
    return Candidates(**arrays, record=found)
