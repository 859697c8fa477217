"""Every error that the engine raises on purpose, under one base, so that a caller can catch them all at once.

A message says what was found, what was wanted and what to do. `UsageError` is the caller's mistake in a call
(exit status 2 on the command line); everything else is a failure of the work (exit status 1).
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterable
from typing import Any


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What a message adds to a name that there is not: " (did you mean 'search'?)", or "" where nothing is like it."""
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), list(known), n=2)
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


class RetrieveError(Exception):
    """Base of every error of this package. It can be pickled and copied, so that worker processes can raise it."""

    def __reduce__(self) -> tuple[Any, ...]:
        """The arguments and attributes that it has, for a class whose constructor takes others too.

        An exception is otherwise made again by calling its class with its message, which not every class here takes.
        """
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__ or None  # type: ignore[attr-defined]


class UsageError(RetrieveError, ValueError):
    """An argument that can never work: `k` ≤ 0, an empty query, an unknown view."""


class InputError(RetrieveError):
    """Bad input data. `where` is `file:line` (or a document id when there is no file)."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where


class RecipeError(RetrieveError):
    """A recipe with an unknown key, a wrong type, or settings that contradict each other."""


class MissingExtra(RetrieveError):
    """A feature whose optional packages are not installed; the message names the extra."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs packages that are not installed: "
            f"pip install -c scripts/constraints.txt '.[{extra}]' in a checkout, "
            f"or pip install 'retrieve-engine[{extra}]'"
        )
        self.extra = extra


class IndexNotFound(RetrieveError):
    """No index at the path, or under `$RETRIEVE_HOME` by that name."""


class IndexExists(RetrieveError):
    """The place for a new index is taken."""


class IndexCorrupt(RetrieveError):
    """A file of an index is missing, cut short or fails its checksum."""


class FormatTooNew(RetrieveError):
    """The index was written by a newer version of this package."""


class FormatTooOld(RetrieveError):
    """The index has an older format, which this version reads and does not write until it is upgraded."""


class IndexLocked(RetrieveError):
    """Another writer holds the index."""


class EncoderError(RetrieveError):
    """An encoder that cannot be loaded or used: no weights, no tokenizer, refused code."""


class EncoderMismatch(EncoderError):
    """The encoder at hand is not the one that built the index."""


class StemmerMismatch(RetrieveError):
    """The stemmer at hand gives other stems than the one that built the index."""


class DimensionMismatch(RetrieveError):
    """Vectors of another dimension than the index holds."""


class BadVectors(RetrieveError):
    """Vectors with NaN or infinite values, or of the wrong count."""


class MeasureError(RetrieveError):
    """A measure that does not exist, or a run and judgments that cannot be compared."""


class TrainingError(RetrieveError):
    """A training that cannot begin or go on: no judgments, its folder taken, another training's checkpoints there."""


class ModelCorrupt(RetrieveError):
    """A file of a saved classifier is missing, cut short or fails its checksum."""


class ModelMismatch(RetrieveError):
    """A classifier's folder that was made for other labels, by another encoder, or by a newer version."""
