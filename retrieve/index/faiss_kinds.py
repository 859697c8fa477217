"""Which FAISS indexes do all that a search asks of them: the classes that were tried, everything else is refused.

A factory string may build and fail much later: at the second batch, under a filter, where a vector is asked back; or it
answers wrongly without a word. What each class really does was tried class by class, so one of a newer FAISS is
refused until somebody has tried it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_TAKEN = (
    "Flat, HNSW<M>, HNSW<M>_SQ8, SQ8, PQ<M>, PQ<M>x4fs, IVF<n> with Flat, SQ8, PQ<M> or PQ<M>x4fs, "
    "PCA<d> or OPQ<M> before it, RFlat after it"
)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# They add batch after batch, take nprobe or a filter (or are filtered after the search), and give vectors back.
_HOLDING = _names(
    "IndexFlat IndexFlatIP IndexScalarQuantizer IndexPQ IndexPQFastScan IndexHNSWFlat IndexHNSWSQ "
    "IndexResidualQuantizer IndexLocalSearchQuantizer IndexProductResidualQuantizer "
    "IndexProductLocalSearchQuantizer IndexResidualQuantizerFastScan IndexLocalSearchQuantizerFastScan "
    "IndexProductResidualQuantizerFastScan IndexProductLocalSearchQuantizerFastScan IndexEDEN "
    "IndexIVFFlat IndexIVFFlatPanorama IndexIVFScalarQuantizer IndexIVFPQ IndexIVFEDEN "
    "IndexIVFResidualQuantizer IndexIVFLocalSearchQuantizer IndexIVFProductResidualQuantizer "
    "IndexIVFProductLocalSearchQuantizer"
)
# FAISS crashes when an IVF with fast scan is asked for a vector; RaBitQ gives the first of its bits back and no more.
_FORGETFUL = _names(
    "IndexIVFPQFastScan IndexRaBitQ IndexRaBitQFastScan IndexIVFRaBitQ IndexIVFRaBitQFastScan"
)
# Of others, training by residuals fails (IVF, PQ, RQ) or the process ends.
_COARSE = _names("IndexFlat IndexFlatIP IndexHNSWFlat IndexHNSWSQ IndexScalarQuantizer")
_REFINING = _names("IndexFlat IndexFlatIP IndexScalarQuantizer IndexPQ")
_REVERSIBLE = _names(
    "PCAMatrix OPQMatrix RandomRotationMatrix NormalizationTransform RemapDimensionsTransform "
    "CenteringTransform"
)
_BLOCK = 32
_ONE_WAY = frozenset({"ITQTransform"})


def refusal(faiss: Any, index: Any, *, keep_vectors: bool) -> str | None:
    """Why an empty index will not do, and what to do; None if it will."""
    if isinstance(index, faiss.IndexPreTransform):
        return _refused_transforms(faiss, index, keep_vectors=keep_vectors) or refusal(
            faiss, faiss.downcast_index(index.index), keep_vectors=keep_vectors
        )
    if isinstance(index, faiss.IndexRefine):
        refining = faiss.downcast_index(index.refine_index)
        if type(refining).__name__ not in _REFINING:
            return _unknown(refining, "as the refinement", "RFlat or Refine(SQ8)")
        # Vectors are asked back from the refinement alone.
        return _whole_numbers(faiss, refining) or refusal(
            faiss, faiss.downcast_index(index.base_index), keep_vectors=True
        )
    name = type(index).__name__
    if name not in _HOLDING | _FORGETFUL:
        return _unknown(index, "here", _TAKEN)
    # In blocks of another size than 32, fast scan gives back other rows than it was asked for.
    scrambled = isinstance(index, faiss.IndexFastScan) and index.bbs != _BLOCK
    if (name in _FORGETFUL or scrambled) and not keep_vectors:
        return _not_given_back(index)
    return _whole_numbers(faiss, index) or _refused_lists(faiss, index)


def parts(faiss: Any, index: Any, *, quantizers: bool = True) -> Iterator[Any]:
    """The index and every index inside it; without `quantizers`, only those that hold the vectors searched."""
    yield index
    names = ("index", "base_index", "refine_index", "storage", "quantizer")
    for name in names if quantizers else names[:2]:
        inner = getattr(index, name, None)
        if inner is not None:
            yield from parts(faiss, faiss.downcast_index(inner), quantizers=quantizers)


def remembering(faiss: Any, index: Any) -> Any:
    """The index inside that is asked when a vector is to come back: of a refined one, the refinement."""
    for wrapper, name in ((faiss.IndexPreTransform, "index"), (faiss.IndexRefine, "refine_index")):
        if isinstance(index, wrapper):
            return remembering(faiss, faiss.downcast_index(getattr(index, name)))
    return index


def _refused_transforms(faiss: Any, index: Any, *, keep_vectors: bool) -> str | None:
    for place in range(index.chain.size()):
        transform = faiss.downcast_VectorTransform(index.chain.at(place))
        name = type(transform).__name__
        if name not in _REVERSIBLE | _ONE_WAY:
            return _unknown(transform, "before an index", "PCA<d>, OPQ<M> or RR<d>")
        # Whitening is undone by nobody: what comes back is scaled by the square of what it was.
        whitens = name == "PCAMatrix" and transform.eigen_power != 0
        if (whitens or name in _ONE_WAY) and not keep_vectors:
            return _not_given_back(transform)
    return None


def _whole_numbers(faiss: Any, index: Any) -> str | None:
    """Scalar quantizers that make whole numbers of components, which of unit vectors are all 0, or have no bits."""
    stored = faiss.downcast_index(index.storage) if hasattr(index, "storage") else index
    if not hasattr(stored, "sq"):
        return None
    unfit = (faiss.ScalarQuantizer.QT_8bit_direct, faiss.ScalarQuantizer.QT_8bit_direct_signed)
    if stored.sq.qtype in unfit or stored.sq.bits == 0:
        return "its scalar quantizer keeps nothing of the components of unit vectors: take SQ8, SQ6, SQ4 or SQfp16"
    return None


def _refused_lists(faiss: Any, index: Any) -> str | None:
    if not hasattr(index, "nlist"):
        return None
    coarse = faiss.downcast_index(index.quantizer)
    name = type(coarse).__name__
    if name not in _COARSE:
        return _unknown(coarse, "to choose lists", "IVF<n> or IVF<n>_HNSW<M>")
    if (
        isinstance(coarse, faiss.IndexHNSW)
        and isinstance(index, faiss.IndexIVFFastScan)
        and index.by_residual
    ):
        # One list that is not found makes the scores of all others equal.
        return (
            f"with residuals ({type(index).__name__}, `fsr`) lists must be chosen exactly, and {name} may miss "
            "one: leave the r of fsr out, or write IVF<n>"
        )
    return _whole_numbers(faiss, coarse)


def _not_given_back(part: Any) -> str:
    return (
        f"{type(part).__name__} does not give back the vectors it took, and without kept vectors scores come from "
        "them: set dense.keep_vectors = true, or add RFlat or Refine(SQ8)"
    )


def _unknown(part: Any, place: str, choice: str) -> str:
    return (
        f"{type(part).__name__} {place} is none of those that are known to add in batches, search, filter and give "
        f"vectors back as promised: choose {choice}"
    )
