"""Any FAISS index that a factory string describes, over unit vectors by inner product; bytes in, bytes out.

What is learned and what is added stand apart: one trained, empty index is cloned for every segment. FAISS writes the
same bytes twice only on one thread, so training and adding run on one; searching uses them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from retrieve.errors import DimensionMismatch, IndexCorrupt, MissingExtra, RecipeError, UsageError
from retrieve.fork_safety import ForkSafeLock, inherited
from retrieve.index import faiss_kinds
from retrieve.index.arrays import Bools, Float32s, Int64s
from retrieve.index.stored_vectors import StoredVectors

ADD_BATCH = 16_384
"""Vectors added at once: HNSW orders insertions within a batch, so another size gives other bytes."""

_SAMPLES_PER_CENTROID = 39  # below it FAISS itself warns that clusters are poor
_OPQ_CENTROIDS = 256  # OPQ learns its rotation by way of a quantizer of 8 bits, whatever follows it
_GPU_LIMIT = 2_048  # FAISS finds no more than this on a GPU
_PARAMETERS = ("ef_search", "nprobe")
# Where in FAISS it was noticed, and the condition that failed where words follow it.
_ORIGIN = re.compile(r"Error in .*? at \S+:\d+: (?:Error: )?(?:'.*?' failed: )?")
_GPU_LOCK = ForkSafeLock()  # FAISS on a GPU is not safe in two threads, FAISS on the CPU is


def check_factory(
    factory: str, dimensions: int, *, keep_vectors: bool = True, most: int | None = None
) -> None:
    """Raise RecipeError unless the string makes an index of so many dimensions that does all a search asks of it.

    Without `keep_vectors` that is also to give its vectors back. `most`: how many vectors it may learn from.
    """
    reason = faiss_kinds.refusal(_faiss(), _make(factory, dimensions), keep_vectors=keep_vectors)
    if reason is not None:
        raise RecipeError(f"dense.factory = {factory!r} will not do: {reason}")
    if most is not None and (needed := minimum_sample(factory, dimensions)) > most:
        raise RecipeError(
            f"dense.factory = {factory!r} learns from at least {needed:,} vectors, and never from more than {most:,}: "
            f"choose one with at most {most // _SAMPLES_PER_CENTROID:,} lists or centroids"
        )


def minimum_sample(factory: str, dimensions: int) -> int:
    """How many vectors training needs: 39 for each centroid of its largest quantizer; 0 if nothing is learned.

    Raises RecipeError for a bad string.
    """
    index = _make(factory, dimensions)
    if index.is_trained:
        return 0
    return max((_part_needs(part) for part in faiss_kinds.parts(_faiss(), index)), default=1)


def enough(factory: str, dimensions: int, sample: int) -> tuple[bool, str]:
    """Whether `sample` vectors are enough to train on, and if not, why: for the log."""
    needed = minimum_sample(factory, dimensions)
    if sample >= needed:
        return True, ""
    return False, f"{factory!r} learns from at least {needed:,} vectors, there are {sample:,}"


def train(factory: str, sample: Float32s) -> bytes:
    """An empty index trained on the sample (S,D) float32, serialised; the same bytes each time.

    Raises RecipeError with FAISS's words where it cannot be trained.
    """
    faiss = _faiss()
    vectors = np.ascontiguousarray(sample, np.float32)
    index = _make(factory, vectors.shape[1])
    if not index.is_trained:
        try:
            with _one_thread():
                index.train(vectors)
        except RuntimeError as error:
            raise RecipeError(f"FAISS cannot train {factory!r} on {len(vectors)} vectors: {error}") from error
    return bytes(faiss.serialize_index(index))


def build(trained: bytes, vectors: StoredVectors, batch: int = ADD_BATCH) -> bytes:
    """A clone of the trained index with the N vectors added in row order; serialised.

    Widens `batch` vectors at a time. Raises DimensionMismatch.
    """
    faiss = _faiss()
    index = _deserialise(trained)
    if vectors.dimensions != index.d:
        raise DimensionMismatch(
            f"vectors have {vectors.dimensions} dimensions, the trained index wants {index.d}: train again"
        )
    with _one_thread():
        for start in range(0, len(vectors), batch):
            index.add(np.ascontiguousarray(vectors.take(slice(start, start + batch))))
    return bytes(faiss.serialize_index(index))


def load(data: bytes) -> Any:
    """The index, from bytes whose checksum has been verified: FAISS itself trusts what it reads."""
    index = _deserialise(data)
    inverted = _faiss().try_extract_index_ivf(index)
    if inverted is not None:
        inverted.make_direct_map()  # `reconstruct` asks by row; made here, where no other thread searches yet
    return index


def search(
    index: Any,
    queries: Float32s,
    k: int,
    *,
    live: Bools | None = None,
    parameters: Mapping[str, int] | None = None,
) -> tuple[Int64s, Float32s]:
    """queries (B,D) float32 → rows (B,k) int64, best first, and inner products (B,k) float32.

    `live` (N,) masks rows out. Empty slots are row -1 with score -inf: an approximate index may leave some.
    `parameters`: `ef_search` (HNSW) and `nprobe` (IVF; of lists that there are); one that this index has no use for is
    passed over. Safe in many threads. Raises UsageError for another name, a value below 1 or k ≤ 0, DimensionMismatch.
    """
    knobs = dict(parameters or {})
    for name, value in knobs.items():
        if name not in _PARAMETERS or value < 1:
            raise UsageError(
                f"search parameter {name}={value}: wanted {' or '.join(_PARAMETERS)}, at least 1"
            )
    if k <= 0:
        raise UsageError(f"k is {k}: ask for at least one")
    asked = np.ascontiguousarray(queries, np.float32)
    if asked.ndim != 2 or asked.shape[1] != index.d:
        raise DimensionMismatch(f"queries are {asked.shape}, the index holds {index.d} dimensions")
    if live is not None and len(live) != index.ntotal:
        raise ValueError(f"live has {len(live)} rows, the index {index.ntotal}")
    rows = np.full((len(asked), k), -1, np.int64)
    scores = np.full((len(asked), k), -np.inf, np.float32)
    most = min(k, index.ntotal if live is None else int(np.count_nonzero(live)))
    if most == 0 or len(asked) == 0:
        return rows, scores
    if live is None or supports_selector(index):
        found_rows, found_scores = _search(index, asked, most, live, knobs)
    else:
        found_rows, found_scores = _search_and_filter(index, asked, most, live, knobs)
    rows[:, : found_rows.shape[1]] = found_rows
    scores[:, : found_rows.shape[1]] = np.where(found_rows < 0, np.float32(-np.inf), found_scores)
    return rows, scores


def supports_selector(index: Any) -> bool:
    """Whether FAISS itself leaves masked rows out; where it cannot, `search` fetches more and drops them."""
    faiss = _faiss()
    unable = (
        faiss.IndexPQ,
        faiss.IndexFastScan,
        faiss.IndexAdditiveQuantizer,
        faiss.IndexIVFAdditiveQuantizer,
    )
    held = faiss_kinds.parts(faiss, index, quantizers=False)
    return not on_gpu(index) and not any(isinstance(part, unable) for part in held)


def reconstruct(index: Any, rows: Int64s) -> Float32s:
    """The vectors (R,D) float32 at `rows` as the index remembers them: exact only where it does not compress.

    Raises UsageError for an index that cannot give its vectors back.
    """
    faiss = _faiss()
    if isinstance(faiss_kinds.remembering(faiss, index), faiss.IndexIVFFastScan):  # FAISS 1.15 crashes here
        raise UsageError(f"{type(index).__name__} gives no vectors back: build with keep_vectors")
    try:
        vectors: Float32s = index.reconstruct_batch(np.ascontiguousarray(rows, np.int64))
    except RuntimeError as error:
        raise UsageError(
            f"{type(index).__name__} gives no vectors back, build with keep_vectors: {error}"
        ) from error
    return vectors


def to_device(index: Any) -> Any:
    """A clone on the GPU where FAISS was built for one and finds one; otherwise, and for HNSW, the index itself."""
    faiss = _faiss()
    if not hasattr(faiss, "StandardGpuResources") or faiss.get_num_gpus() == 0:
        return index
    if any(isinstance(part, faiss.IndexHNSW) for part in faiss_kinds.parts(faiss, index)):
        return index
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)


def on_gpu(index: Any) -> bool:
    """Whether the vectors of the index lie on a GPU."""
    faiss = _faiss()
    gpu_index = getattr(faiss, "GpuIndex", None)
    return gpu_index is not None and any(
        isinstance(part, gpu_index) for part in faiss_kinds.parts(faiss, index)
    )


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise MissingExtra("FAISS indexes", "cpu") from error
    if inherited("faiss"):  # the threads of whoever forked this process are not here to help
        faiss.omp_set_num_threads(1)
    return faiss


def _make(factory: str, dimensions: int) -> Any:
    faiss = _faiss()
    try:
        index = faiss.index_factory(dimensions, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        said = " ".join(_ORIGIN.sub("", str(error), count=1).split())
        raise RecipeError(
            f"dense.factory = {factory!r} makes no index of {dimensions} dimensions; FAISS says: {said}"
        ) from error
    # Some strings make an index by distance without a word (HNSW over PQ), one wants ids of its own.
    if index.metric_type != faiss.METRIC_INNER_PRODUCT or isinstance(index, faiss.IndexIDMap):
        raise RecipeError(
            f"dense.factory = {factory!r} makes no index of rows by inner product: choose another"
        )
    return index


def _deserialise(data: bytes) -> Any:
    try:
        return _faiss().deserialize_index(np.frombuffer(data, np.uint8))
    except RuntimeError as error:
        raise IndexCorrupt(
            f"FAISS cannot read its index of {len(data)} bytes, build again: {error}"
        ) from error


@contextmanager
def _one_thread() -> Iterator[None]:
    """FAISS on one thread; the setting belongs to the calling thread and is put back."""
    faiss = _faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _part_needs(part: Any) -> int:
    """Vectors that one part of an index needs for training."""
    faiss = _faiss()
    centroids = 0
    if hasattr(part, "nlist"):
        centroids = part.nlist
    if hasattr(part, "pq"):
        centroids = max(centroids, part.pq.ksub)
    if hasattr(part, "aq"):  # residual and local search quantizers, each stage of so many bits
        centroids = max(centroids, 1 << int(faiss.vector_to_array(part.aq.nbits).max()))
    needed = max(1, _SAMPLES_PER_CENTROID * centroids)
    if isinstance(part, faiss.IndexPreTransform):
        for place in range(part.chain.size()):
            transform = faiss.downcast_VectorTransform(part.chain.at(place))
            if isinstance(transform, faiss.OPQMatrix):
                needed = max(needed, _SAMPLES_PER_CENTROID * _OPQ_CENTROIDS)
            elif not transform.is_trained:
                needed = max(needed, transform.d_in)
    return needed


def _search(
    index: Any, queries: Float32s, k: int, live: Bools | None, knobs: Mapping[str, int]
) -> tuple[Int64s, Float32s]:
    faiss = _faiss()
    bits = None if live is None else np.packbits(live, bitorder="little")
    selector = None if bits is None else faiss.IDSelectorBitmap(bits)
    parameters = _search_parameters(index, selector, knobs)
    if on_gpu(index):
        with _GPU_LOCK:
            scores, rows = index.search(queries, min(k, _GPU_LIMIT), params=parameters)
    else:
        scores, rows = index.search(queries, k, params=parameters)
    return rows, scores


def _search_and_filter(
    index: Any, queries: Float32s, k: int, live: Bools, knobs: Mapping[str, int]
) -> tuple[Int64s, Float32s]:
    """Fetch twice as many until every query has k live rows, or the index gives no more."""
    limit = min(index.ntotal, _GPU_LIMIT if on_gpu(index) else index.ntotal)
    fetch = min(2 * k, limit)
    while True:
        rows, scores = _search(index, queries, fetch, None, knobs)
        kept = (rows >= 0) & live[rows]
        if fetch == limit or int(kept.sum(axis=1).min()) >= k:
            break
        fetch = min(2 * fetch, limit)
    first = np.argsort(~kept, axis=1, kind="stable")[:, :k]
    found = np.where(np.take_along_axis(kept, first, axis=1), np.take_along_axis(rows, first, axis=1), -1)
    return found, np.take_along_axis(scores, first, axis=1)


def _search_parameters(index: Any, selector: Any, knobs: Mapping[str, int]) -> Any:
    """FAISS's parameter object for this kind of index, or None where it takes none."""
    faiss = _faiss()
    selection = {} if selector is None else {"sel": selector}
    if isinstance(index, faiss.IndexPreTransform):
        inner = _search_parameters(faiss.downcast_index(index.index), selector, knobs)
        return None if inner is None else faiss.SearchParametersPreTransform(index_params=inner)
    if isinstance(index, faiss.IndexRefine):
        base = _search_parameters(faiss.downcast_index(index.base_index), selector, knobs)
        if base is None:
            return None
        return faiss.IndexRefineSearchParameters(k_factor=index.k_factor, base_index_params=base)
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(efSearch=knobs.get("ef_search", index.hnsw.efSearch), **selection)
    if hasattr(index, "nlist"):  # IndexIVF here and its sisters on a GPU
        quantizer = _search_parameters(faiss.downcast_index(index.quantizer), None, knobs)
        coarse = {} if quantizer is None else {"quantizer_params": quantizer}
        # Asked for more lists than there are, FAISS gives the missing ones the worst of scores, by which fast scan by
        # residuals scales all others: nothing is told apart any more.
        nprobe = min(knobs.get("nprobe", index.nprobe), index.nlist)
        return faiss.SearchParametersIVF(nprobe=nprobe, **coarse, **selection)
    return faiss.SearchParameters(**selection) if selection else None
