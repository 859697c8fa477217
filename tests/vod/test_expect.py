"""Expected time and memory: the figures are those of the network, and the training does not know that it was asked."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from vod_case import config, write_case

from retrieve.train.vod import expect as module
from retrieve.train.vod.expect import Expected, expect
from retrieve.train.vod.learn import Parts, make_parts, read_split, train_vod
from retrieve.train.vod.refresh import Refresher
from retrieve.train.vod.settings import load_settings
from retrieve.train.vod.trainer import arguments_of


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("vod"))


def parts_of(case: Path, folder: Path, **changed: Any) -> Parts:
    settings = load_settings(config(case, **changed))
    parts = make_parts(settings, *read_split(settings, 0), folder, seed=0, device="cpu")
    given = (parts.settings, parts.network, parts.collection, parts.texts, parts.train, parts.validation)
    device = parts.network.retriever.queries.device
    arguments = arguments_of(settings.training, folder, steps=1, seed=0, device=device)
    Refresher(folder, *given, arguments=arguments, period=parts.period, seed=0, progress=None).begin(0)
    return parts


@pytest.mark.parametrize("documents", ["own", "shared"])
def test_nothing_is_changed(case: Path, tmp_path: Path, documents: str) -> None:
    parts = parts_of(case, tmp_path, data__documents=documents)
    weights = {name: value.clone() for name, value in parts.network.state_dict().items()}
    parts.network.eval()
    before = torch.get_rng_state(), random.getstate(), _numpy_state()
    expect(parts.network, parts.train, parts.settings, period=parts.period)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), _numpy_state())
    assert all(value.grad is None for value in parts.network.parameters())
    assert all(torch.equal(weights[name], value) for name, value in parts.network.state_dict().items())
    assert not parts.network.training


def _numpy_state() -> str:
    return str(np.random.get_state())  # noqa: NPY002


def test_a_training_is_the_same_bit_for_bit(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train_vod(config(case), tmp_path / "plain")
    original, asked = Refresher.begin, []

    def begin(self: Refresher, period: int, **given: Any) -> None:
        original(self, period, **given)
        if not given.get("last"):
            asked.append(expect(self._network, self._train, self._settings, period=self._period))

    monkeypatch.setattr(Refresher, "begin", begin)
    told = train_vod(config(case), tmp_path / "told")
    assert len(asked) == 2
    assert told["steps"] == plain["steps"]
    assert told["periods"] == plain["periods"]


def test_figures_are_those_of_the_network(case: Path, tmp_path: Path) -> None:
    parts = parts_of(case, tmp_path)
    found = expect(parts.network, parts.train, parts.settings, period=parts.period)
    trained = sum(value.numel() for value in parts.network.parameters() if value.requires_grad)
    assert found.optimizer == 3 * 4 * trained
    assert found.weights >= 2 * 4 * sum(value.numel() for value in parts.network.retriever.parameters())
    assert found.activations > 0
    cache = parts.train.candidates
    assert cache is not None
    assert found.candidates > cache.keys.nbytes + cache.vectors.nbytes
    more = load_settings(config(case, training__batch=16))
    assert expect(parts.network, parts.train, more, period=4).activations > 2 * found.activations


def test_steps_are_timed_with_their_accumulation(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_of(case, tmp_path, training__accumulation=3)
    monkeypatch.setattr(module, "_timed", lambda *_: 0.5)
    found = expect(parts.network, parts.train, parts.settings, period=parts.period)
    assert found.step == 1.5


def test_the_sentence() -> None:
    line = Expected(1.25, 190 << 20, 270 << 20, 40 << 20, 1 << 19).line(steps=828, period=276)
    assert line.startswith(
        "828 steps, 276 a period: about 1.2 s a step, 6 min a period and 17 min in all, besides"
    )
    assert "memory about 500 MiB (weights 190 MiB, gradients and optimizer 270 MiB, a batch 40 MiB)" in line
    assert line.endswith("candidates 512 KiB on disk")
