"""A period's steps, α and the learning rate by the step: of numbers alone, so that a resumed training has the same."""

from __future__ import annotations

import math

from retrieve.train.vod.settings import ObjectiveSection, TrainingSection


def steps_of_period(training: TrainingSection, questions: int, processes: int = 1) -> int:
    """As set, else one pass over the questions, of which each of several `processes` takes a batch a step."""
    return training.steps or math.ceil(questions / (training.batch * training.accumulation * processes))


def alpha_at(step: int, period: int, objective: ObjectiveSection) -> float:
    """α of a step, from 0, with periods of `period` steps: annealed over the first, then constant."""
    if objective.alpha == "constant" or step >= period:
        return objective.last
    share = step / max(1, period - 1)
    part = 0.5 * (1.0 + math.cos(math.pi * share)) if objective.alpha == "cosine" else 1.0 - share
    return objective.last + (objective.first - objective.last) * part


def rate_at(step: int, period: int, warmup: float) -> float:
    """The share of the learning rate at a step: it rises over `warmup` of each period and falls to 0 in a line."""
    within = step % period
    rising = max(1, round(warmup * period))
    if within < rising:
        return (within + 1) / rising
    return (period - within) / max(1, period - rising + 1)
