"""What a training will take, told before its first step: time and memory of a few steps that change nothing.

Gradients are computed and thrown away, without touching any weight's own; chance is put back. So a training is the
same, bit for bit, whether it was asked for this or not.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from retrieve.train.vod.material import Material
from retrieve.train.vod.model import VodModel
from retrieve.train.vod.schedule import alpha_at
from retrieve.train.vod.settings import TrainingSection, VodSettings

_TIMED = 2


class Expected(NamedTuple):
    """Seconds of a step, median of two, without optimizer and refreshes; bytes of all weights (φ's too), of gradients
    and the optimizer's two averages, of what a batch leaves for its backward pass, and of the candidates (on disk).
    """

    step: float
    weights: int
    optimizer: int
    activations: int
    candidates: int

    def line(self, *, steps: int, period: int) -> str:
        """A sentence about a training with so many steps left."""
        memory = self.weights + self.optimizer + self.activations
        return (
            f"{steps:,} steps, {period:,} a period: about {_duration(self.step)} a step, "
            f"{_duration(self.step * period)} a period and {_duration(self.step * steps)} in all, besides refreshes; "
            f"memory about {_size(memory)} (weights {_size(self.weights)}, gradients and optimizer "
            f"{_size(self.optimizer)}, a batch {_size(self.activations)}), candidates {_size(self.candidates)} on disk"
        )


def expect(network: VodModel, material: Material, settings: VodSettings, *, period: int) -> Expected:
    """Measure steps of `period` // 2, whose α is neither end's, on questions that no training's chance depends on."""
    training, was = settings.training, network.training
    size = training.batch
    order = np.random.default_rng(0).permutation(len(material)).tolist()
    batches = [np.resize(order[at * size :] or order, size).tolist() for at in range(1 + _TIMED)]
    devices = [network.retriever.queries.device] if network.retriever.queries.device.type == "cuda" else []
    trained = [weights for weights in network.parameters() if weights.requires_grad]
    with torch.random.fork_rng(devices=devices):
        network.train()
        try:
            activations = _saved(
                network, material, settings, batches[0], trained, period
            )  # and warm after it
            taken = [_timed(network, material, settings, numbers, trained, period) for numbers in batches[1:]]
        finally:
            network.train(was)
    cache = material.candidates
    arrays = [] if cache is None else [value for value in cache if isinstance(value, np.ndarray)]
    return Expected(
        float(np.median(taken)) * training.accumulation,
        sum(_bytes(weights) for weights in (*network.parameters(), *network.buffers())),
        3 * sum(_bytes(weights) for weights in trained),
        activations,
        sum(array.nbytes for array in arrays),
    )


def _step(
    network: VodModel,
    material: Material,
    settings: VodSettings,
    numbers: list[int],
    trained: list[Any],
    period: int,
) -> None:
    """As the trainer does it, but for gradients, which are made beside the weights and dropped."""
    step = period // 2
    batch = material.batch(
        numbers,
        step=step,
        fresh=network.wants_documents,
        texts=network.reads_texts,
        alpha=alpha_at(step, period, settings.objective),
    )
    with _precision(settings.training, network.retriever.queries.device):
        loss = -network(batch).bounds.sum()
    torch.autograd.grad(loss, trained, allow_unused=True)


def _timed(network: VodModel, *given: Any) -> float:
    device = network.retriever.queries.device
    _wait(device)
    start = time.perf_counter()
    _step(network, *given)
    _wait(device)
    return time.perf_counter() - start


def _saved(network: VodModel, *given: Any) -> int:
    """Bytes that a step keeps for its backward pass, weights aside."""
    own = {weights.untyped_storage().data_ptr() for weights in network.parameters()}
    found: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        _step(network, *given)
    return sum(found.values())


def _precision(training: TrainingSection, device: torch.device) -> AbstractContextManager[Any]:
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    if training.precision not in kinds:
        return nullcontext()
    return torch.autocast(device.type, dtype=kinds[training.precision])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _size(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB" if count >= 2**20 else f"{count / 2**10:,.0f} KiB"


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.2g} s"
    return f"{seconds:,.0f} s" if seconds < 90 else f"{seconds / 60:,.0f} min"
