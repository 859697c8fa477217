"""A benchmark in one call: build the index or use it again, run the judged queries, measure.

An index is built under the home folder, at a name that says data, recipe and encoder; building it again adds nothing
that is there already, so a second run costs a pass over the documents and notices when they have changed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retrieve.api import Index
from retrieve.corpora.corpus import Corpus
from retrieve.corpora.dataset import Dataset, read_dataset
from retrieve.errors import IndexExists, InputError, UsageError
from retrieve.measures import DEFAULT_MEASURES
from retrieve.measures.evaluate import Evaluation, evaluate, measured
from retrieve.measures.names import parse_measures
from retrieve.passages.encoder import PassageEncoder
from retrieve.recipe import Recipe
from retrieve.store.paths import home, index_path
from retrieve.trec import as_run, write_run
from retrieve.types import Progress, Query

_log = logging.getLogger("retrieve")


def bench(  # noqa: PLR0913 - one call does what three would
    dataset: str | Path,
    recipe: str | Path | Mapping[str, Any] | Recipe,
    overrides: Sequence[str] = (),
    *,
    split: str = "test",
    k: int = 1000,
    measures: Sequence[str] = DEFAULT_MEASURES,
    relevance_level: int = 1,
    drop_self: bool = False,
    index: str | Path | None = None,
    out: str | Path | None = None,
    cache: bool = True,
    device: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Build, run the judged queries of `split`, and measure; one JSON object.

    `dataset` is a BEIR folder or `ir_datasets:NAME`; `index` builds elsewhere than under the home folder; `out` is
    a file for the TREC run; `device` is that of `Index.create`; `options` are those of `Index.run`. The object has the
    measures as numbers under their canonical names beside `queries`, `dataset`, `recipe` and `seconds` (all of the
    call), and, for a fusion, one like it for each view under `views`. `not_indexed` is the share of tokens that no
    passage holds. Raises `InputError` if the judged queries are not in the dataset, or there is no document,
    `IndexExists` if `index` holds anything else.
    """
    start = time.perf_counter()
    parsed = parse_measures(measures, relevance_level)  # a misspelt name is found before an hour of building
    resolved = PassageEncoder(recipe, overrides, device=device).recipe  # as this machine runs its encoder
    if (options.get("unit") or resolved.search.unit) == "passage":
        raise UsageError("judgments are of documents: unit='passage' does not go with a benchmark")
    data = read_dataset(dataset, split)
    queries = judged_queries(data, split)
    place = index_path(index) if index is not None else home() / _name(data.name, resolved)
    with open_or_create(place, resolved, cache=cache, device=device) as built:
        fill(built, data.corpus, own=index is None, progress=progress)
        if not len(built):
            raise InputError(data.name, "its collection holds no document: there is nothing to measure")
        built_at = time.perf_counter()
        asked = _settings(resolved) | options
        result = built.run(queries, k, parents=True, drop_self=drop_self, progress=progress, **asked)
        searched = time.perf_counter() - built_at
        info = built.info()
        encoded, cached = built.encodings
    if out is not None:
        write_run(out, result.rankings, f"{resolved.name}-{data.name}".replace("/", "-").replace(" ", "-"))
    whole = evaluate(as_run(result.rankings), data.qrels, measures, relevance_level=relevance_level)
    parents = {
        name: measured(as_run(rankings), data.qrels, parsed) for name, rankings in result.views.items()
    }
    common = {"dataset": data.name, "split": split, "recipe": resolved.name}
    seconds = {"seconds": round(time.perf_counter() - start, 3)}
    return {
        **_figures(whole),
        **common,
        **seconds,
        "build_seconds": round(built_at - start, 3),
        "search_seconds": round(searched, 3),
        "queries_per_second": round(len(queries) / searched, 1),
        "encoded": encoded,
        "cached": cached,
        "documents": info["documents"],
        "passages": info["passages"],
        "not_indexed": info["not_indexed"],
        "truncated_tokens": info["truncated_tokens"],
        "truncated_queries": result.truncated,
        "missing": len(whole.missing),
        "silent": {view: len(ids) for view, ids in result.silent.items()},
        "k": k,
        "drop_self": drop_self,
        "index": str(built.path),
        "encoder": info["encoder"],
        "settings": resolved.model_dump(mode="json", exclude_none=True) | {"options": options},
        "views": {name: _figures(parent) | common | seconds for name, parent in parents.items()}
        if len(parents) > 1
        else {},
    }


