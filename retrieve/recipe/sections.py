"""The sections of a recipe as checked records: every key, its type, its default, and what contradicts what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, SupportsIndex

from pydantic import Field, create_model, model_validator

from retrieve.errors import RecipeError
from retrieve.recipe.encodings import UHD, Dense, Section, Splade, VectorEncoding, VectorForm
from retrieve.types import MOST_QUERY_WINNERS

Aggregate = Literal["max", "first", "sum", "mean", "top3"]
Unit = Literal["document", "passage"]
FusionMethod = Literal["convex", "z", "rrf"]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=False)]

VIEWS = ("bm25", "dense", "uhd", "splade")
"""The views that come with the package, in the order in which they are fused and printed; registered ones follow."""

_registered: dict[str, type[Section]] = {}


def register_section(name: str, section: type[Section]) -> None:
    """Let recipes have a section of that name, for a view that is not of this package. Raises `RecipeError`."""
    if name in Recipe.model_fields or _registered.get(name, section) is not section:
        raise RecipeError(f"recipes have a section {name!r} already: call the view otherwise")
    _registered[name] = section


def recipe_record(keys: Iterable[str]) -> type[Recipe]:
    """The record of a recipe that has these keys: with those sections of them that were registered."""
    names = tuple(name for name in _registered if name in keys)
    return _record_with(names) if names else Recipe


@cache
def _record_with(names: tuple[str, ...]) -> type[Recipe]:
    more: dict[str, Any] = {name: (_registered[name] | None, None) for name in names}
    return create_model("Recipe", __base__=Recipe, **more)


def _unpickled(sections: Mapping[str, type[Section]], state: dict[Any, Any]) -> Recipe:
    """A recipe with registered sections, in a process that may not have registered them yet."""
    for name, section in sections.items():
        register_section(name, section)
    record = recipe_record(sections)
    recipe = record.__new__(record)
    recipe.__setstate__(state)
    return recipe


class Passages(Section):
    """How documents are cut. `size` and `overlap` count `unit`s; no `size` means the encoder's limit."""

    unit: Literal["tokens", "words"] = "tokens"
    size: int | None = Field(default=None, ge=1)
    overlap: int = Field(default=0, ge=0)
    mode: Literal["window", "first", "whole"] = "window"
    title: Literal["every", "first", "none"] = "every"
    boundaries: Literal["sentence", "none"] = "sentence"

    @model_validator(mode="after")
    def _overlap_below_size(self) -> Passages:
        if self.size is not None and self.overlap >= self.size:
            raise ValueError(
                f"passages.overlap {self.overlap} must be smaller than passages.size {self.size}"
            )
        return self


FIRST_RULES = 2
"""Those of an index that does not name its rules."""

ANALYSIS_OPTIONS = ("identifiers", "fold_accents", "compounds")
"""Keys of BM25 that add to what becomes of words, each off by default."""


class BM25(Section):
    """The lexical view: which language its analyzer speaks, and how often a title's terms count in its passages.

    `title_weight` is the weight of the title's field in simple BM25F (Robertson, Zaragoza and Taylor 2004), that of
    the text being 1: it multiplies the title's part in term frequencies and lengths.

    `identifiers`: parts of names in program texts are terms beside the whole. `fold_accents`: terms have no accents.
    `compounds`: parts of German compounds are terms beside the whole.

    `backend`: who scores, "native", "rank-bm25" (small collections), which has three variants, or "lucene", which also
    analyses. `rules`: how text becomes terms (see `retrieve.text.analyze`); an index goes on with those it was made by.
    """

    language: str = "english"
    stopwords: bool = True
    rules: Literal[2, 3] = 3
    identifiers: bool = False
    fold_accents: bool = False
    compounds: bool = False
    title_weight: int = Field(default=1, ge=1, le=100)
    backend: Literal["native", "rank-bm25", "lucene"] = "native"
    variant: Literal["okapi", "l", "plus"] = "okapi"

    @model_validator(mode="after")
    def _variants_are_of_the_package(self) -> BM25:
        if self.variant != "okapi" and self.backend != "rank-bm25":
            raise ValueError(f'bm25.variant = "{self.variant}" is one of bm25.backend = "rank-bm25"')
        return self

    @model_validator(mode="after")
    def _options_are_of_this_analyzer(self) -> BM25:
        if self.compounds and self.language != "german":
            raise ValueError(
                f'bm25.compounds takes German words apart: wanted bm25.language = "german", got "{self.language}"'
            )
        for option in ANALYSIS_OPTIONS:
            if not getattr(self, option):
                continue
            if self.backend == "lucene":
                raise ValueError(
                    f'bm25.{option} is of the analyzer here, and bm25.backend = "lucene" has its own: leave one out'
                )
            if self.rules == FIRST_RULES:
                raise ValueError(f"bm25.{option} is not of bm25.rules = {FIRST_RULES}: leave one of them out")
        return self


