"""What `retrieve train classifier` and `retrieve classify` refuse, in one sentence, before any work is done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from toy_labels import toy_texts

from retrieve.classify import job
from retrieve.cli import main


def call(*arguments: object, status: int, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
    assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETRIEVE_HOME", str(tmp_path / "home"))
    texts, labels = toy_texts(12)
    rows = [
        {"id": str(n), "text": text, "labels": row}
        for n, (text, row) in enumerate(zip(texts, labels, strict=True))
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_place_that_cannot_be_written_is_found_before_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job.Classifier, "fit", None)  # a training would be a TypeError
    (tmp_path / "precious").mkdir()
    asked = ("train", "classifier", data, "--preset", "tfidf", "--out")
    for arguments, message in (
        ((tmp_path / "precious", "--force"), "no classifier's folder"),
        ((data / "model",), "no folder to write in"),
        ((tmp_path / "m", "--report", tmp_path / "nowhere" / "page.html"), "cannot be a page"),
        ((tmp_path / "m", "--report", tmp_path), "cannot be a page"),
        ((tmp_path / "m", "--seed", -1), "--seed"),
    ):
        assert message in call(*asked, *arguments, status=2).stderr
    for setting in ("C=[]", "C=[0]", "models=[]", "ngrams=[0]", "balanced=[]"):
        refused = call(*asked, tmp_path / "m", "--set", f"tfidf.{setting}", status=1)
        assert f"tfidf.{setting.split('=')[0]}" in refused.stderr


def test_data_without_documents_to_learn_from_say_where_they_are(data: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    data.rename(tmp_path / "folder" / "test.jsonl")
    refused = call("train", "classifier", tmp_path / "folder", "--out", tmp_path / "m", status=2)
    assert "no documents to learn from, 0 of validation and 12 of test" in refused.stderr


def test_checkpoints_of_a_training_that_has_none(data: Path, tmp_path: Path) -> None:
    asked = ("train", "classifier", data, "--out", tmp_path / "m", "--checkpoints", tmp_path / "c")
    assert "--regime end-to-end" in call(*asked, status=2).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "--top", "0", "--csv"], "--top is 0"),
        (["--index", "i", "--top", "2"], "--top goes with DOCUMENTS"),
        (["-", "--force"], "go with --index"),
        (["-", "--field", "area"], "go with --index"),
        (["-", "--page", "nowhere/why.html"], "cannot be a page"),
    ],
)
def test_options_that_would_be_ignored_or_come_too_late(
    data: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    refused = call("classify", tmp_path / "m", *arguments, status=2, stdin='{"id": "x", "text": "law"}\n')
    assert message in refused.stderr
    assert refused.stdout == ""