def open_or_create(place: Path, recipe: Recipe, *, cache: bool = True, device: str | None = None) -> Index:
    """The index at `place`, made if it is not there; `IndexExists` if another recipe or encoder built it."""
    try:
        return Index.create(place, recipe, cache=cache, device=device)
    except IndexExists:
        index = Index.open(place, cache=cache, device=device)
        if index.recipe.digest == recipe.digest and index.fingerprint == PassageEncoder(recipe).fingerprint:
            return index
        index.close()
        raise


def fill(index: Index, corpus: Corpus, *, own: bool, progress: Progress | None) -> None:
    """Make an index hold a collection, in one commit.

    What it holds beside the collection is deleted if the index is our `own`; else that is `IndexExists`.
    """
    before = len(index)
    with index.writer(progress) as writer:
        counts = writer.add(corpus)
        others = before - counts.updated - counts.unchanged
        if others and not own:
            raise IndexExists(
                f"{index.path} holds {others} documents that are not of {corpus.name}: name another index"
            )
        if others:
            ids = {document.id for document in corpus}
            writer.delete([doc_id for doc_id in index.ids() if doc_id not in ids])
    if corpus.without_text.count:
        _log.warning("%s: %s", corpus.name, corpus.without_text)
    _log.info("%s: %d documents added, %d updated, %d as they were, %d deleted", index.path, *counts, others)


def judged_queries(data: Dataset, split: str) -> list[Query]:
    """The queries that have judgments; `InputError` if one of them has no text."""
    queries = [query for query in data.queries if query.id in data.qrels]
    if len(queries) < len(data.qrels):
        absent = sorted(data.qrels.keys() - {query.id for query in queries})
        raise InputError(
            data.name,
            f"{len(absent)} queries judged in split {split!r} have no text, the first is {absent[0]!r}",
        )
    return queries


def _name(dataset: str, recipe: Recipe) -> str:
    """A folder name, other for another dataset, every other way to build, and another encoder or graph of it."""
    passage_encoder = PassageEncoder(recipe)
    parts = ["bench", dataset.replace("/", "-"), recipe.name.replace("/", "-"), recipe.digest[:8]]
    if passage_encoder.fingerprint is not None:
        parts.append(passage_encoder.fingerprint[:8])
    if passage_encoder.models.exist and passage_encoder.models.text.calibration:
        parts.append(passage_encoder.models.text.calibration[:8])
    return "-".join(parts)


def _settings(recipe: Recipe) -> dict[str, Any]:
    """The recipe's own search settings, spelt out: an index that is used again has those it was first built with."""
    search = recipe.search
    return {
        "fusion": search.fusion,
        "weights": search.weights,
        "adapt": search.adapt,
        "depth": search.depth,
        "aggregate": search.aggregate,
        "unit": search.unit,
        "k1": search.bm25.k1,
        "b": search.bm25.b,
        "query_terms": search.bm25.query_terms,
        "rm3": search.bm25.rm3,
        "fb_docs": search.bm25.fb_docs,
        "fb_terms": search.bm25.fb_terms,
        "original_weight": search.bm25.original_weight,
        "ef_search": search.dense.ef_search,
        "nprobe": search.dense.nprobe,
        "oversample": search.dense.oversample,
        "query_winners": search.uhd.query_winners,
        "reranker": search.rerank.model,
        "rerank_depth": search.rerank.depth,
    }


def _figures(found: Evaluation) -> dict[str, Any]:
    return {**found.means, "queries": found.queries}
