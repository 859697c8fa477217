"""What is distilled into: a tower that asks by questions alone, and the trainer that teaches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset

from retrieve.encoders.tokens import TokenRow
from retrieve.train.vod.objective.distillation import divergence
from retrieve.train.vod.retriever import Retriever
from retrieve.train.vod.schedule import rate_at
from retrieve.train.vod.searched import Float32s
from retrieve.trainer.examples import ExampleTrainer
from retrieve.types import Question

_WARMUP = 0.1
_HEAD_LR = 1e-3


class Student(nn.Module):
    """The tower and e^λ: tokens of B questions and the corpus (N,D) → scores (B,N)."""

    def __init__(self, retriever: Retriever, budget: int) -> None:
        """`budget`: tokens that are encoded at a time at most."""
        super().__init__()
        self.retriever, self.budget = retriever, budget

    def forward(self, rows: list[TokenRow], corpus: Tensor) -> Tensor:
        """The whole corpus, as p is normalised over it."""
        asked = self.retriever.queries.vectors(rows, self.budget)
        return self.retriever.log_scale.exp() * asked @ corpus.T

    @torch.inference_mode()
    def encoded(self, rows: list[TokenRow]) -> Float32s:
        """Vectors (R,D) as the folder will give them."""
        training = self.training
        self.eval()
        try:
            found: Float32s = self.retriever.queries.vectors(rows, self.budget).float().cpu().numpy()
        finally:
            self.train(training)
        return found


@dataclass(frozen=True, slots=True)
class Lessons(Dataset[int]):
    """Questions with their tokens and r: `target` (Q,P) at `places` (Q,P) of the corpus. An item is a number."""

    questions: list[Question]
    rows: list[TokenRow]
    target: Tensor
    places: Tensor

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, number: int) -> int:
        return number

    def divergences(self, scores: Tensor, numbers: list[int]) -> Tensor:
        """KL(r ‖ p) (B,) of some questions."""
        there = scores.device
        return divergence(
            scores.float(), target=self.target[numbers].to(there), places=self.places[numbers].to(there)
        )


class StudentTrainer(ExampleTrainer):
    """Trains a `Student`; `corpus` (N,D) is put there before each epoch by a callback."""

    what = "questions"
    remedy = "lower lr"

    def __init__(self, lessons: Lessons, *, lr: float, **given: Any) -> None:
        self.lessons, self._lr = lessons, lr
        self.corpus: Tensor | None = None
        super().__init__(train_dataset=lessons, data_collator=self._collate, **given)

    def _collate(self, numbers: list[int]) -> dict[str, Any]:
        return {"numbers": numbers, "ids": [self.lessons.questions[number].id for number in numbers]}

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The batch's share of the mean divergence. Raises `TrainingError` for what is no number."""
        numbers = inputs["numbers"]
        scores = model([self.lessons.rows[number] for number in numbers], self.corpus)
        losses = self.lessons.divergences(scores, numbers)
        self.check(losses, inputs["ids"], training=True)
        loss = losses.sum() / (num_items_in_batch or len(losses))
        return (loss, {"logits": scores}) if return_outputs else loss

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The rate rises over a tenth of all steps and falls to 0 in a line."""
        if self.lr_scheduler is None:
            chosen: Any = optimizer or self.optimizer
            self.lr_scheduler = LambdaLR(chosen, lambda step: rate_at(step, num_training_steps, _WARMUP))
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def rate_of(self, name: str) -> tuple[float, float]:
        """The tower's by one rate, λ by another and without decay."""
        return (_HEAD_LR, 0.0) if name.endswith("log_scale") else (self._lr, self.args.weight_decay)
