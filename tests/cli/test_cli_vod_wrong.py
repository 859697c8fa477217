"""What `retrieve train vod` and `retrieve answer` refuse, each in one sentence that says what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from vod_case import config, questions, write_case, write_lines

from retrieve.cli import main
from retrieve.train.vod import learn


def call(*arguments: object, status: int) -> Result:
    result = CliRunner().invoke(main, ["--quiet", *(str(argument) for argument in arguments)])
    assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    assert status == 2 or len(result.stderr.splitlines()) == 1, result.stderr
    return result


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case with `vod.toml`."""
    folder = write_case(tmp_path_factory.mktemp("vod"))
    write_config(folder, config(folder))
    return folder


def write_config(folder: Path, values: dict[str, Any]) -> Path:
    lines = []
    for section, entries in values.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in entries.items())]
    path = folder / "vod.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may come so far that an index is built."""
    monkeypatch.setattr(learn, "make_parts", None)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["sampler.k=9"], ("sampler.k = 9 with sampler.p = 8", "lower k or raise p")),
        (["objective.last=-0.5"], ("objective.last = -0.5", "objective.allow_upper_bound = true")),
        (["objective.first=1.5"], ("objective.first = 1.5", "from 0 (the likelihood) to 1 (the ELBO)")),
        (["objective.first=nan"], ("objective.first",)),
        (["sampler.size=3"], ("sampler.size",)),
        (["training.batch=0"], ("training.batch",)),
        (["reader.kind=cross"], ('reader.encoder = ""', "needs one")),
        (["data.held_out=24"], ("24 questions to train on, 24 are to be held out", "lower data.held_out")),
    ],
)
def test_settings_that_cannot_be(
    case: Path, tmp_path: Path, settings: list[str], said: tuple[str, ...]
) -> None:
    options = [item for setting in settings for item in ("--set", setting)]
    refused = call("train", "vod", case / "vod.toml", "--out", tmp_path / "m", *options, status=1)
    assert all(part in refused.stderr for part in said), refused.stderr
    assert not (tmp_path / "m").exists()


@pytest.mark.usefixtures("untrained")
def test_places_and_options_that_cannot_be(case: Path, tmp_path: Path) -> None:
    asked = ("train", "vod", case / "vod.toml", "--out")
    assert "--set 'k': wanted key=value" in call(*asked, tmp_path / "m", "--set", "k", status=2).stderr
    assert "cannot be a page" in call(*asked, tmp_path / "m", "--report", tmp_path, status=2).stderr
    assert "no folder to write in" in call(*asked, case / "vod.toml" / "m", status=2).stderr
    assert "--seed" in call(*asked, tmp_path / "m", "--seed", -1, status=2).stderr
    missing = call("train", "vod", tmp_path / "none.toml", "--out", tmp_path / "m", status=1)
    assert "there is no configuration" in missing.stderr
    (tmp_path / "bad.toml").write_text("[data\n")
    broken = call("train", "vod", tmp_path / "bad.toml", "--out", tmp_path / "m", status=1)
    assert "configuration " in broken.stderr and "is not valid TOML" in broken.stderr
    elsewhere = call(*asked, tmp_path / "m", "--device", "cuda:77", status=2)
    assert "device 'cuda:77': " in elsewhere.stderr and "name one that torch has here" in elsewhere.stderr


@pytest.mark.usefixtures("untrained")
def test_questions_of_which_none_is_of_train(case: Path, tmp_path: Path) -> None:
    row = {"id": "q0", "question": "which", "choices": ["one", "two"], "answer": 1}
    file = write_lines(tmp_path / "test.jsonl", [row])
    asked = ("train", "vod", case / "vod.toml", "--out", tmp_path / "m", "--set", f"data.questions={file}")
    assert "1 of test and none to train on" in call(*asked, status=1).stderr
    refused = call("train", "retriever", case / "m", file, "--out", tmp_path / "r", status=1)
    assert "test.jsonl: has 0 questions of validation, 1 of test and none to train on" in refused.stderr


