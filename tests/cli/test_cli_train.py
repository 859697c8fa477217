"""`retrieve train uhd`: what it prints, and how it ends when a head is kept, refused, or cannot be trained at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from retrieve.cli import main
from retrieve.train.gate import Gain
from retrieve.train.settings import Settings

GAINS = {
    True: Gain(1109, 0.6244, 0.6405, 0.0161, 0.0071, 0.0253),
    False: Gain(1109, 0.6244, 0.6254, 0.001, -0.0042, 0.0062),
}


def call(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(main, ["train", "uhd", *(str(argument) for argument in arguments)])
    assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
    return result


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the library was asked for; it keeps a head whose seed is 1."""
    calls: dict[str, Any] = {}

    def train(dataset: str, out: str, settings: Settings, **how: Any) -> dict[str, Any]:
        calls.update(how, dataset=dataset, out=out, settings=settings)
        gain = GAINS[settings.seed == 1]._asdict()
        return {
            "kept": settings.seed == 1,
            "measure": "nDCG@10",
            "inductive": gain,
            "transductive": gain,
            "needed": 0.0,
        }

    monkeypatch.setattr("retrieve.train.uhd.train_uhd", train)
    return calls


def test_a_kept_head_is_a_table_of_both_figures(asked: dict[str, Any]) -> None:
    result = call("data", "--out", "head", "--seed", 1, "--lr", 0.01, "--level", "token", "--model", "m")
    header, inductive, transductive = (line.split("\t") for line in result.stdout.splitlines())
    assert header == ["nDCG@10", "untrained", "trained", "gain", "lower", "upper"]
    assert inductive == ["inductive", "0.6244", "0.6405", "0.0161", "0.0071", "0.0253"]
    assert transductive[0] == "transductive"
    assert asked["settings"] == Settings(seed=1, lr=0.01, level="token")
    assert (asked["model"], asked["resume"], asked["allow_not_worse"]) == ("m", False, False)


def test_a_refused_head_is_status_1_with_its_figures(asked: dict[str, Any]) -> None:
    result = call("data", "--out", "head", "--json", status=1)
    report = json.loads(result.stdout)
    assert (report["kept"], report["out"], report["inductive"]["lower"]) == (False, None, -0.0042)
    assert "refused" in result.stderr
    assert "-0.0042, wanted above 0;" in result.stderr
    assert "model" not in asked


def test_what_is_wrong_is_said_in_a_line(tmp_path: Path) -> None:
    assert "wanted 1 to 100" in call("data", "--out", "head", "--dimensions", 100, status=2).stderr
    assert "batch is 1" in call("data", "--out", "head", "--batch", 1, status=2).stderr
    assert "--out" in call("data", status=2).stderr
    assert "is there" in call("data", "--out", tmp_path, status=1).stderr
