"""A build that is killed and repeated gives what an undisturbed one gives, wherever it was killed."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import pytest
from store_crash import DIMENSIONS, PHASES, Scenario, Undisturbed, die_at, disturb

RECIPE = {
    "name": "crash",
    "passages": {"unit": "words", "size": 9},
    "bm25": {},
    "dense": {"model": "none", "dimensions": DIMENSIONS},
    "segments": {"passages": 25},
}


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return Scenario.make(tmp_path_factory.mktemp("source"), RECIPE, documents=24)


@pytest.fixture(scope="module")
def undisturbed(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed.build(scenario, tmp_path_factory.mktemp("undisturbed") / "a.index")


def _counts(event: str, path: str) -> bool:
    """Changes that another process can see; files in a folder under construction or removal are one state to it."""
    if event == "open":
        return path.endswith(".new")
    return event in ("os.rename", "os.rmdir") or (event == "os.remove" and path != "")


@pytest.mark.parametrize("phase", PHASES)
def test_killed_before_every_single_change_to_the_folder(
    phase: int, scenario: Scenario, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    folder = tmp_path / "a.index"
    step = 1
    while disturb(scenario, folder, phase, undisturbed, prepare=partial(die_at, folder, step, _counts)):
        step += 1
    assert step > 10


def test_killed_at_random_moments(scenario: Scenario, undisturbed: Undisturbed, tmp_path: Path) -> None:
    chance = random.Random(1)
    for phase in (1, 2, 2, 3):
        moment = chance.uniform(0, undisturbed.seconds[phase - 1])
        disturb(scenario, tmp_path / "a.index", phase, undisturbed, kill_after=moment)
