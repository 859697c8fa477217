"""transformers' `Trainer` for losses of single examples: their exact mean over a step, and an end at one that is none.

What it would do by itself and must not: skip NaN in its log, weigh batches of other sizes alike under accumulation, and
let an evaluation change the dropout that follows it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, Trainer

from retrieve.errors import TrainingError


class ExampleTrainer(Trainer):
    """Its batches have the examples' `ids`. A subclass computes losses, and says which weights learn how fast."""

    loss_is_scaled_for_ga = True
    what = "documents"
    remedy = "lower the learning rates"

    def __init__(self, **given: Any) -> None:
        """What `Trainer` takes."""
        super().__init__(**given)
        self.remove_callback(PrinterCallback)  # standard output is for the product

    def parameter_groups(self, decayed: Collection[str]) -> list[dict[str, Any]]:
        """Groups of an optimizer, by `rate_of`; `decayed` are the names of weights that may decay."""
        network: Any = self.model
        groups: dict[tuple[float, float], list[Any]] = {}
        for name, weights in network.named_parameters():
            if weights.requires_grad:
                rate, decay = self.rate_of(name)
                groups.setdefault((rate, decay if name in decayed else 0.0), []).append(weights)
        return [{"params": own, "lr": rate, "weight_decay": decay} for (rate, decay), own in groups.items()]

    def rate_of(self, name: str) -> tuple[float, float]:
        """Learning rate and weight decay of a weight by its name; as the trainer's settings have it."""
        return self.args.learning_rate, self.args.weight_decay

    def ids_of(self, batch: Any) -> list[str]:
        """The examples of a batch."""
        ids: list[str] = batch["ids"]
        return ids

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """The batches of one step of the optimizer, and how many examples they have together."""
        found, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        return found, sum(len(self.ids_of(batch)) for batch in found)

    def check(self, losses: Tensor, ids: list[str], *, training: bool) -> None:
        """Raise `TrainingError` for a loss (B,) that is not finite, with its step and its examples."""
        if bool(torch.isfinite(losses).all()):
            return
        where = f"step {self.state.global_step + 1}" if training else "the evaluation"
        first = next(loss for loss in losses.tolist() if not abs(loss) < float("inf"))
        raise TrainingError(
            f"the loss of {where} is {first}, in the batch of {self.what} {', '.join(map(repr, ids))}: wanted a "
            f"number; {self.remedy}"
        )

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """As the trainer does it, without moving the generator that dropout draws from."""
        with torch.random.fork_rng(devices=[]):
            return super().evaluate(*args, **kwargs)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The trainer's own optimizer over groups with rates of their own."""
        if self.optimizer is None:
            network: Any = self.model
            decayed = self.get_decay_parameter_names(network)
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, network)
            self.optimizer = kind(self.parameter_groups(set(decayed)), **options)
        return self.optimizer
