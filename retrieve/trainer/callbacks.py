"""What a training says while it runs, and when it keeps where it is."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from retrieve.types import Progress

CHECKPOINT = 200  # steps between checkpoints, besides those at the end of an epoch


class Steps(TrainerCallback):
    """Tells of steps as `stage`, and with `often` asks for checkpoints between those at the end of an epoch."""

    def __init__(self, progress: Progress | None, stage: str = "training", *, often: bool) -> None:
        self._progress, self._stage, self._often = progress, stage, often

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Between epochs' ends, too."""
        if self._often and state.global_step % CHECKPOINT == 0:
            control.should_save = True

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Of a step, when all is done that follows it but its checkpoint."""
        if self._progress is not None and "loss" in state.log_history[-1]:
            self._progress(self._stage, state.global_step, state.max_steps)
