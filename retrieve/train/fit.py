"""One training by sentence-transformers' `SparseEncoderTrainer`: steps, checkpoints, resuming and logging are its.

What is ours is the choice of its settings, and that it neither prints nor asks the hub anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict
from sentence_transformers import SparseEncoderTrainer, SparseEncoderTrainingArguments
from transformers import PrinterCallback, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from retrieve.errors import TrainingError
from retrieve.train.losses import PairLoss
from retrieve.train.settings import Settings
from retrieve.train.training_data import IntArray

WARM_UP = 0.1  # of the steps
CHECKPOINT = 200  # steps between checkpoints
LOGGED = 10  # steps between values of the loss


def fit(
    student: Any,
    pairs: Mapping[str, IntArray],
    losses: Mapping[str, PairLoss],
    settings: Settings,
    folder: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, float]]:
    """Train the student in place on sets of pairs (P,2) of rows, each by its loss; returns the trainer's log.

    `folder` takes the checkpoints. If there are some, the last one is gone on from, to the weights that an
    uninterrupted training gives. In a batch no text occurs twice, so that no row's positive is also its negative.
    `progress` is called with steps done and of how many. Raises `TrainingError` for a loss that is not finite.
    """
    arguments = SparseEncoderTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.lr,
        warmup_steps=WARM_UP,
        lr_scheduler_type="linear",
        weight_decay=0.0,
        max_grad_norm=0.0,  # Adam's steps do not grow with the gradient
        seed=settings.seed,
        data_seed=settings.seed,
        batch_sampler="no_duplicates",
        router_mapping={"first": "query", "second": "document"},
        save_strategy="steps",
        save_steps=CHECKPOINT,
        save_total_limit=1,
        logging_steps=LOGGED,
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    used = {name: rows for name, rows in pairs.items() if len(rows)}
    each: dict[str, Any] = {name: losses[name] for name in used}
    trainer = _Trainer(
        model=student,
        args=arguments,
        train_dataset=DatasetDict({name: _columns(rows) for name, rows in used.items()}),
        loss=each,
    )
    trainer.remove_callback(PrinterCallback)  # standard output is for the product
    if progress is not None:
        trainer.add_callback(_Steps(progress))
    last = get_last_checkpoint(str(folder)) if folder.is_dir() else None  # type: ignore[no-untyped-call]
    trainer.train(resume_from_checkpoint=last)
    return [entry for entry in trainer.state.log_history if "loss" in entry]


def _columns(pairs: IntArray) -> Dataset:
    first, second = (pairs[:, column].astype(str).tolist() for column in (0, 1))
    return Dataset.from_dict({"first": first, "second": second})


class _Trainer(SparseEncoderTrainer):
    """Ends at a loss that is no number. Without a model card, whose examples would be row numbers and whose bar would
    be in the way of ours.
    """

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The library's loss. Raises `TrainingError` for one that is not finite."""
        found: Any = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        loss = (found[0] if return_outputs else found).item()
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss of step {self.state.global_step + 1} is {loss}, wanted a number: lower lr, or look for "
                "weights of the encoder that are not finite"
            )
        return found

    def add_model_card_callback(self, default_args_dict: Any) -> None:
        """None."""


class _Steps(TrainerCallback):
    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self._progress = progress

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._progress(state.global_step, state.max_steps)
