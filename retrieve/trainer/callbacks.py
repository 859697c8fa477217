"""What a training says while it runs, and when it keeps where it is."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from retrieve.types import Progress

CHECKPOINT = 200  # steps between checkpoints, besides those at the end of an epoch


class Steps(TrainerCallback):
    """Tells of steps, and asks for checkpoints: with `often` every so many steps, and at the end of every `period`."""

    def __init__(self, progress: Progress | None, *, often: bool, period: int = 0) -> None:
        self._progress, self._often, self._period = progress, often, period

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Between epochs' ends, too."""
        step = state.global_step
        if (self._often and step % CHECKPOINT == 0) or (self._period and step % self._period == 0):
            control.should_save = True

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Of a step, when all is done that follows it but its checkpoint."""
        if self._progress is not None and "loss" in state.log_history[-1]:
            self._progress("training", state.global_step, state.max_steps)
