"""Losses against torch's own and against the papers' formulas, number by number."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from retrieve.classify.losses import class_weights, document_losses
from retrieve.errors import RecipeError

LOGITS = torch.tensor([[2.0, -1.0, 0.3], [-3.0, 0.5, 4.0]])
TARGETS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
ONE = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def test_independent_labels() -> None:
    found = document_losses(LOGITS, TARGETS, task="multilabel")
    assert found.shape == (2,)
    assert float(found.mean()) == pytest.approx(
        float(functional.binary_cross_entropy_with_logits(LOGITS, TARGETS))
    )


def test_weights_of_positives_are_torchs() -> None:
    weights = torch.tensor([2.0, 3.0, 5.0])
    found = document_losses(LOGITS, TARGETS, task="multilabel", weights=weights)
    wanted = functional.binary_cross_entropy_with_logits(LOGITS, TARGETS, pos_weight=weights)
    assert float(found.mean()) == pytest.approx(float(wanted))
    single = document_losses(LOGITS, ONE, task="multiclass", weights=weights)
    wanted = functional.cross_entropy(LOGITS, ONE.argmax(dim=1), weight=weights, reduction="none")
    torch.testing.assert_close(single, wanted)


def test_one_of_several_and_values() -> None:
    found = document_losses(LOGITS, ONE, task="multiclass")
    torch.testing.assert_close(found, functional.cross_entropy(LOGITS, ONE.argmax(dim=1), reduction="none"))
    values = document_losses(torch.tensor([[1.5]]), torch.tensor([[4.0]]), task="ordinal")
    assert values.tolist() == [6.25]


def focal(p: float, y: float) -> float:
    true = p if y else 1 - p
    return -((1 - true) ** 2) * math.log(true)


def asymmetric(p: float, y: float) -> float:
    if y:
        return -math.log(p)
    shifted = max(p - 0.05, 0)
    return -(shifted**4) * math.log(1 - shifted)


@pytest.mark.parametrize(("name", "formula"), [("focal", focal), ("asymmetric", asymmetric)])
def test_losses_of_the_papers(name: str, formula: object) -> None:
    found = document_losses(LOGITS, TARGETS, task="multilabel", loss=name)  # type: ignore[arg-type]
    wanted = [
        sum(formula(1 / (1 + math.exp(-x)), y) for x, y in zip(row, own, strict=True)) / 3  # type: ignore[operator]
        for row, own in zip(LOGITS.tolist(), TARGETS.tolist(), strict=True)
    ]
    assert found.tolist() == pytest.approx(wanted, rel=1e-5)


def test_focal_of_one_of_several() -> None:
    own = torch.softmax(LOGITS, dim=1)[ONE > 0]
    found = document_losses(LOGITS, ONE, task="multiclass", loss="focal")
    torch.testing.assert_close(found, -((1 - own) ** 2) * own.log())


@pytest.mark.parametrize("name", ["cross-entropy", "focal", "asymmetric"])
def test_sure_answers_have_finite_losses_and_gradients(name: str) -> None:
    logits = torch.tensor([[200.0, -200.0, 0.0]], requires_grad=True)
    for targets in ([[1.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]]):
        loss = document_losses(logits, torch.tensor(targets), task="multilabel", loss=name)  # type: ignore[arg-type]
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert torch.isfinite(loss).all()
        assert torch.isfinite(gradient).all()
    if name == "focal":
        loss = document_losses(logits, torch.tensor([[1.0, 0.0, 0.0]]), task="multiclass", loss="focal")
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert torch.isfinite(gradient).all()


def test_class_weights() -> None:
    targets = torch.zeros(101, 4)
    targets[:1, 0] = targets[:60, 1] = targets[:20, 2] = 1
    assert class_weights(targets).tolist() == pytest.approx([10, 1, math.sqrt(81 / 20), 10])


@pytest.mark.parametrize(("task", "loss"), [("ordinal", "focal"), ("multiclass", "asymmetric")])
def test_losses_that_a_task_does_not_have(task: str, loss: str) -> None:
    with pytest.raises(RecipeError, match=f'"{loss}" does not go with a task that is {task}'):
        document_losses(LOGITS, ONE, task=task, loss=loss)  # type: ignore[arg-type]
