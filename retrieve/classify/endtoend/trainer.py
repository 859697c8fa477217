"""transformers' `Trainer` for documents: batches of similar length, others in each epoch, and the documents' loss."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import (
    EarlyStoppingCallback,
    TrainingArguments,
)

from retrieve.classify.endtoend.material import ByLength, Material, collate
from retrieve.classify.endtoend.model import DocumentNetwork
from retrieve.classify.endtoend.optimizer import parameter_groups
from retrieve.classify.losses import document_losses
from retrieve.classify.preset import EndToEnd
from retrieve.trainer.callbacks import Steps
from retrieve.trainer.examples import ExampleTrainer
from retrieve.types import Progress, Task


class DocumentTrainer(ExampleTrainer):
    """Trains a `DocumentNetwork` on `Material`. `weights` (L,): see `document_losses`."""

    remedy = "lower end_to_end.lr and head_lr, or set end_to_end.precision to fp32"

    def __init__(
        self,
        network: DocumentNetwork,
        arguments: TrainingArguments,
        train: Material,
        validation: Material | None,
        *,
        task: Task,
        settings: EndToEnd,
        weights: Tensor | None,
        progress: Progress | None,
        often: bool,
    ) -> None:
        """`often`: checkpoints within an epoch, too."""
        super().__init__(
            model=network,
            args=arguments,
            data_collator=collate,
            train_dataset=train,
            eval_dataset=validation,
            callbacks=[Steps(progress, often=often)],
        )
        if validation is not None and settings.patience:
            self.add_callback(EarlyStoppingCallback(settings.patience))
        self._task: Task = task
        self._settings, self._weights = settings, weights

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches of similar length, other ones in each epoch."""
        material: Any = self.train_dataset
        batches = ByLength(material.lengths(), self._settings.batch, self.args.seed)
        loader = DataLoader(material, batch_sampler=batches, collate_fn=collate)
        # Only a prepared loader is told the epoch.
        prepared: DataLoader[Any] = self.accelerator.prepare(loader)
        return prepared

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The batch's share of the mean loss over the documents of a step; in evaluation its own mean.

        Raises `TrainingError` for one that is not finite.
        """
        logits = model(inputs["passages"])
        weights = None if self._weights is None else self._weights.to(logits.device)
        losses = document_losses(
            logits, inputs["targets"], task=self._task, loss=self._settings.loss, weights=weights
        )
        self.check(losses, inputs["ids"], training=model.training)
        loss = losses.sum() / (num_items_in_batch if model.training else len(losses))
        return (loss, {"logits": logits}) if return_outputs else loss

    def parameter_groups(self, decayed: Collection[str]) -> list[dict[str, Any]]:
        """Of encoder and aggregator: see `optimizer`."""
        network: Any = self.model
        return parameter_groups(network, self._settings, decayed)

    def curves(self) -> list[dict[str, float]]:
        """For each epoch the mean loss of its steps, and the validation loss where there is one."""
        epochs: dict[int, dict[str, Any]] = {}
        for entry in self.state.log_history:
            epoch = epochs.setdefault(-int(-entry["epoch"] // 1), {"losses": []})
            if "loss" in entry:
                epoch["losses"].append(entry["loss"])
            if "eval_loss" in entry:
                epoch["validation_loss"] = entry["eval_loss"]
        return [
            {"epoch": float(number), "loss": sum(losses) / len(losses), **found}
            for number, found in epochs.items()
            if (losses := found.pop("losses"))
        ]


def arguments_of(
    settings: EndToEnd, folder: Path, *, seed: int, device: torch.device, validated: bool, kept: bool
) -> TrainingArguments:
    """The trainer's settings. `validated`: there is validation data; `kept`: the folder outlives this process."""
    best = validated and settings.patience > 0
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        per_device_eval_batch_size=settings.batch,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.lr,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup,  # below 1 it is a share
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        bf16=settings.precision == "bf16",
        fp16=settings.precision == "fp16",
        use_cpu=device.type == "cpu",
        seed=seed,
        data_seed=seed,
        eval_strategy="epoch" if validated else "no",
        save_strategy="epoch" if best or kept else "no",
        save_only_model=not kept,
        save_total_limit=1,
        load_best_model_at_end=best,
        metric_for_best_model="eval_loss" if best else None,
        greater_is_better=False if best else None,
        restore_callback_states_from_checkpoint=True,
        label_names=["targets"],
        prediction_loss_only=True,
        remove_unused_columns=False,
        logging_steps=1,  # so that an epoch's mean is the same after a resume
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    # On a machine with several GPUs it would split each batch among them, which ragged batches are not made for.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
