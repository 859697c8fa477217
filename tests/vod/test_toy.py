"""Training by the estimate comes to the maximum likelihood, and does not without what it is made of.

The instance, the start and the trainings are those of `eval/vod_toy.py`, which says what they are. Seen to stay away:
equal weights (s = 1/K), and α = 1 throughout.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
import torch

pytestmark = pytest.mark.long

FILE = Path(__file__).parents[2] / "eval" / "vod_toy.py"


@pytest.fixture(scope="module")
def toy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vod_toy", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["vod_toy"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def found(toy: ModuleType) -> dict[str, Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        runs: dict[str, Any] = toy.runs(0)
    finally:
        torch.set_num_threads(threads)
    return runs


def test_annealed_training_comes_to_the_maximum_likelihood(toy: ModuleType, found: dict[str, Any]) -> None:
    assert found["gaps"]["annealed"] <= toy.GOAL
    assert found["left"] <= toy.GOAL


def test_equal_weights_and_the_elbo_do_not(toy: ModuleType, found: dict[str, Any]) -> None:
    assert found["gaps"]["equal weights"] > toy.GOAL
    assert found["gaps"]["alpha 1"] > toy.GOAL


def test_the_picture_has_all_four_curves(toy: ModuleType, found: dict[str, Any]) -> None:
    root = ElementTree.fromstring(toy.picture(found))
    space = {"svg": "http://www.w3.org/2000/svg"}
    curves = [line for line in root.iterfind(".//svg:polyline", space) if line.get("stroke") in toy.COLOURS]
    assert len(curves) == 4
    assert all(len((line.get("points") or "").split()) == toy.STEPS // toy.SHOWN + 1 for line in curves)
