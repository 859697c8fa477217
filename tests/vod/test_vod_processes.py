"""Two processes, as on two GPUs: one refreshes and writes, and both train what one with the batches of both would."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from one_of_two import trained
from safetensors.torch import load_file
from vod_case import write_case

from retrieve.train.vod.model import VodModel

pytestmark = pytest.mark.filterwarnings("ignore:.*mtime may not be reliable")


@pytest.mark.long
def test_two_processes_train_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, two, one = write_case(tmp_path), tmp_path / "two", tmp_path / "one"
    two.mkdir()
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    same = {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [sys.executable, str(Path(__file__).with_name("one_of_two.py")), str(case), str(two)]
    started = [
        subprocess.Popen(
            command,
            env=os.environ
            | same
            | {"RANK": rank, "LOCAL_RANK": rank, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    for process in started:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    first, second = (json.loads((two / f"{rank}.json").read_text()) for rank in (0, 1))
    monkeypatch.setattr(VodModel, "train", VodModel.train)  # what `trained` puts there goes with the test
    alone = trained(case, one, batch=4)
    assert first["periods"] == second["periods"]
    assert [step["loss"] for step in first["steps"]] == [step["loss"] for step in second["steps"]]
    for found, wanted in zip(first["steps"], alone["steps"], strict=True):
        assert found["loss"] == pytest.approx(wanted["loss"], abs=1e-4)
        assert found["grad_norm"] == pytest.approx(wanted["grad_norm"], rel=1e-2)
    (last,) = (two / "work" / "steps").glob("checkpoint-*")
    found, wanted = (
        load_file(place / "work" / "steps" / last.name / "model.safetensors") for place in (two, one)
    )
    for name, value in wanted.items():
        assert (found[name] - value).abs().max() < 1e-3, name
    assert json.loads((two / "model" / "vod.json").read_text())["periods"] == first["periods"]
