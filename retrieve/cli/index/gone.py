"""Documents that an index holds and its sources do not, as files that are gone from a folder: said, or deleted.

An index does not know where its documents came from, and may hold several folders. So nothing is deleted unless
`--prune` says that these sources are all that it should hold, or, with `--root`, all that it should hold of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from retrieve.cli.output import counted
from retrieve.corpora.corpus import Corpus
from retrieve.corpora.folder import SUFFIXES, FileCorpus
from retrieve.corpora.rows import some
from retrieve.errors import InputError, UsageError
from retrieve.types import Document

if TYPE_CHECKING:
    from retrieve.api import Added, Index

_log = logging.getLogger("retrieve")


class Gone:
    """Which ids of the index are not in the sources. `prune`: whether they are to be deleted.

    Raises `UsageError` for a source of one file, which says nothing of what else there should be, if they are.
    """

    def __init__(self, index: Index, corpora: Sequence[Corpus], *, prune: bool) -> None:
        self._index = index
        self._corpora = corpora
        self._prune = prune
        self._files = [corpus for corpus in corpora if isinstance(corpus, FileCorpus)]
        self._all_folders = all(
            isinstance(corpus, FileCorpus) and corpus.folder is not None for corpus in corpora
        )
        self._read: set[str] = set()
        if prune and any(corpus.folder is None for corpus in self._files):
            raise UsageError(
                "--prune deletes what a source no longer has, and one file is no such source: name folders"
            )

    def over(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents; what sources other than folders hold is remembered if it decides what is deleted."""
        for document in documents:
            if self._prune and not self._all_folders:
                self._read.add(document.id)
            yield document

    def ids(self, counts: Added) -> list[str]:
        """What to delete, when all is read: nothing unless that was asked for. What could be asked for is said.

        Raises `InputError` if the sources hold nothing, or bad records of which nobody knows the ids.
        """
        if not self._prune:
            self._remark(counts)
            return []
        names = " ".join(corpus.name for corpus in self._corpora)
        if not sum(counts):
            raise InputError(names, "holds no documents: --prune would delete all that the index has")
        if skipped := sum(corpus.skipped for corpus in self._corpora if not isinstance(corpus, FileCorpus)):
            raise InputError(
                names,
                f"{counted(skipped, 'bad record')} skipped, whose documents --prune would delete: repair them, or "
                f"leave --prune out",
            )
        return self._gone()

    def _gone(self) -> list[str]:
        there = self._read.union(*(corpus.paths for corpus in self._files))
        below = tuple(corpus.folder for corpus in self._files if corpus.folder is not None)
        everywhere = len(self._files) < len(self._corpora) or "" in below
        return [
            doc_id
            for doc_id in self._index.ids()
            if doc_id not in there and (everywhere or doc_id.startswith(below))
        ]

    def _remark(self, counts: Added) -> None:
        """Of folders alone, that were in the index before, and only where all that is missing may be files."""
        if not self._all_folders or not self._corpora or not counts.updated + counts.unchanged:
            return
        gone = self._gone()
        if gone and all(PurePosixPath(doc_id).suffix.lower() in SUFFIXES for doc_id in gone):
            _log.warning(
                "%s of this index %s not in %s: %s; if nothing else is to be kept, --prune deletes %s",
                counted(len(gone), "document"),
                "is" if len(gone) == 1 else "are",
                " ".join(corpus.name for corpus in self._corpora),
                some(gone),
                "it" if len(gone) == 1 else "them",
            )
