"""Ours and its peers on one collection: built one after the other, then asked the same queries in turn, by rounds.

Ours is built anew, without the cache, so that its seconds can be compared; the index that `retrieve bench` keeps is
another. Figures are of one thread on one processor, one query at a time, at the k of the run.
"""

from __future__ import annotations

import logging
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

from retrieve.bench import judged_queries
from retrieve.corpora.corpus import Corpus
from retrieve.corpora.dataset import Dataset, read_dataset
from retrieve.errors import RetrieveError, UsageError
from retrieve.measures import DEFAULT_MEASURES
from retrieve.measures.evaluate import measured
from retrieve.measures.names import parse_measures
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.given_spans import grouped
from retrieve.peers.entrant import PeerEntrant, written_passages
from retrieve.peers.figures import figures, ratios
from retrieve.peers.ours import OurEntrant
from retrieve.peers.process import EntrantProcess, Round
from retrieve.peers.protocol import Task
from retrieve.peers.registry import Chosen, choose_peers
from retrieve.recipe import Recipe
from retrieve.trec import as_run
from retrieve.types import Query

ROUNDS = 3
FUSED = "hybrid"
"""What ours is called where its views are fused: `using` of a search."""

_ALONE = ("where", "using", "unit", "reranker", "rerank_depth")

_log = logging.getLogger("retrieve")


