"""transformers' `Trainer` for VOD: the bound of drawn documents, α by the step, diagnostics beside every loss.

Draws are made where the loss is computed, from the step that the trainer is at: a collator works ahead, and would draw
from another.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from retrieve.train.vod.material import Batch, Material
from retrieve.train.vod.model import Outcome, VodModel
from retrieve.train.vod.schedule import alpha_at, rate_at
from retrieve.train.vod.settings import TrainingSection, VodSettings
from retrieve.trainer.examples import ExampleTrainer

ENCODERS = ("retriever.queries.", "retriever.documents.", "reader_tower.", "reader.encoder.", "reader.model.")


class VodTrainer(ExampleTrainer):
    """Trains a `VodModel` on `Material`, whose candidates a callback puts there before each period."""

    what = "questions"
    remedy = "lower training.lr and training.head_lr, or set training.precision to fp32"

    def __init__(
        self,
        network: VodModel,
        arguments: TrainingArguments,
        material: Material,
        settings: VodSettings,
        *,
        period: int,
        callbacks: list[TrainerCallback],
    ) -> None:
        """`period`: the steps of one."""
        self._material, self._settings, self._period = material, settings, period
        self._diagnostics: list[dict[str, float]] = []
        super().__init__(
            model=network,
            args=arguments,
            data_collator=self._collate,
            train_dataset=material,
            callbacks=callbacks,
        )

    def go_on(self, last: Path | None) -> None:
        """Train from a checkpoint, or from the beginning. One of the last step is only read: where no epoch ends there,
        the trainer would take a step more before it looks.
        """
        state = None if last is None else TrainerState.load_from_json(str(last / TRAINER_STATE_NAME))
        if state is None or state.global_step < self.args.max_steps:
            self.train(resume_from_checkpoint=None if last is None else str(last))
        else:
            self._load_from_checkpoint(str(last))
            self.state = state

    def _collate(self, numbers: list[int]) -> dict[str, Any]:
        return {"numbers": numbers, "ids": [self._material.questions[number].id for number in numbers]}

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The batch's share of −mean L̂_α over the questions of a step. Raises `TrainingError` for what is no number."""
        step = self.state.global_step
        batch = self.drawn(inputs["numbers"], step)
        outcome: Outcome = model(batch)
        losses = -outcome.bounds
        self.check(losses, inputs["ids"], training=True)
        self._note(inputs["numbers"], batch, outcome)
        loss = losses.sum().to(torch.float32) / (num_items_in_batch or len(losses))
        return (loss, {"logits": outcome.log_probabilities}) if return_outputs else loss

    def drawn(self, numbers: list[int], step: int) -> Batch:
        """What a step draws for these questions."""
        network: Any = self.accelerator.unwrap_model(self.model)
        return self._material.batch(
            numbers,
            step=step,
            fresh=network.wants_documents,
            texts=network.reads_texts,
            alpha=alpha_at(step, self._period, self._settings.objective),
        )

    def _note(self, numbers: list[int], batch: Batch, outcome: Outcome) -> None:
        diagnostics = outcome.diagnostics
        right = outcome.log_probabilities.argmax(dim=1).cpu() == batch.answers
        figures = {
            "effective_size": float(diagnostics.effective_size.mean()),
            "divergence": float(diagnostics.divergence.mean()),
            "gap": float(diagnostics.gap.mean()),
            "alpha": batch.alpha,
            "accuracy": float(right.double().mean()),
        }
        hits = [
            not gold.isdisjoint(batch.keys[b].ravel().tolist())
            for b, number in enumerate(numbers)
            if (gold := self._material.gold(number)) or self._material.questions[number].facts
        ]
        if hits:
            figures["hit_rate"] = sum(hits) / len(hits)
        self._diagnostics.append(figures)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """The trainer's entry of a step, with the diagnostics of its batches."""
        if "loss" in logs and self._diagnostics:
            names = {name for figures in self._diagnostics for name in figures}
            for name in sorted(names):
                values = [figures[name] for figures in self._diagnostics if name in figures]
                logs[name] = sum(values) / len(values)
            self._diagnostics = []
        super().log(logs, start_time)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The rate rises and falls within each period."""
        if self.lr_scheduler is None:
            warmup = self._settings.training.warmup
            chosen: Any = optimizer or self.optimizer
            self.lr_scheduler = LambdaLR(chosen, lambda step: rate_at(step, self._period, warmup))
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def rate_of(self, name: str) -> tuple[float, float]:
        """Encoders by one rate, all else by another and without decay."""
        training = self._settings.training
        return (training.lr, training.weight_decay) if name.startswith(ENCODERS) else (training.head_lr, 0.0)

    def curve(self) -> list[dict[str, float]]:
        """Every step's loss and diagnostics."""
        steps = (entry for entry in self.state.log_history if "loss" in entry)
        # Where fp16's scale was too high, a step was passed over, and its norm is no number.
        return [{key: value for key, value in entry.items() if math.isfinite(value)} for entry in steps]


def arguments_of(
    training: TrainingSection, folder: Path, *, steps: int, seed: int, device: torch.device
) -> TrainingArguments:
    """The trainer's settings."""
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=training.batch,
        gradient_accumulation_steps=training.accumulation,
        learning_rate=training.lr,
        weight_decay=training.weight_decay,
        max_grad_norm=training.clip,
        bf16=training.precision == "bf16",
        fp16=training.precision == "fp16",
        use_cpu=device.type == "cpu",
        seed=seed,
        data_seed=seed,
        save_strategy="no",  # a callback asks for checkpoints
        save_total_limit=1,
        remove_unused_columns=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        ddp_find_unused_parameters=True,
        ddp_timeout=7 * 86_400,  # processes wait for the one that refreshes, however large the corpus is
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    # Batches are ragged: several GPUs are used by as many processes (torchrun), not by splitting each batch.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
