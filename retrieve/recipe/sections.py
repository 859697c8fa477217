"""The sections of a recipe as checked records: every key, its type, its default, and what contradicts what."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from retrieve.types import MOST_QUERY_WINNERS

Aggregate = Literal["max", "first", "sum", "mean", "top3"]
Unit = Literal["document", "passage"]
FusionMethod = Literal["convex", "rrf"]
Numbers = Literal["float32", "float16", "int8"]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=False)]

VIEWS = ("bm25", "dense", "uhd", "splade")
"""All views there are, in the order in which they are fused and printed."""

MOST_PROJECTED = 1 << 20
"""Dimensions of a text-level code at most: every query is multiplied by a matrix of so many rows."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Passages(_Section):
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


class BM25(_Section):
    """The lexical view: which language its analyzer speaks, and how often a title's terms count in its passages.

    `title_weight` is the weight of the title's field in simple BM25F (Robertson, Zaragoza and Taylor 2004), that of
    the text being 1: it multiplies the title's part in term frequencies and lengths.
    """

    language: str = "english"
    stopwords: bool = True
    title_weight: int = Field(default=1, ge=1, le=100)


class Encoding(_Section):
    """An encoder: where its model is, how texts are fed to it, and how it is run.

    `backend` and `precision` "auto" are what the machine does best; the manifest keeps what that was.
    """

    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    backend: Literal["auto", "torch", "openvino"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"
    limit: int | None = Field(default=None, ge=8)
    query_prompt: str = ""
    document_prompt: str = ""

    @property
    def own_vectors(self) -> bool:
        """True where there is no encoder, and vectors are the caller's own."""
        return self.model == "none"


class VectorEncoding(Encoding):
    """An encoder that gives one vector, and how its token vectors become that one."""

    pooling: Literal["cls", "mean", "max", "last"] | None = None
    normalize: bool = True


class Dense(VectorEncoding):
    """The dense view: an encoder, or `model = "none"` with `dimensions` for vectors of the caller's own.

    With an encoder, `dimensions` keeps the first so many of its dimensions (Matryoshka models). `storage` is the form
    of the vectors on disk; `binary` keeps sign bits for the search and vectors of the form `rescore` for the scores.
    """

    dimensions: int | None = Field(default=None, ge=1)
    factory: str = "Flat"
    storage: Numbers | Literal["binary"] = "float16"
    rescore: Literal["int8", "float16"] = "int8"
    keep_vectors: bool = True
    late_chunking: bool = False

    @model_validator(mode="after")
    def _own_vectors_have_dimensions(self) -> Dense:
        if self.own_vectors and self.dimensions is None:
            raise ValueError('dense.model = "none" needs dense.dimensions = N, of the vectors you will give')
        if self.storage == "binary" and not (self.normalize and self.flat):
            raise ValueError(
                'dense.storage = "binary" compares signs of unit vectors: it needs dense.normalize = true and '
                'dense.factory = "Flat"'
            )
        if self.late_chunking and self.pooling not in (None, "mean"):
            raise ValueError(f'dense.late_chunking takes means of tokens: dense.pooling is "{self.pooling}"')
        return self

    @property
    def flat(self) -> bool:
        """True where vectors are searched exactly, without a FAISS index."""
        return self.factory == "Flat"


class UHD(VectorEncoding):
    """Binary codes of very many dimensions, of which each passage keeps few (Jang et al. 2021).

    `level` "text" projects vectors by a Gaussian matrix (`seed`) less their corpus mean, or by the head that the
    model's folder holds; "token" takes such a folder whose head works on tokens. `dimensions` n, `winners` m of a
    passage and `query_winners` of a query (default: the same), chosen in each of `segments` equal parts. `layout`
    "small" stores each list in the fewest bytes, "fast" in the form that is counted fastest. `hidden` is the number of
    dimensions of the caller's own vectors (`model = "none"`). `keep_vectors` keeps what the codes were made of,
    so that `merge --retrain` can make them anew.
    """

    level: Literal["text", "token"] = "text"
    dimensions: int = Field(default=8192, ge=1, le=1 << 31)
    winners: int = Field(default=512, ge=1)
    query_winners: int | None = Field(default=None, ge=1, le=MOST_QUERY_WINNERS)
    segments: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    layout: Literal["fast", "small"] = "fast"
    hidden: int | None = Field(default=None, ge=1)
    keep_vectors: bool = True

    @model_validator(mode="after")
    def _winners_fit(self) -> UHD:
        if self.level == "text" and self.dimensions > MOST_PROJECTED:
            raise ValueError(
                f'uhd.dimensions = {self.dimensions} with uhd.level = "text": wanted at most {MOST_PROJECTED}, as '
                "every query is multiplied by a matrix of so many rows"
            )
        for name, count in (("winners", self.winners), ("query_winners", self.query_winners or self.winners)):
            if count > self.dimensions:
                raise ValueError(f"uhd.{name} = {count} of uhd.dimensions = {self.dimensions}: wanted fewer")
            if count > MOST_QUERY_WINNERS and name == "query_winners":
                raise ValueError(
                    f"a query would keep {count} winners, {MOST_QUERY_WINNERS} are counted at most: "
                    "set uhd.query_winners"
                )
            if count % self.segments or self.dimensions % self.segments:
                raise ValueError(
                    f"uhd.segments = {self.segments} must divide uhd.dimensions = {self.dimensions} and "
                    f"uhd.{name} = {count}"
                )
        if self.own_vectors != (self.hidden is not None):
            raise ValueError('uhd.hidden = N is for uhd.model = "none": of the vectors you will give')
        if self.level == "token":
            _only_torch("uhd", self)
            if self.own_vectors:
                raise ValueError(
                    'uhd.level = "token" codes the tokens of a model: uhd.model names its folder'
                )
        return self


class Splade(Encoding):
    """Learned sparse weights: any SparseEncoder of sentence-transformers that pools a masked language model's logits.

    A passage's weights are multiplied by `scale` and rounded to whole impacts, as is usual with Lucene. At 10,000, the
    most, weights have more places than models have to say, and a passage whose weights add up to 400,000 still fits
    the 32 bits of its length.
    """

    model: str
    scale: float = Field(default=100.0, gt=0, le=10_000, allow_inf_nan=False, strict=False)

    @model_validator(mode="after")
    def _has_a_model(self) -> Splade:
        _only_torch("splade", self)
        if not self.model:
            raise ValueError(
                "splade.model is empty: name the folder of a SparseEncoder, with --set splade.model=FOLDER"
            )
        if self.own_vectors:
            raise ValueError(
                "splade.model names the folder of a SparseEncoder: there are no weights of your own"
            )
        return self


def _only_torch(name: str, section: Encoding) -> None:
    if section.backend == "openvino":
        raise ValueError(f'{name} is encoded by torch alone: {name}.backend = "openvino" cannot be had')
    if section.precision == "int8":
        raise ValueError(
            f'{name} is encoded by torch, which does not run int8: {name}.precision = "int8" cannot be had'
        )


class VectorForm(NamedTuple):
    """How an index keeps its vectors: the folder in a segment, their form, and whether they stay."""

    folder: Literal["dense", "vectors"]
    storage: Numbers | Literal["binary"]
    rescore: Numbers
    dimensions: int | None
    normalize: bool
    keep: bool


class Segments(_Section):
    """When a batch of documents is sealed: at so many passages, or so much text."""

    passages: int = Field(default=1 << 20, ge=1)
    text_bytes: int = Field(default=1 << 30, ge=1)


class Filters(_Section):
    """Metadata fields kept as columns, so that filtering on them costs a vectorised comparison."""

    fields: tuple[str, ...] = Field(default=(), strict=False)


class SearchBM25(_Section):
    """BM25's parameters; the defaults are those of the published Lucene runs."""

    k1: float = Field(default=0.9, ge=0, allow_inf_nan=False, strict=False)
    b: float = Field(default=0.4, ge=0, le=1, strict=False)


class SearchDense(_Section):
    """Effort of an approximate search; ignored by an exact one. `oversample`: candidates per hit that binary
    storage takes by its sign bits and scores again.
    """

    ef_search: int = Field(default=128, ge=1)
    nprobe: int = Field(default=16, ge=1)
    oversample: int = Field(default=4, ge=1)


class SearchUHD(_Section):
    """Winners that a query keeps; None: as the recipe or the trained head says."""

    query_winners: int | None = Field(default=None, ge=1, le=MOST_QUERY_WINNERS)


class SearchRerank(_Section):
    """A cross-encoder over the first `depth` hits; none where `model` is empty."""

    model: str = ""
    depth: int = Field(default=50, ge=1)


class Search(_Section):
    """Defaults of a search. `weights` names views; a view left out weighs 1."""

    fusion: FusionMethod = "convex"
    weights: dict[str, Weight] = Field(default_factory=dict, strict=False)
    depth: int = Field(default=1000, ge=1)
    aggregate: Aggregate = "max"
    unit: Unit = "document"
    bm25: SearchBM25 = SearchBM25()
    dense: SearchDense = SearchDense()
    uhd: SearchUHD = SearchUHD()
    rerank: SearchRerank = SearchRerank()


class Recipe(_Section):
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
                return {**values, "uhd": shared | uhd}
        return values

    @model_validator(mode="after")
    def _views_are_known(self) -> Recipe:
        if not self.views:
            raise ValueError(f"no view: at least one of {', '.join(f'[{name}]' for name in VIEWS)} is wanted")
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
        encoded = [name for name in self.views if name != "bm25"]
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

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views, in the order in which they are fused and printed."""
        return tuple(name for name in VIEWS if getattr(self, name) is not None)

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
        same encoder). So are keys that came later where they change nothing: an index from before has the same bytes.
        """
        build = self.model_dump(mode="json", exclude={"name", "description", "search"})
        for name in ("uhd", "splade"):
            if build[name] is None:
                del build[name]
        for name in ("dense", "uhd", "splade"):
            if build.get(name) is not None and build[name]["model"] != "none":
                build[name]["model"] = ""
        if build["bm25"] is not None and build["bm25"]["title_weight"] == 1:
            del build["bm25"]["title_weight"]
        return hashlib.sha256(canonical(build)).hexdigest()


def canonical(value: object) -> bytes:
    """One byte string for one JSON value: sorted keys, no spaces, UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()