class Segments(Section):
    """When a batch of documents is sealed: at so many passages, or so much text.

    `merge_factor`: a commit merges so many neighbours of about one size, as long as one segment may hold them; 0: none.
    """

    passages: int = Field(default=1 << 20, ge=1)
    text_bytes: int = Field(default=1 << 30, ge=1)
    merge_factor: int = Field(default=10, ge=0, le=100)

    @model_validator(mode="after")
    def _merges_several(self) -> Segments:
        if self.merge_factor == 1:
            raise ValueError(
                "segments.merge_factor is 1: wanted 2 or more, or 0 for commits that merge nothing"
            )
        return self


class Filters(Section):
    """Metadata fields kept as columns, so that filtering on them costs a vectorised comparison."""

    fields: tuple[str, ...] = Field(default=(), strict=False)


class SearchBM25(Section):
    """BM25's parameters; the defaults of `k1` and `b` are those of the published Lucene runs.

    `query_terms`: a query of more distinct terms, such as a document, keeps so many, those of largest tf·idf; the
    native backend alone does so. `rm3`: whether queries are expanded by `fb_terms` terms of their `fb_docs` best
    documents, `original_weight` being that of their own; the defaults are those of Anserini.
    """

    k1: float = Field(default=0.9, ge=0, allow_inf_nan=False, strict=False)
    b: float = Field(default=0.4, ge=0, le=1, strict=False)
    query_terms: int = Field(default=100, ge=1)
    rm3: bool = False
    fb_docs: int = Field(default=10, ge=1)
    fb_terms: int = Field(default=10, ge=1)
    original_weight: float = Field(default=0.5, ge=0, le=1, strict=False)


class SearchDense(Section):
    """Effort of an approximate search; ignored by an exact one. `oversample`: candidates per hit that binary
    storage takes by its sign bits and scores again.
    """

    ef_search: int = Field(default=128, ge=1)
    nprobe: int = Field(default=16, ge=1)
    oversample: int = Field(default=4, ge=1)


class SearchUHD(Section):
    """Winners that a query keeps; None: as the recipe or the trained head says."""

    query_winners: int | None = Field(default=None, ge=1, le=MOST_QUERY_WINNERS)


class SearchRerank(Section):
    """A cross-encoder over the first `depth` hits; none where `model` is empty."""

    model: str = ""
    depth: int = Field(default=50, ge=1)


class Search(Section):
    """Defaults of a search. `weights` names views; a view left out weighs 1. `adapt`: a view of an encoder weighs less
    for a query whose words the encoder has in pieces alone.
    """

    fusion: FusionMethod = "convex"
    adapt: bool = False
    weights: dict[str, Weight] = Field(default_factory=dict, strict=False)
    depth: int = Field(default=1000, ge=1)
    aggregate: Aggregate = "max"
    unit: Unit = "document"
    bm25: SearchBM25 = SearchBM25()
    dense: SearchDense = SearchDense()
    uhd: SearchUHD = SearchUHD()
    rerank: SearchRerank = SearchRerank()


