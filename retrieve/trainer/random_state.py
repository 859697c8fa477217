"""Chance of a training's own: the trainer seeds the generators of the whole process, which are somebody else's too."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch


@contextmanager
def own_chance(seed: int) -> Iterator[None]:
    """All generators, which the trainer seeds for the whole process, start from `seed` and are put back afterwards."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(enabled=True):
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def on_device(device: torch.device) -> AbstractContextManager[Any]:
    """The trainer takes the current GPU, not one that is named."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
