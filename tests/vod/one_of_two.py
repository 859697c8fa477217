"""A process of several that train one model together; `test_vod_processes.py` starts them as torchrun would."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from vod_case import config

from retrieve.train.vod.learn import train_vod
from retrieve.train.vod.model import VodModel


def trained(case: Path, place: Path, *, batch: int) -> dict[str, Any]:
    """The report of a training without dropout, of 16 questions once."""
    VodModel.train = lambda self, mode=True: torch.nn.Module.train(self, False)  # type: ignore[method-assign]
    settings = config(
        case, training__periods=1, training__batch=batch, training__lr=1e-4, training__head_lr=1e-3
    )
    return train_vod(settings, place / "model", work=place / "work", seed=3)


if __name__ == "__main__":
    report = trained(Path(sys.argv[1]), Path(sys.argv[2]), batch=2)
    text = json.dumps({key: report[key] for key in ("periods", "steps", "best")})
    (Path(sys.argv[2]) / f"{os.environ['RANK']}.json").write_text(text)
