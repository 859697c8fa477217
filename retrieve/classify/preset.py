"""A preset says how documents are cut, encoded, aggregated and learned: a TOML file, every key known and checked.

The shipped ones carry the settings of the paper that they are from, with the source. What a classifier was made with is
kept whole in its folder, so that it never depends on a file that may have changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from retrieve.errors import RecipeError
from retrieve.recipe import load_values
from retrieve.recipe.encodings import Section, VectorEncoding

Family = Literal["auto", "tfidf", "network", "zero-shot"]
Regime = Literal["frozen", "end-to-end"]
AggregatorKind = Literal[
    "mean",
    "max",
    "vote",
    "first-mean-max",
    "attention",
    "lstm",
    "transformer",
    "label-wise",
    "label-wise-tokens",
]


class PassagesSection(Section):
    """How a document is cut. `size` and `overlap` count the encoder's tokens without special ones; None: its limit.

    `tokens`: windows; `paragraphs`: one passage each, or with `merge` neighbours joined up to `size`; `zones`: those
    named in `zones`, in that order, each cut at `size`, or with `merge` cut as one text; `head-tail`: one passage of
    the first `head` and last `tail` tokens. What a document does not have (paragraphs, zones) is cut as tokens. `most`:
    passages of a document, the first ones; 0: all.
    """

    cut: Literal["tokens", "paragraphs", "zones", "head-tail"] = "tokens"
    size: int | None = Field(default=None, ge=8)
    overlap: int = Field(default=0, ge=0)
    boundaries: Literal["sentence", "none"] = "sentence"
    most: int = Field(default=16, ge=0)
    merge: bool = True
    head: int = Field(default=128, ge=0)
    tail: int = Field(default=382, ge=0)
    zones: tuple[str, ...] = Field(default=(), strict=False)


class EncoderSection(VectorEncoding):
    """The encoder, as in a recipe. `states`: the aggregator reads token states, not passage vectors.

    `most_gigabytes`: of token states that may be kept on disk for a training.
    """

    normalize: bool = False
    states: bool = False
    most_gigabytes: float = Field(default=8.0, gt=0)


class AggregatorSection(Section):
    """The aggregator: `hidden` units, `layers`, attention `heads`; 0: as the kind's own default says.

    `pool`: how a transformer or an LSTM becomes one vector. `residual`: label-wise attention adds the mean's logits.
    `descriptions`: the label queries are made of the encoder's vectors of the labels' descriptions (zero-shot LWAN).
    `legacy_padding`: end to end alone, empty passages up to `passages.most` are encoded and pooled, as published code
    does.
    """

    kind: AggregatorKind = "mean"
    hidden: int = Field(default=0, ge=0)
    layers: int = Field(default=0, ge=0)
    heads: int = Field(default=0, ge=0)
    bidirectional: bool = False
    pool: Literal["max", "mean", "first", "last", "attention"] = "max"
    residual: bool = False
    descriptions: bool = False
    legacy_padding: bool = False


LossName = Literal["cross-entropy", "focal", "asymmetric"]


class Training(Section):
    """The loop over frozen vectors. `patience`: epochs without a better validation loss; 0: all `epochs`.

    `class_weights`: positives weigh more where they are rare (square root of negatives over positives, at most 10).
    """

    epochs: int = Field(default=60, ge=1)
    batch: int = Field(default=32, ge=1)
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    patience: int = Field(default=8, ge=0)
    loss: LossName = "cross-entropy"
    class_weights: bool = False


class EndToEnd(Section):
    """Encoder and aggregator together, through transformers' `Trainer`.

    `lr` is of the encoder's last layer, each layer below has `layer_decay` of it, `head_lr` is of the aggregator.
    `passages`: random ones of a document in training; 0: all. `budget`: tokens that are encoded at a time;
    `recompute`: passages are encoded again for the backward pass, so that memory does not grow with the document;
    `gradient_checkpointing`: the encoder's layers one by one, so that it hardly grows with a window.
    """

    epochs: int = Field(default=3, ge=1)
    batch: int = Field(default=16, ge=1)
    accumulation: int = Field(default=1, ge=1)
    lr: float = Field(default=3e-5, gt=0)
    head_lr: float = Field(default=1e-3, gt=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    passages: int = Field(default=0, ge=0)
    budget: int = Field(default=16_384, ge=8)
    recompute: bool = True
    gradient_checkpointing: bool = False
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    patience: int = Field(default=0, ge=0)
    loss: LossName = "cross-entropy"
    class_weights: bool = False


class Tfidf(Section):
    """The linear model over words. The settings to choose from on validation data; one of each is no choice."""

    words: int = Field(default=0, ge=0)
    ngrams: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 2), strict=False, min_length=1)
    features: int = Field(default=100_000, ge=1)
    min_df: int = Field(default=2, ge=1)
    models: tuple[Literal["svm", "logistic"], ...] = Field(
        default=("svm", "logistic"), strict=False, min_length=1
    )
    C: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field(
        default=(1.0, 3.0, 10.0), strict=False, min_length=1
    )
    balanced: tuple[bool, ...] = Field(default=(False, True), strict=False, min_length=1)


class Preset(Section):
    """A whole preset. `source`: the paper, and what of its settings is kept; `published`: its figures and settings."""

    name: str
    description: str
    source: str
    family: Family = "network"
    passages: PassagesSection = PassagesSection()
    encoder: EncoderSection = EncoderSection()
    aggregator: AggregatorSection = AggregatorSection()
    training: Training = Training()
    end_to_end: EndToEnd = EndToEnd()
    tfidf: Tfidf = Tfidf()
    published: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _states_are_read_by_tokens(self) -> Preset:
        by_tokens = self.aggregator.kind == "label-wise-tokens"
        if self.family == "network" and self.encoder.states != by_tokens:
            raise ValueError(
                f"encoder.states = {str(self.encoder.states).lower()} does not go with aggregator.kind = "
                f'"{self.aggregator.kind}": token states are read by "label-wise-tokens" alone'
            )
        return self


def presets() -> dict[str, Path]:
    """The shipped presets: name → file."""
    folder = Path(str(resources.files("retrieve.classify") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_preset(
    source: str | Path | Mapping[str, Any] | Preset, settings: Mapping[str, Any] | None = None
) -> Preset:
    """A preset by shipped name, TOML file or mapping, with settings like {"training.epochs": 5} applied.

    Raises `RecipeError` naming the key for an unknown key, a wrong type or contradicting settings.
    """
    if isinstance(source, Preset):
        values: Any = source.model_dump(mode="json")
    elif isinstance(source, Mapping):
        values = source
    else:
        path = presets().get(str(source), Path(source))
        if not path.is_file():
            raise RecipeError(
                f"no preset {str(source)!r}: the shipped ones are {', '.join(presets())}; or give a .toml file"
            )
        values = path
    return load_values(Preset, values, settings or {}, noun="preset")
