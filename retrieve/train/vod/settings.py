"""Everything that can be set of a VOD training: one TOML file, every key known and checked, kept with the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from retrieve.encoders.folder import Pooling
from retrieve.encoders.load import DEFAULT_MODEL
from retrieve.errors import RecipeError
from retrieve.recipe import load_values
from retrieve.recipe.encodings import Section

ReaderKind = Literal["dual", "cross", "mlm"]
Documents = Literal["own", "shared"]


class DataSection(Section):
    """Where the data are. `corpus`: what `index create` reads; `questions`: what `read_questions` reads.

    `held_out` questions of train choose the checkpoint where the data have no validation part. `documents` "own": each
    option retrieves by question and option, and the reader compares options each with its document; "shared": one
    document for all options, retrieved by the question, in training also by the right answer.
    """

    corpus: str
    questions: str
    format: str | None = None
    held_out: int = Field(default=220, ge=1)
    documents: Documents = "own"


class IndexSection(Section):
    """The index of the corpus: a recipe with the views bm25 and dense, and `set` as `--set` has it."""

    recipe: str = "hybrid"
    set: tuple[str, ...] = Field(default=(), strict=False)


class RetrieverSection(Section):
    """f_θ(d, q) = `scale` · cosine, or with "dot" of the inner product; the scale is where a learned one starts.

    `towers` "separate": documents have weights of their own. `train_documents`: the document tower is encoded afresh
    and trained at every step; else it is that of the last refresh, whose stored vectors are what is scored. `source`
    "sampler": nothing is retrieved by a model, the documents are BM25's for good; "none": the reader reads none.
    `pooling`: of an encoder that is a plain transformers model, which says none.
    """

    encoder: str = DEFAULT_MODEL
    pooling: Pooling | None = None
    similarity: Literal["cosine", "dot"] = "cosine"
    scale: float = Field(default=20.0, gt=0)
    towers: Literal["shared", "separate"] = "shared"
    train_documents: bool = False
    source: Literal["model", "sampler", "none"] = "model"


class ReaderSection(Section):
    """g(d, [q; a]). `dual`: a small network over both vectors and the retrieval scores, of `hidden` units.

    `cross`: an encoder over document, question and option together; `mlm`: the log-probability that a masked language
    model gives the option's tokens after document and question; both by the model folder or name `encoder`. A dual
    reader takes the retriever's question tower, or with `backbone` "separate" one of its own that starts alike and
    encodes documents too. `limit`: tokens of a pair, None: the model's own. `scores`: g starts from retrieval scores.
    """

    kind: ReaderKind = "dual"
    encoder: str = ""
    backbone: Literal["shared", "separate"] = "shared"
    hidden: int = Field(default=128, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    limit: int | None = Field(default=None, ge=16)
    scores: bool = True


class SamplerSection(Section):
    """T_φ: the `p` best documents by f_φ, of which `k` are drawn. `temperature` of BM25; None: chosen at each refresh,
    so that half of the questions have an effective size of r above `effective_size`, or, where a checkpoint alone is
    as concentrated as that, above three quarters of what it has without BM25.

    `bm25_period`: the first period's f_φ is BM25 alone.
    """

    p: int = Field(default=100, ge=1)
    k: int = Field(default=8, ge=1)
    temperature: float | None = Field(default=None, gt=0)
    effective_size: float = Field(default=12.0, gt=1)
    variant: Literal["priority", "exponential"] = "priority"
    bm25_period: bool = True


class ObjectiveSection(Section):
    """α: from `first` to `last` over the first period, along a cosine, a line or at once; `last` afterwards.

    α below 0 makes the bound an upper one, which is refused without `allow_upper_bound`.
    """

    alpha: Literal["cosine", "linear", "constant"] = "cosine"
    first: float = 1.0
    last: float = 0.0
    allow_upper_bound: bool = False


class TrainingSection(Section):
    """`periods` of `steps` each; None: one pass over the questions. The optimizer begins anew with each.
    `batch`: of each process, where torchrun starts several.

    `lr` is of encoders, `head_lr` of all else; both rise over `warmup` of a period's steps. `budget`: tokens that are
    encoded at a time at most. `draws`: how a checkpoint is judged and questions are answered: 0 by all P documents of
    each option, exactly; else by so many draws of K, their probabilities averaged.
    """

    periods: int = Field(default=3, ge=1)
    steps: int | None = Field(default=None, ge=1)
    batch: int = Field(default=8, ge=1)
    accumulation: int = Field(default=1, ge=1)
    lr: float = Field(default=2e-5, gt=0)
    head_lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float = Field(default=0.5, gt=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    gradient_checkpointing: bool = False
    budget: int = Field(default=4096, ge=16)
    draws: int = Field(default=0, ge=0)


class VodSettings(Section):
    """A whole configuration."""

    name: str = "vod"
    data: DataSection
    index: IndexSection = IndexSection()
    retriever: RetrieverSection = RetrieverSection()
    reader: ReaderSection = ReaderSection()
    sampler: SamplerSection = SamplerSection()
    objective: ObjectiveSection = ObjectiveSection()
    training: TrainingSection = TrainingSection()

    @model_validator(mode="after")
    def _that_can_be(self) -> VodSettings:
        if self.sampler.k > self.sampler.p:
            raise ValueError(
                f"sampler.k = {self.sampler.k} with sampler.p = {self.sampler.p}: of p documents at most p are drawn; "
                "lower k or raise p"
            )
        for key in ("first", "last"):
            alpha = getattr(self.objective, key)
            if not alpha <= 1 or (alpha < 0 and not self.objective.allow_upper_bound):
                raise ValueError(
                    f"objective.{key} = {alpha:g}: α is from 0 (the likelihood) to 1 (the ELBO); below 0 it is an "
                    "upper bound, which objective.allow_upper_bound = true allows"
                )
        if self.retriever.train_documents and self.retriever.source != "model":
            raise ValueError(
                f'retriever.train_documents = true with retriever.source = "{self.retriever.source}": there is no '
                "document tower to train; leave one of them out"
            )
        dual = self.reader.kind == "dual"
        if dual == bool(self.reader.encoder):
            raise ValueError(
                f'reader.encoder = "{self.reader.encoder}" with reader.kind = "{self.reader.kind}": a cross or mlm '
                "reader needs one, a dual reader has the retriever's"
            )
        if self.reader.backbone == "separate" and not (dual and self.retriever.source == "model"):
            raise ValueError('reader.backbone = "separate" is for a dual reader with documents: leave it out')
        return self


def load_settings(
    source: str | Path | Mapping[str, Any] | VodSettings, settings: Mapping[str, Any] | None = None
) -> VodSettings:
    """Settings of a TOML file or mapping, with dotted ones like {"sampler.k": 16} applied.

    Paths in a file are from where the file is; a model or recipe that is not there is a name. Raises `RecipeError`
    naming the key.
    """
    if isinstance(source, VodSettings):
        values: Any = source.model_dump(mode="json", exclude_none=True)
    elif isinstance(source, Mapping):
        values = source
    else:
        values = Path(source)
        if not values.is_file():
            raise RecipeError(
                f"there is no configuration {source}: give a .toml file with the sections [data], …"
            )
    given = dict(settings or {})
    found = load_values(VodSettings, values, given, noun="configuration")
    if isinstance(values, Path):
        own = {key: place for key, place in _places(found, values.parent) if key not in given}
        found = load_values(VodSettings, values, given | own, noun="configuration")
    return found


def _places(settings: VodSettings, folder: Path) -> Iterator[tuple[str, str]]:
    """Dotted keys with their paths from a file's folder."""
    for key, value in (("data.corpus", settings.data.corpus), ("data.questions", settings.data.questions)):
        if ":" not in value:  # python:, ir_datasets:…
            yield key, str(folder / value)
    for key, value in (
        ("index.recipe", settings.index.recipe),
        ("retriever.encoder", settings.retriever.encoder),
        ("reader.encoder", settings.reader.encoder),
    ):
        if value and (folder / value).exists():
            yield key, str(folder / value)
