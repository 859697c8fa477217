"""A recipe says how an index is built and how it is searched unless a search says otherwise.

Recipes are data (TOML), every key is known, and the fully resolved recipe is kept in the index's manifest, so that
an index never depends on a file that may have changed since. Everything outside `[search]` decides the bytes of an
index and enters its digest; `[search]` holds defaults that may be overridden at any time.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from retrieve.errors import RecipeError

Aggregate = Literal["max", "first", "sum", "mean", "top3"]
Unit = Literal["document", "passage"]
FusionMethod = Literal["convex", "rrf"]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=False)]


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


class Dense(_Section):
    """The dense view: an encoder, or `model = "none"` with `dimensions` for vectors of the caller's own.

    With an encoder, `dimensions` keeps the first so many of its dimensions (Matryoshka models). `backend` and
    `precision` are how it is run; "auto" is what the machine does best, and the manifest keeps what that was.
    `storage` is the form of the vectors on disk; `binary` keeps sign bits for the search and vectors of the form
    `rescore` for the scores.
    """

    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    dimensions: int | None = Field(default=None, ge=1)
    backend: Literal["auto", "torch", "openvino"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"
    pooling: Literal["cls", "mean", "max", "last"] | None = None
    normalize: bool = True
    limit: int | None = Field(default=None, ge=8)
    query_prompt: str = ""
    document_prompt: str = ""
    factory: str = "Flat"
    storage: Literal["float16", "float32", "int8", "binary"] = "float16"
    rescore: Literal["int8", "float16"] = "int8"
    keep_vectors: bool = True
    late_chunking: bool = False

    @model_validator(mode="after")
    def _own_vectors_have_dimensions(self) -> Dense:
        if self.model == "none" and self.dimensions is None:
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
    rerank: SearchRerank = SearchRerank()


class Recipe(_Section):
    """A whole recipe. The sections `bm25` and `dense` are the views: one that is absent is not built."""

    name: str
    description: str = ""
    passages: Passages = Passages()
    bm25: BM25 | None = None
    dense: Dense | None = None
    segments: Segments = Segments()
    filters: Filters = Filters()
    search: Search = Search()

    @model_validator(mode="after")
    def _views_are_known(self) -> Recipe:
        if not self.views:
            raise ValueError("no view: at least one of [bm25] and [dense] is wanted")
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
        return self

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views, in the order in which they are fused and printed."""
        return tuple(name for name in ("bm25", "dense") if getattr(self, name) is not None)

    @property
    def digest(self) -> str:
        """SHA-256 of what decides the bytes of an index.

        An encoder's name is left out: its fingerprint stands for it (the same weights in another folder are the
        same encoder).
        """
        build = self.model_dump(mode="json", exclude={"name", "description", "search"})
        if build["dense"] is not None and build["dense"]["model"] != "none":
            build["dense"]["model"] = ""
        if build["bm25"] is not None and build["bm25"]["title_weight"] == 1:
            del build["bm25"]["title_weight"]  # an index from before there was this key has the same bytes
        return hashlib.sha256(canonical(build)).hexdigest()


def canonical(value: object) -> bytes:
    """One byte string for one JSON value: sorted keys, no spaces, UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def shipped() -> dict[str, Path]:
    """Recipes that come with the package: name → file."""
    inside = Path(str(resources.files("retrieve") / "recipes"))
    folder = inside if inside.is_dir() else Path(__file__).parent.parent / "indexes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_recipe(source: str | Path | Mapping[str, Any] | Recipe, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by shipped name, TOML file or mapping, with `key=value` overrides applied.

    Raises `RecipeError` naming the key for an unknown key, a wrong type or contradicting settings.
    """
    if isinstance(source, Recipe):
        values = source.model_dump(mode="json", exclude_none=True)
        origin = f"recipe {source.name}"
    elif isinstance(source, Mapping):
        values, origin = _plain(source), "recipe given as a mapping"
    else:
        path = _recipe_file(source)
        values, origin = _read_toml(path), f"recipe {path}"
        values.setdefault("name", path.stem)
    if overrides:
        origin += f" with {', '.join(overrides)}"
    for override in overrides:
        _apply_override(values, override)
    return _validate(values, origin)


def _plain(source: Mapping[str, Any]) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(json.dumps(dict(source)))
    except (TypeError, ValueError) as error:
        raise RecipeError(f"a recipe is made of strings, numbers, lists and sections: {error}") from error
    return values


def _recipe_file(source: str | Path) -> Path:
    path = Path(source)
    if path.suffix == ".toml" or path.is_file():
        if not path.is_file():
            raise RecipeError(f"no recipe file {path}")
        return path
    known = shipped()
    if str(source) not in known:
        raise RecipeError(
            f"no recipe {str(source)!r}: the shipped ones are {', '.join(known)}; or give a .toml file"
        )
    return known[str(source)]


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} is not valid TOML: {error}") from error


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise RecipeError(f"override {override!r}: wanted key=value, as in passages.size=128")
    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    *sections, last = key.strip().split(".")
    target = values
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise RecipeError(f"override {override!r}: {section} is a value, not a section")
    target[last] = value


def _validate(values: Mapping[str, Any], origin: str) -> Recipe:
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{origin}: {'; '.join(_explain(item) for item in error.errors())}") from error


def _explain(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "recipe"
    if item["type"] == "extra_forbidden":
        known = _known_keys(item["loc"][:-1])
        return f"unknown key {key!r}; known here: {', '.join(known)}"
    if item["type"] == "value_error":  # raised above, in words that name the keys and what was got
        return str(item["ctx"]["error"])
    return f"{key}: {item['msg']} (got {item['input']!r})"


def _known_keys(location: Sequence[int | str]) -> list[str]:
    sections: dict[tuple[int | str, ...], type[BaseModel]] = {
        (): Recipe,
        ("passages",): Passages,
        ("bm25",): BM25,
        ("dense",): Dense,
        ("segments",): Segments,
        ("filters",): Filters,
        ("search",): Search,
        ("search", "bm25"): SearchBM25,
        ("search", "dense"): SearchDense,
        ("search", "rerank"): SearchRerank,
    }
    return sorted(sections[tuple(location)].model_fields)