@pytest.mark.parametrize("verb", ["train", "answer"])
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"answer": "F"}, "answer 'F' is not an option"),
        ({"answer": 5}, "answer 5 is not an option"),
        ({"choices": ["the one"], "answer": 0}, "1 options, wanted two or more"),
        ({"choices": ["the one", " "], "answer": 0}, "option 2 of 2 is empty"),
        ({"question": " "}, "the question is empty"),
        ({"id": "q0"}, "id 'q0' occurs again"),
    ],
)
@pytest.mark.usefixtures("untrained")
def test_questions_that_cannot_be(
    case: Path, tmp_path: Path, verb: str, changed: dict[str, Any], said: str
) -> None:
    good = {"id": "q0", "question": "which", "choices": ["one", "two"], "answer": 1}
    file = write_lines(tmp_path / "asked.jsonl", [good, good | {"id": "q1"} | changed])
    if verb == "train":
        setting = f"data.questions={file}"
        refused = call("train", "vod", case / "vod.toml", "--out", tmp_path / "m", "--set", setting, status=1)
    else:
        refused = call("answer", case / "m", file, status=1)
    assert f"{file}:2: {said}" in refused.stderr


@pytest.mark.usefixtures("untrained")
def test_a_training_wants_every_answer(case: Path, tmp_path: Path) -> None:
    row = {"id": "q0", "question": "which", "choices": ["one", "two"]}
    file = write_lines(tmp_path / "asked.jsonl", [row])
    setting = f"data.questions={file}"
    refused = call("train", "vod", case / "vod.toml", "--out", tmp_path / "m", "--set", setting, status=1)
    assert "question 'q0' has no answer" in refused.stderr


@pytest.mark.parametrize("lines", [[], [{"_id": "d", "text": ""}]])
def test_a_corpus_without_texts(case: Path, tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    corpus = write_lines(tmp_path / "corpus.jsonl", lines)
    setting = f"data.corpus={corpus}"
    refused = call("train", "vod", case / "vod.toml", "--out", tmp_path / "m", "--set", setting, status=1)
    assert "corpus.jsonl" in refused.stderr
    assert not (tmp_path / "m").exists()


def test_a_corpus_smaller_than_p(case: Path, tmp_path: Path) -> None:
    refused = call(
        "train", "vod", case / "vod.toml", "--out", tmp_path / "m", "--set", "sampler.p=41", status=2
    )
    assert "sampler.p is 41, the corpus has 40 passages: lower sampler.p" in refused.stderr
    assert not (tmp_path / "m.training").exists()  # the corrected command finds its place free


def test_a_grid_that_is_too_large(case: Path, tmp_path: Path) -> None:
    asked = ("train", "vod", case / "vod.toml", "--out", tmp_path / "m", "--set", "training.steps=100")
    refused = call(*asked, "--set", "sampler.k=17", "--set", "sampler.p=17", status=2)
    assert "sampler.k = 17 with questions of 5 options has 1,419,857 combinations" in refused.stderr
    assert "lower sampler.k to 16, or objective.first and last to 0.99" in refused.stderr


def test_a_recipe_without_vectors(case: Path, tmp_path: Path) -> None:
    refused = call(
        "train", "vod", case / "vod.toml", "--out", tmp_path / "m", "--set", "index.recipe=bm25", status=1
    )
    assert "wanted bm25 and dense" in refused.stderr


def test_a_cache_of_another_checkpoint_and_a_folder_of_another_training(case: Path, tmp_path: Path) -> None:
    asked = ("train", "vod", case / "vod.toml", "--out", tmp_path / "m", "--set", "training.steps=2")
    # Killed in the first step: the index and the caches of the first period are there.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(learn.VodTrainer, "compute_loss", _killed)
        assert CliRunner().invoke(main, [*map(str, asked)]).exit_code == 130
    work = tmp_path / "m.training"
    other = call(*asked, "--seed", 1, status=1)
    assert "checkpoints of another training" in other.stderr
    record = work / "period-0" / "train" / "candidates.json"
    said = json.loads(record.read_text())
    record.write_text(json.dumps(said | {"checkpoint": "0" * 32}))
    refused = call(*asked, status=1)
    assert "is the sampler's cache of another checkpoint: its checkpoint is '00000" in refused.stderr
    assert "delete that folder, and it is computed anew" in refused.stderr
    shutil.rmtree(record.parent)
    result = CliRunner().invoke(main, ["--quiet", *map(str, asked)])
    assert result.exit_code == 0, result.stderr


def _killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_a_model_that_is_none(case: Path, tmp_path: Path) -> None:
    refused = call("answer", tmp_path, case / "questions.jsonl", status=2)
    assert "is no VOD model's folder" in refused.stderr
    assert questions()  # they were read
