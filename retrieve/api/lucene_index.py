"""An index of Lucene's that was made elsewhere, as something to search and run: `lucene:FOLDER` on the command line.

It has one view, BM25, over documents. What ours has beside that (filters, other views, passages, rerankers) is refused
by its name.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from retrieve.api.runs import QueryRanking
from retrieve.errors import UsageError
from retrieve.recipe import load_recipe
from retrieve.search.options import SearchOptions, options_by_name
from retrieve.search.searcher import check_query
from retrieve.search.snippets import QueryWords
from retrieve.store.paths import LUCENE
from retrieve.types import Hit, Hits, PassageHit, Progress, Query

if TYPE_CHECKING:
    from retrieve.index.lucene_folder import LuceneFolder

_KNOWN = ("k1", "b")
_VIEW = "bm25"

_log = logging.getLogger("retrieve")


class LuceneIndex:
    """One folder of Lucene's, which Anserini or pyserini filled. Ids are those of the stored field `id`.

    Rankings and scores are Anserini's: its English analyzer whatever the index was made with, scores to four places,
    ties by id. k1 and b are .9 and .4 where a call does not say others.
    """

    def __init__(self, path: str | Path) -> None:
        """`path`: a folder, with or without `lucene:` before it. Raises as `LuceneFolder`, and `MissingExtra`."""
        from retrieve.index.lucene import check_installed
        from retrieve.index.lucene_folder import LuceneFolder

        check_installed("an index of Lucene's")
        self.path = Path(str(path).removeprefix(LUCENE)).absolute()
        self._opened: LuceneFolder | None = LuceneFolder(self.path)
        self._recipe = load_recipe("lucene")
        if not self._opened.stores_text:
            _log.info("%s stores no texts: hits are ids with scores", self.path)

    def __len__(self) -> int:
        return self._folder.documents

    def __enter__(self) -> LuceneIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let it go; anything else on it is `UsageError` then."""
        self._opened = None

    def search(self, query: str, k: int = 10, **options: Any) -> Hits:
        """Up to k hits, best first; each with its text as one passage if the index stores it. `options`: k1, b."""
        check_query(query)
        asked = self._options(k, options)
        hits, shows = Hits(), QueryWords.of(query, self._recipe)
        for rank, (doc_id, score) in enumerate(
            self._folder.search(query, k, k1=asked.k1, b=asked.b), start=1
        ):
            text = self._folder.stored_text(doc_id)
            passages = () if text is None else (PassageHit(0, len(text), 0, text, score),)
            count = len(passages)
            scores = {_VIEW: score}
            hits.append(
                Hit(doc_id, score, rank, passages=passages, scores=scores, passage_count=count, shows=shows)
            )
        return hits

    def similar(self, doc_id: str, k: int = 10, **options: Any) -> NoReturn:
        """Refused: no terms of a document are at hand."""
        raise UsageError(f"{self.path} is an index of Lucene's: search it with the document's text")

    def explain(self, query: str, doc_id: str, **options: Any) -> NoReturn:
        """Refused: Anserini keeps no reasons."""
        raise UsageError(f"{self.path} is an index of Lucene's, which has no explain: leave it out")

    def iter_run(
        self,
        queries: Iterable[Query],
        k: int = 1000,
        *,
        drop_self: bool = False,
        progress: Progress | None = None,
        **options: Any,
    ) -> Iterator[QueryRanking]:
        """One query's answer after the other, as `Index.iter_run`. `options`: k1, b."""
        asked = self._options(k, options)
        listed = list(queries)
        for query in listed:
            check_query(query.text)
        return self._answers(listed, k, asked, drop_self=drop_self, progress=progress)

    def _answers(
        self,
        queries: list[Query],
        k: int,
        asked: SearchOptions,
        *,
        drop_self: bool,
        progress: Progress | None,
    ) -> Iterator[QueryRanking]:
        for number, query in enumerate(queries, start=1):
            found = self._folder.search(query.text, k + drop_self, k1=asked.k1, b=asked.b)
            ranking = [pair for pair in found if not (drop_self and pair[0] == query.id)][:k]
            yield QueryRanking(query.id, ranking, {_VIEW: len(found)}, {}, truncated=False)
            if progress is not None:
                progress("queries", number, len(queries))

    def _options(self, k: int, given: dict[str, Any]) -> SearchOptions:
        for name, value in given.items():
            if name not in _KNOWN and value is not None:
                raise UsageError(
                    f"{self.path} is an index of Lucene's, which has no {name}: it takes k1 and b; "
                    "make one with `retrieve index create` for the rest"
                )
        return options_by_name(self._recipe, k, given)

    @property
    def _folder(self) -> LuceneFolder:
        if self._opened is None:
            raise UsageError(f"the index of Lucene's at {self.path} is closed: open it again")
        return self._opened
