"""A training that was interrupted goes on bit for bit, and no other training goes on in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from endtoend_case import context, preset, problem
from tiny_models import tiny_encoder_folder

from retrieve.classify.endtoend.learn import learn_end_to_end
from retrieve.classify.endtoend.tuned import TunedNetwork
from retrieve.classify.preset import Preset
from retrieve.classify.records import Examples, Fitted, Problem
from retrieve.errors import TrainingError
from retrieve.trainer import callbacks
from retrieve.trainer.checkpoints import last_checkpoint


class Interrupted(Exception):
    """Power went out."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("encoder"), limit=64)


@pytest.fixture(autouse=True)
def _checkpoints_at_every_second_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "CHECKPOINT", 2)


def turned(found: Problem) -> Problem:
    """With a validation that gets worse as more is learned."""
    validation = found.validation._replace(targets=1 - found.validation.targets)
    return Problem("multilabel", found.labels, found.train, validation)


def interrupted(found: Problem, settings: Preset, place: Path, step: int) -> None:
    def stop(stage: str, done: int, total: int | None) -> None:
        if stage == "training" and done == step:
            raise Interrupted

    with pytest.raises(Interrupted):
        learn_end_to_end(found, settings, context(checkpoints=place), progress=stop)


def weights(fitted: Fitted) -> dict[str, np.ndarray]:
    assert isinstance(fitted.model, TunedNetwork)
    return {name: values.detach().numpy() for name, values in fitted.model.network.named_parameters()}


def assert_same(one: Fitted, other: Fitted) -> None:
    assert one.curves == other.curves
    assert one.tried == other.tried
    left, right = weights(one), weights(other)
    for name in left:
        assert np.array_equal(left[name], right[name]), name


@pytest.mark.parametrize(
    ("step", "settings"),
    [
        (3, {}),  # from step 2, in the first epoch of six steps
        (9, {"end_to_end__passages": 2}),  # from step 8, in the second
        (7, {}),  # from step 6, where the first epoch ends
        (4, {"end_to_end__accumulation": 2, "end_to_end__precision": "bf16"}),
        (5, {"end_to_end__gradient_checkpointing": True, "end_to_end__layer_decay": 0.5}),
    ],
)
def test_an_interrupted_training_goes_on_bit_for_bit(
    folder: Path, tmp_path: Path, step: int, settings: dict[str, Any]
) -> None:
    """With dropout, random passages and an evaluation after each epoch."""
    chosen = preset(folder, **settings)
    whole = learn_end_to_end(problem(), chosen, context())
    interrupted(problem(), chosen, tmp_path / "run", step)
    last = last_checkpoint(tmp_path / "run")
    assert last is not None and int(last.name.partition("-")[2]) < step
    assert_same(learn_end_to_end(problem(), chosen, context(checkpoints=tmp_path / "run")), whole)


def test_patience_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    """The epochs without a better loss count on, and the best weights are found again."""
    settings = preset(folder, end_to_end__epochs=8, end_to_end__patience=3, end_to_end__batch=8)
    found = turned(problem(24, 8))
    whole = learn_end_to_end(found, settings, context())
    stopped = len(whole.curves)
    assert 4 <= stopped < 8
    interrupted(found, settings, tmp_path / "run", 3 * (stopped - 1) + 1)  # three steps an epoch
    assert_same(learn_end_to_end(found, settings, context(checkpoints=tmp_path / "run")), whole)


def test_a_finished_training_is_not_gone_through_again(folder: Path, tmp_path: Path) -> None:
    settings = preset(folder, end_to_end__epochs=8, end_to_end__patience=1, end_to_end__batch=8)
    found = turned(problem(24, 8))
    first = learn_end_to_end(found, settings, context(checkpoints=tmp_path / "run"))

    def step(stage: str, done: int, total: int | None) -> None:
        assert stage != "training"

    again = learn_end_to_end(found, settings, context(checkpoints=tmp_path / "run"), progress=step)
    assert_same(again, first)


def test_checkpoints_are_of_no_other_training(folder: Path, tmp_path: Path) -> None:
    settings, place = preset(folder), tmp_path / "run"
    interrupted(problem(), settings, place, 3)
    before = sorted(path.name for path in place.iterdir())
    other = problem()
    fewer = Problem(
        "multilabel",
        other.labels,
        Examples(other.train.documents[1:], other.train.targets[1:]),
        other.validation,
    )
    for match, found, chosen, seed in (
        ("end_to_end.lr is 0.001, this one's is 0.002", other, preset(folder, end_to_end__lr=2e-3), 0),
        ("end_to_end.batch", other, preset(folder, end_to_end__batch=5), 0),
        ("aggregator.kind", other, preset(folder, "max"), 0),
        ("its seed is 0, this one's is 1", other, settings, 1),
        ("its data is", fewer, settings, 0),
    ):
        with pytest.raises(TrainingError, match=match):
            learn_end_to_end(found, chosen, context(seed, place))
    assert sorted(path.name for path in place.iterdir()) == before


def test_a_folder_of_something_else_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(TrainingError, match="something else"):
        learn_end_to_end(problem(), preset(folder), context(checkpoints=tmp_path))


def test_a_checkpoint_that_was_cut_off_is_passed_over(folder: Path, tmp_path: Path) -> None:
    settings, place = preset(folder), tmp_path / "run"
    whole = learn_end_to_end(problem(), settings, context())
    interrupted(problem(), settings, place, 5)
    broken = place / "checkpoint-6"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"half")
    assert_same(learn_end_to_end(problem(), settings, context(checkpoints=place)), whole)


def test_a_training_without_a_place_for_checkpoints_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    learn_end_to_end(problem(8, 4), preset(folder, end_to_end__patience=1), context())
    assert list(tmp_path.iterdir()) == []


def test_the_record_is_json_of_plain_settings(folder: Path, tmp_path: Path) -> None:
    interrupted(problem(), preset(folder), tmp_path / "run", 1)
    record = json.loads((tmp_path / "run" / "training.json").read_text())
    assert record["seed"] == 0 and record["end_to_end.lr"] == 1e-3
