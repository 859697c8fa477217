"""`retrieve`: BM25, dense, sparse and hybrid search over one index folder, measured by the field's conventions.

Names are resolved when they are first used, so that importing the package loads neither torch nor faiss.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieve.api import Index, QueryRanking, RunResult
    from retrieve.classify.classifier import Classifier
    from retrieve.classify.regressor import Regressor
    from retrieve.corpora.labelled.open import read_labelled
    from retrieve.corpora.open import open_corpus
    from retrieve.corpora.questions.open import read_questions
    from retrieve.encoders.load import load_encoder
    from retrieve.errors import (
        BadVectors,
        DimensionMismatch,
        EncoderError,
        EncoderMismatch,
        FormatTooNew,
        FormatTooOld,
        IndexCorrupt,
        IndexExists,
        IndexLocked,
        IndexNotFound,
        InputError,
        MeasureError,
        MissingExtra,
        ModelCorrupt,
        ModelMismatch,
        RecipeError,
        RetrieveError,
        StemmerMismatch,
        TrainingError,
        UsageError,
    )
    from retrieve.passages.encoder import PassageEncoder
    from retrieve.recipe import Recipe, load_recipe
    from retrieve.search.lookup import DocumentVectors
    from retrieve.search.passage_rankings import PassageRanking
    from retrieve.types import Document, Hit, Hits, LabelledDocument, LabelSet, Passage, PassageHit, Query

_NAMES = {
    "retrieve.api": ("Index", "QueryRanking", "RunResult"),
    "retrieve.classify.classifier": ("Classifier",),
    "retrieve.classify.regressor": ("Regressor",),
    "retrieve.corpora.labelled.open": ("read_labelled",),
    "retrieve.corpora.open": ("open_corpus",),
    "retrieve.corpora.questions.open": ("read_questions",),
    "retrieve.encoders.load": ("load_encoder",),
    "retrieve.errors": (
        "BadVectors",
        "DimensionMismatch",
        "EncoderError",
        "EncoderMismatch",
        "FormatTooNew",
        "FormatTooOld",
        "IndexCorrupt",
        "IndexExists",
        "IndexLocked",
        "IndexNotFound",
        "InputError",
        "MeasureError",
        "MissingExtra",
        "ModelCorrupt",
        "ModelMismatch",
        "RecipeError",
        "RetrieveError",
        "StemmerMismatch",
        "TrainingError",
        "UsageError",
    ),
    "retrieve.passages.encoder": ("PassageEncoder",),
    "retrieve.recipe": ("Recipe", "load_recipe"),
    "retrieve.search.lookup": ("DocumentVectors",),
    "retrieve.search.passage_rankings": ("PassageRanking",),
    "retrieve.types": (
        "Document",
        "Hit",
        "Hits",
        "LabelSet",
        "LabelledDocument",
        "Passage",
        "PassageHit",
        "Query",
    ),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}

__all__ = [
    "BadVectors",
    "Classifier",
    "DimensionMismatch",
    "Document",
    "DocumentVectors",
    "EncoderError",
    "EncoderMismatch",
    "FormatTooNew",
    "FormatTooOld",
    "Hit",
    "Hits",
    "Index",
    "IndexCorrupt",
    "IndexExists",
    "IndexLocked",
    "IndexNotFound",
    "InputError",
    "LabelSet",
    "LabelledDocument",
    "MeasureError",
    "MissingExtra",
    "ModelCorrupt",
    "ModelMismatch",
    "Passage",
    "PassageEncoder",
    "PassageHit",
    "PassageRanking",
    "Query",
    "QueryRanking",
    "Recipe",
    "RecipeError",
    "Regressor",
    "RetrieveError",
    "RunResult",
    "StemmerMismatch",
    "TrainingError",
    "UsageError",
    "load_encoder",
    "load_recipe",
    "open_corpus",
    "read_labelled",
    "read_questions",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("retrieve-engine")
    if name not in _HOMES:
        raise AttributeError(f"module 'retrieve' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
