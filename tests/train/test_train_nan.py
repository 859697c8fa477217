"""A loss that is no number ends the training of a head at its step: it is not logged as 0 and gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_collection import toy_collection

from retrieve.errors import TrainingError
from retrieve.train.losses import PairLoss
from retrieve.train.settings import Settings
from retrieve.train.uhd import train_uhd


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_training(
    tiny_encoder: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch, poison: float
) -> None:
    original = PairLoss.forward
    steps: list[int] = []

    def poisoned(self: PairLoss, *args: Any, **kwargs: Any) -> Any:
        steps.append(len(steps) + 1)
        losses = original(self, *args, **kwargs)
        return {name: loss * (poison if steps[-1] == 3 else 1) for name, loss in losses.items()}

    monkeypatch.setattr(PairLoss, "forward", poisoned)
    settings = Settings(dimensions=128, winners=8, batch=8, folds=2, loss="distill", epochs=2)
    data = tmp_path / "data"
    data.mkdir()
    with pytest.raises(TrainingError, match=f"the loss of step 3 is {poison}"):
        train_uhd(toy_collection(data), tmp_path / "head", settings, model=str(tiny_encoder))
    assert steps == [1, 2, 3]
    assert not (tmp_path / "head").exists()