class Contest:
    """A recipe and the peers of its views, chosen and checked before anything is built."""

    def __init__(
        self,
        recipe: str | Path | Mapping[str, Any] | Recipe,
        overrides: Sequence[str] = (),
        names: Sequence[str] | None = None,
        *,
        device: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """`names`: the peers; None: all of the recipe's views that are installed. `options` are those of `Index.run`.

        Raises as `choose_peers`, and `UsageError` for options that no peer has: filters, views, rerankers, passages
        that become documents otherwise than by the best.
        """
        self._encoder = PassageEncoder(recipe, overrides, cache=False, device=device)
        self._recipe = self._encoder.recipe
        self._options = dict(options or {})
        self._named = names is not None
        self._device = device
        self._chosen: Chosen = choose_peers(self._recipe, names)
        self._check_options()

    def _check_options(self) -> None:
        search = self._recipe.search
        for name in _ALONE:
            if self._options.get(name):
                raise UsageError(
                    f"peers have no {name.replace('_', ' ')}: leave it out, or leave out --peers"
                )
        aggregate = self._options.get("aggregate", search.aggregate)
        if aggregate != "max" or search.unit != "document" or search.rerank.model:
            raise UsageError(
                "peers rank documents by their best passage: wanted aggregate = max, unit = document and no reranker"
            )

    def run(
        self,
        dataset: str | Path,
        *,
        split: str = "test",
        k: int = 1000,
        measures: Sequence[str] = DEFAULT_MEASURES,
        relevance_level: int = 1,
        drop_self: bool = False,
    ) -> dict[str, Any]:
        """Build and ask all of them; one JSON object.

        `ours` has figures by view, `peers` by name, with `ratios` of theirs to ours of their view; `not_run` says of
        the others why. A peer that fails is one of these if it was not named, else `RetrieveError`.
        """
        data = read_dataset(dataset, split)
        queries = judged_queries(data, split)
        measure = _Measure(data, parse_measures(measures, relevance_level))
        task = Task(
            self._recipe.model_dump(mode="json", exclude_none=True), self._options, k, drop_self, self._device
        )
        with tempfile.TemporaryDirectory(prefix="retrieve-peers-") as folder, ExitStack() as stack:
            place = Path(folder)
            file = place / "passages.jsonl"
            counts = _write_passages(self._encoder, data.corpus, file)
            field = _Field(stack, self._chosen, raises=self._named)
            field.enter("ours", None, None, OurEntrant, str(dataset), split, task, place / "ours")
            for name, listed in self._chosen.peers.items():
                made = (listed.place, listed.package, task, file, place / name)
                field.enter(name, listed.view, place / f"{name}.log", PeerEntrant, *made)
            views: list[str | None] = [view for view in self._recipe.views if view in self._chosen.views]
            if len(self._recipe.views) > 1:
                views.append(None)
            for number in range(ROUNDS):
                _log.info("round %d of %d: %s", number + 1, ROUNDS, ", ".join(field.names))
                for view in views:
                    field.ask(queries, view, keep=number == 0)
            return {
                "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
                "rounds": ROUNDS,
                "k": k,
                "passages": counts.passages,
                **field.figures(measure, counts.documents, [str(parsed) for parsed in measure.parsed]),
            }


class _Counts(NamedTuple):
    documents: int
    passages: int


class _Measure(NamedTuple):
    data: Dataset
    parsed: Sequence[Any]

    def of(self, rankings: Sequence[tuple[str, list[tuple[str, float]]]]) -> dict[str, float]:
        """Means of all judged queries."""
        return measured(as_run(rankings), self.data.qrels, self.parsed).means


class _Field:
    """The processes that are left, and what they have done so far."""

    def __init__(self, stack: ExitStack, chosen: Chosen, *, raises: bool) -> None:
        self._stack = stack
        self._raises = raises
        self._not_run = dict(chosen.not_run)
        self._processes: dict[str, EntrantProcess] = {}
        self._view: dict[str, str | None] = {}
        self._seconds: dict[str, float] = {}
        self._rounds: dict[tuple[str, str | None], list[Round]] = {}

    @property
    def names(self) -> list[str]:
        """Who is still there."""
        return list(self._processes)

    def enter(self, name: str, view: str | None, log: Path | None, make: Any, *arguments: Any) -> None:
        """Start a process, which prints to `log`, and have it index the collection."""
        _log.info("%s: indexing", name)
        process = self._stack.enter_context(closing(EntrantProcess(name, log, make, *arguments)))
        self._processes[name], self._view[name] = process, view
        try:
            self._seconds[name] = process.build()
        except RetrieveError as error:
            self._out(name, error)

    def ask(self, queries: Sequence[Query], view: str | None, *, keep: bool) -> None:
        """One pass of ours over a view, and of each of its peers."""
        for name, process in list(self._processes.items()):
            if name != "ours" and self._view[name] != view:
                continue
            try:
                made = process.ask(queries, view, keep=keep)
            except RetrieveError as error:
                self._out(name, error)
            else:
                self._rounds.setdefault((name, view), []).append(made)

    def figures(self, measure: _Measure, documents: int, measures: Sequence[str]) -> dict[str, Any]:
        """Of everyone who came through."""
        said: dict[str, dict[str, Any]] = {}
        for name, process in list(self._processes.items()):
            try:
                said[name] = process.finish()
            except RetrieveError as error:
                self._out(name, error)
        found: dict[tuple[str, str | None], dict[str, Any]] = {}
        for (name, view), rounds in self._rounds.items():
            if name in said:
                stored = said[name]["bytes"]
                found[name, view] = figures(
                    measure.of(rounds[0].rankings),
                    rounds,
                    index_seconds=self._seconds[name],
                    peak_memory=said[name]["peak_memory"],
                    stored=stored[view or "total"] if name == "ours" else stored,
                    documents=documents,
                )
        ours = {view: made for (name, view), made in found.items() if name == "ours"}
        return {
            "ours": {
                view or FUSED: {**made, "differences": said["ours"]["differences"]}
                for view, made in ours.items()
            },
            "peers": {
                name: {
                    "view": view,
                    "version": said[name]["version"],
                    **made,
                    "ratios": ratios(made, ours[view], measures),
                    "differences": said[name]["differences"],
                }
                for (name, view), made in found.items()
                if name != "ours"
            },
            "not_run": self._not_run,
        }

    def _out(self, name: str, error: RetrieveError) -> None:
        if self._raises or name == "ours":
            raise error
        _log.warning("%s", error)
        self._not_run[name] = str(error)
        self._processes.pop(name).close()


def _write_passages(encoder: PassageEncoder, corpus: Corpus, file: Path) -> _Counts:
    """The texts that ours feeds its views, a line each: what every peer gets."""
    documents = passages = 0
    file.touch()
    for group in grouped(corpus):
        cut = encoder.split(group)
        rows = [
            (document.id, encoder.fed(document, windows.spans))
            for document, windows in zip(group, cut, strict=True)
        ]
        documents += len(group)
        passages += written_passages(file, rows)
    return _Counts(documents, passages)