class Recipe(Section):
    """A whole recipe. The sections `bm25`, `dense`, `uhd` and `splade` are the views: an absent one is not built."""

    name: str
    description: str = ""
    passages: Passages = Passages()
    bm25: BM25 | None = None
    dense: Dense | None = None
    uhd: UHD | None = None
    splade: Splade | None = None
    segments: Segments = Segments()
    filters: Filters = Filters()
    search: Search = Search()

    @model_validator(mode="before")
    @classmethod
    def _one_encoder(cls, values: Any) -> Any:
        """`uhd` beside `dense` codes the same vectors: what it does not say of the encoder is as `dense` says."""
        if isinstance(values, dict) and isinstance(values.get("dense"), dict):
            dense, uhd = values["dense"], values.get("uhd")
            if isinstance(uhd, dict):
                shared = {key: dense[key] for key in VectorEncoding.model_fields if key in dense}
                if dense.get("model") == "none" and "dimensions" in dense:
                    shared["hidden"] = dense["dimensions"]
                return {**values, "uhd": {"level": "text"} | shared | uhd}
        return values

    @model_validator(mode="after")
    def _views_are_known(self) -> Recipe:
        if not self.views:
            names = ", ".join(f"[{name}]" for name in (*VIEWS, *_registered))
            raise ValueError(f"no view: at least one of {names} is wanted")
        self._check_encoders()
        if self.bm25 is not None and self.bm25.title_weight > 1 and self.passages.title == "none":
            raise ValueError(
                f'bm25.title_weight = {self.bm25.title_weight} weighs titles that passages.title = "none" leaves '
                'out: wanted passages.title = "every" or "first", or no weight'
            )
        if self.dense is not None and self.dense.late_chunking:
            passages = self.passages
            if passages.unit != "tokens" or passages.mode == "whole":
                raise ValueError(
                    f'dense.late_chunking shares windows of tokens: passages.unit = "{passages.unit}" with '
                    f'passages.mode = "{passages.mode}" does not go with it'
                )
        unknown = sorted(set(self.search.weights) - set(self.views))
        if unknown:
            raise ValueError(f"search.weights names {unknown}, the views are {list(self.views)}")
        self._check_query_winners()
        if self.search.bm25.rm3 and (self.bm25 is None or self.bm25.backend != "native"):
            raise ValueError(
                'search.bm25.rm3 expands queries by postings of our own: wanted [bm25] with backend = "native"'
            )
        return self

    def _check_query_winners(self) -> None:
        wanted, uhd = self.search.uhd.query_winners, self.uhd
        if wanted is None:
            return
        if uhd is None or uhd.level == "token":
            raise ValueError(
                f"search.uhd.query_winners = {wanted} is for a uhd view of level text, this recipe has none: "
                "leave it out"
            )
        if wanted > uhd.dimensions or wanted % uhd.segments:
            raise ValueError(
                f"search.uhd.query_winners = {wanted}: wanted a multiple of uhd.segments = {uhd.segments}, "
                f"at most {uhd.dimensions}, the uhd.dimensions"
            )

    def _check_encoders(self) -> None:
        encoded = [name for name in ("dense", "uhd", "splade") if getattr(self, name) is not None]
        if len(encoded) > 1 and (self.splade is not None or (self.uhd and self.uhd.level == "token")):
            raise ValueError(
                f"the views {encoded} would need several encoders, an index has one: "
                "combine bm25 with one of them, or dense with uhd of level text"
            )
        if self.dense is not None and self.uhd is not None:
            other = [
                key
                for key in VectorEncoding.model_fields
                if getattr(self.dense, key) != getattr(self.uhd, key)
            ]
            if other:
                raise ValueError(
                    f"uhd codes the vectors of dense: {', '.join(other)} must be the same in both"
                )
            if self.uhd.own_vectors and self.uhd.hidden != self.dense.dimensions:
                raise ValueError(
                    f"uhd codes the vectors of dense: uhd.hidden = {self.uhd.hidden} must be "
                    f"dense.dimensions = {self.dense.dimensions}, or be left out"
                )

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """By its sections where some are registered: the record was made in this process then."""
        sections = {name: _registered[name] for name in _registered if name in type(self).model_fields}
        return (_unpickled, (sections, self.__getstate__())) if sections else super().__reduce_ex__(protocol)

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views, in the order in which they are fused and printed."""
        return tuple(name for name in (*VIEWS, *_registered) if getattr(self, name, None) is not None)

    @property
    def analysis(self) -> BM25:
        """The section that says how texts become terms: that of BM25, or its defaults where there is no such view."""
        return self.bm25 or BM25()

    @property
    def encoding(self) -> Dense | UHD | Splade | None:
        """The section that names the index's one encoder; None where the only view is BM25."""
        return self.dense or self.uhd or self.splade

    @property
    def vectors(self) -> VectorForm | None:
        """How vectors are kept, where a view is made of vectors."""
        if self.dense is not None:
            dense = self.dense
            return VectorForm(
                "dense", dense.storage, dense.rescore, dense.dimensions, dense.normalize, dense.keep_vectors
            )
        if self.uhd is not None and self.uhd.level == "text":
            uhd = self.uhd
            return VectorForm("vectors", "float16", "float16", uhd.hidden, uhd.normalize, uhd.keep_vectors)
        return None

    @property
    def late_chunking(self) -> bool:
        """Whether passages are encoded in the context of their neighbours."""
        return self.dense is not None and self.dense.late_chunking

    @property
    def digest(self) -> str:
        """SHA-256 of what decides the bytes of an index.

        An encoder's name is left out: its fingerprint stands for it (the same weights in another folder are the
        same encoder), and so is what decides when segments are merged. So are keys that came later where they change
        nothing: an index from before has the same bytes.
        """
        build = self.model_dump(mode="json", exclude={"name", "description", "search"})
        del build["segments"]["merge_factor"]
        for name in (*VIEWS, *_registered):
            if name not in ("bm25", "dense") and build.get(name, ...) is None:
                del build[name]
        for name in ("dense", "uhd", "splade"):
            if build.get(name) is not None:
                build[name] |= {key: build[name][key] or "" for key in ("query_prompt", "document_prompt")}
                if build[name]["model"] != "none":
                    build[name]["model"] = ""
        if build["bm25"] is not None:
            usual = {"rules": FIRST_RULES, "title_weight": 1, "backend": "native", "variant": "okapi"}
            usual |= dict.fromkeys(ANALYSIS_OPTIONS, False)
            build["bm25"] = {key: value for key, value in build["bm25"].items() if value != usual.get(key)}
        return hashlib.sha256(canonical(build)).hexdigest()


def canonical(value: object) -> bytes:
    """One byte string for one JSON value: sorted keys, no spaces, UTF-8."""
    return _EMPTY if value == {} else _CANONICAL.encode(value).encode()


_EMPTY = b"{}"  # as the metadata of most documents
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
