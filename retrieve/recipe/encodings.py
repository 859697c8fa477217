"""The sections that name an encoder, one for each view that has one: how it is run, and what is kept of its output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, model_validator

from retrieve.types import MOST_QUERY_WINNERS

Numbers = Literal["float32", "float16", "int8"]

MOST_PROJECTED = 1 << 20
"""Dimensions of an untrained head at most: every query is multiplied by a matrix of so many rows."""


LEVELS: Mapping[str, Mapping[str, int]] = {
    "text": {"dimensions": 8192, "winners": 512, "cap": 0},
    "token": {"dimensions": 16_384, "winners": 16, "cap": 512},
}
"""Numbers of an untrained UHD head by its level, as measured best at about a kilobyte a passage."""


class Section(BaseModel):
    """A section of a recipe: every key is known, and of its type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Encoding(Section):
    """An encoder: where its model is, how texts are fed to it, and how it is run.

    `backend` and `precision` "auto" are what the machine does best, prompts that are left out are the model folder's
    own; the manifest keeps what that was.
    """

    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    backend: Literal["auto", "torch", "openvino"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"
    limit: int | None = Field(default=None, ge=8)
    query_prompt: str | None = None
    document_prompt: str | None = None

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

    `level` "token" projects each token of a passage by a Gaussian matrix (`seed`): `winners` of `dimensions` n win for
    a token, and a passage keeps the `cap` with most votes (0: all). "text" projects its vector less the corpus mean:
    `winners` m win for it. It is the default where there are vectors and no tokens: for the caller's own (`model =
    "none"`, `hidden` dimensions) and beside `dense`. A head in the model's folder has a level and numbers of its own;
    what is not said is as `LEVELS` has it. `query_winners` of a query (default: the same) and `winners` are chosen in
    each of `segments` equal parts. `layout` "small" stores each list in the fewest bytes, "fast" in the form that is
    counted fastest. `keep_vectors`, at the text level, keeps what the codes were made of, so that `merge --retrain` can
    make them anew.
    """

    level: Literal["text", "token"] = "token"
    dimensions: int = Field(default=LEVELS["token"]["dimensions"], ge=1, le=1 << 31)
    winners: int = Field(default=LEVELS["token"]["winners"], ge=1)
    query_winners: int | None = Field(default=None, ge=1, le=MOST_QUERY_WINNERS)
    cap: int = Field(default=LEVELS["token"]["cap"], ge=0)
    segments: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    layout: Literal["fast", "small"] = "fast"
    hidden: int | None = Field(default=None, ge=1)
    keep_vectors: bool = True

    @model_validator(mode="wrap")
    @classmethod
    def _as_its_level_has_it(cls, values: Any, build: ModelWrapValidatorHandler[UHD]) -> UHD:
        if not isinstance(values, dict):
            return build(values)
        level = values.get("level", "text" if values.get("model") == "none" else "token")
        missing = {key: value for key, value in LEVELS.get(level, {}).items() if key not in values}
        section = build({"level": level} | values | missing)
        # What nobody said must not be held against the numbers of a head that the model's folder has.
        section.model_fields_set.difference_update({"level"} - values.keys(), missing)
        return section

    @model_validator(mode="after")
    def _winners_fit(self) -> UHD:
        if self.level == "text":
            if self.dimensions > MOST_PROJECTED:
                raise ValueError(
                    f'uhd.dimensions = {self.dimensions} with uhd.level = "text": wanted at most {MOST_PROJECTED}, '
                    "as every query is multiplied by a matrix of so many rows"
                )
            if self.cap:
                raise ValueError(
                    f'uhd.cap = {self.cap} with uhd.level = "text": a text has its winners and no more, leave it out'
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
        if self.level == "token" and self.own_vectors:
            raise ValueError('uhd.level = "token" codes the tokens of a model: uhd.model names its folder')
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
        if self.backend == "openvino":
            raise ValueError('splade is encoded by torch alone: splade.backend = "openvino" cannot be had')
        if self.precision == "int8":
            raise ValueError(
                'splade is encoded by torch, which does not run int8: splade.precision = "int8" cannot be had'
            )
        if not self.model:
            raise ValueError(
                "splade.model is empty: name the folder of a SparseEncoder, with --set splade.model=FOLDER"
            )
        if self.own_vectors:
            raise ValueError(
                "splade.model names the folder of a SparseEncoder: there are no weights of your own"
            )
        return self


VECTOR_FOLDERS = ("dense", "vectors")
"""Where a segment has its vectors: with the view that is searched by them, or beside views that are made of them."""


class VectorForm(NamedTuple):
    """How an index keeps its vectors: the folder in a segment, their form, and whether they stay."""

    folder: Literal["dense", "vectors"]
    storage: Numbers | Literal["binary"]
    rescore: Numbers
    dimensions: int | None
    normalize: bool
    keep: bool

    @property
    def searched(self) -> bool:
        """Whether a view is searched by them."""
        return self.folder == VECTOR_FOLDERS[0]
