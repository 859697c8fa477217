"""Which module learns a preset, and which class reads a saved model: by name, imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from retrieve.classify.preset import Preset, Regime
from retrieve.classify.records import Context, Fitted, Model, Problem, Refittable, State
from retrieve.errors import ModelMismatch, UsageError
from retrieve.types import Progress

_LEARNERS = {
    "tfidf": "retrieve.classify.linear:learn_linear",
    "network": "retrieve.classify.frozen:learn_frozen",
    "auto": "retrieve.classify.auto:learn_auto",
    "zero-shot": "retrieve.classify.zeroshot:learn_zero_shot",
}
_END_TO_END = "retrieve.classify.endtoend.learn:learn_end_to_end"
_MODELS = {
    "tfidf": "retrieve.classify.linear:LinearText",
    "network": "retrieve.classify.frozen:FrozenNetwork",
    "tuned": "retrieve.classify.endtoend.tuned:TunedNetwork",
    "average": "retrieve.classify.average:Average",
    "neighbours": "retrieve.classify.neighbours:Neighbours",
    "zero-shot": "retrieve.classify.zeroshot:ZeroShot",
}


def learn(
    problem: Problem, preset: Preset, context: Context, *, regime: Regime, progress: Progress | None = None
) -> Fitted:
    """A trained model of the preset. Raises `UsageError` for a regime that the preset does not have."""
    if regime == "end-to-end" and preset.family != "network":
        raise UsageError(f"preset {preset.name!r} has no encoder to train: leave regime at 'frozen'")
    learner = _load(_END_TO_END if regime == "end-to-end" else _LEARNERS[preset.family])
    fitted: Fitted = learner(problem, preset, context, progress=progress)
    return fitted


def refit(
    model: Model, problem: Problem, context: Context, *, progress: Progress | None = None
) -> Model | None:
    """The model learned again on training and validation documents together, with all that was chosen kept.

    None where its kind has no such thing.
    """
    if not isinstance(model, Refittable):
        return None
    return model.refit(problem, context, progress=progress)


def model_from(kind: str, state: State, context: Context) -> Model:
    """The model that `state` describes. Raises `ModelMismatch` for a kind that this version does not know."""
    if kind not in _MODELS:
        raise ModelMismatch(f"a model of kind {kind!r}: this version reads {', '.join(_MODELS)}; update it")
    model: Model = _load(_MODELS[kind]).from_state(state, context)
    return model


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
