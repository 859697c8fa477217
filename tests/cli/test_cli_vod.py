"""`retrieve train vod` and `retrieve answer`: what they print in each form, and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click.testing
import pytest
from cli_calls import call
from vod_case import config, questions, write_case, write_questions

from retrieve import Index
from retrieve.train.vod.collection import Collection
from retrieve.types import Document, Question


def write_config(path: Path, values: dict[str, Any]) -> Path:
    """As TOML; JSON's numbers, strings and arrays are TOML's too."""
    lines = []
    for section, entries in values.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in entries.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case with `vod.toml`, its model `m`, the page of the training and what the command printed."""
    place = write_case(tmp_path_factory.mktemp("vod"))
    write_config(place / "vod.toml", config(place))
    asked = ("--set", "training.periods=1", "--seed", 3, "--report", place / "page.html")
    trained = call("train", "vod", place / "vod.toml", "--out", place / "m", *asked)
    (place / "printed.tsv").write_text(trained.stdout)
    (place / "said.txt").write_text(trained.stderr)
    return place


def test_a_training_prints_its_checkpoints(place: Path) -> None:
    header, *rows = (line.split("\t") for line in (place / "printed.tsv").read_text().splitlines())
    assert header == ["checkpoint", "log-likelihood", "accuracy", ""]
    assert [row[0] for row in rows] == ["0", "1"]
    assert [row[3] for row in rows].count("kept") == 1
    assert all(float(row[1]) < 0 <= float(row[2]) <= 1 for row in rows)
    said = (place / "said.txt").read_text()
    assert "questions.jsonl: 24 questions are train, for neither a file's name nor a field says" in said
    assert "no documents of the corpus" not in said
    assert "model kept, that of the beginning of period" in (place / "said.txt").read_text()
    assert not (place / "m.training").exists()


def test_settings_and_seed_are_those_of_the_command(place: Path) -> None:
    record = json.loads((place / "m" / "vod.json").read_text())
    assert record["settings"]["training"]["periods"] == 1
    assert record["settings"]["sampler"]["k"] == 3
    assert record["seed"] == 3
    assert len(record["steps"]) == 4


def test_the_page_has_curves_and_settings(place: Path) -> None:
    html = (place / "page.html").read_text()
    for said in (
        "Held-out questions by checkpoint",
        "Effective sample size",
        "KL(p‖r)",
        "sampler.k",
        "Versions",
    ):
        assert said in html


def test_a_model_is_replaced_by_force_alone(place: Path) -> None:
    asked = ("train", "vod", place / "vod.toml", "--out", place / "twice", "--set", "training.steps=1")
    first = json.loads(call(*asked, "--json").stdout)
    assert {"settings", "periods", "steps", "best", "seconds", "versions", "command"} <= first.keys()
    assert "force" in call(*asked, status=2).stderr
    second = json.loads(call(*asked, "--json", "--force").stdout)
    assert second["periods"] == first["periods"]
    refused = call("train", "vod", place / "vod.toml", "--out", place, "--force", status=2)
    assert "no VOD model's folder" in refused.stderr
    assert (place / "vod.toml").is_file()


def test_a_work_folder_that_is_named_stays(place: Path, tmp_path: Path) -> None:
    asked = ("train", "vod", place / "vod.toml", "--out", tmp_path / "m", "--work", tmp_path / "work")
    call(*asked, "--set", "training.steps=1")
    assert (tmp_path / "work" / "index" / "manifest.json").is_file() is False  # it moved into the model
    assert (tmp_path / "work" / "training.json").is_file()


def test_answers_are_json_lines_in_a_pipe(place: Path) -> None:
    result = call("answer", place / "m", place / "questions.jsonl", "--documents", 2)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["id"] for row in rows] == [question.id for question in questions()]
    right = 0
    for row, question in zip(rows, questions(), strict=True):
        assert list(row["probabilities"]) == list(question.labels)
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert row["answer"] == max(row["probabilities"], key=row["probabilities"].get)
        assert row["text"] == question.choices[question.labels.index(row["answer"])]
        assert len(row["documents"]) == 2
        assert row["documents"][0]["weight"] >= row["documents"][1]["weight"] > 0
        right += question.answer == question.labels.index(row["answer"])
    assert f"{right} of 24 right: {right / 24:.4f}" in result.stderr


def test_answers_as_one_object(place: Path) -> None:
    report = json.loads(call("answer", place / "m", place / "questions.jsonl", "--json").stdout)
    assert (report["questions"], len(report["answers"])) == (24, 24)
    assert 0 <= report["accuracy"] <= 1


def test_questions_without_answers_have_no_accuracy(place: Path, tmp_path: Path) -> None:
    asked = write_questions(tmp_path / "asked.jsonl", questions(3), answers=False)
    result = call("--quiet", "answer", place / "m", asked, "--documents", 0)
    assert result.stderr == ""
    assert [json.loads(line)["documents"] for line in result.stdout.splitlines()] == [[], [], []]
    told = call("answer", place / "m", asked, "--json")
    assert json.loads(told.stdout)["accuracy"] is None
    assert "asked.jsonl: 3 questions have no answer: q00, q01, q02" in told.stderr


def test_facts_that_no_search_can_find_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Index.create(tmp_path / "i", "bm25") as index:
        index.add([Document("f1", "a fact")])
        asked = [
            Question("q", "which", ("a", "b"), 0, (), facts, ()) for facts in (("f1",), ("f1", "f2"), ())
        ]
        Collection(index).check_facts(asked[:1])
        assert not caplog.messages
        Collection(index).check_facts(asked)
    assert caplog.messages == ["1 of 2 facts that help are no documents of the corpus: f2"]


def test_draws_in_place_of_all_candidates(place: Path, tmp_path: Path) -> None:
    asked = write_questions(tmp_path / "asked.jsonl", questions(3))
    exact, drawn = (
        [
            json.loads(line)["probabilities"]
            for line in call("answer", place / "m", asked, *how).stdout.splitlines()
        ]
        for how in ((), ("--draws", 2))
    )
    assert [sum(each.values()) for each in drawn] == pytest.approx([1] * 3, abs=1e-5)
    assert drawn != exact


def test_a_person_at_a_terminal_gets_a_table(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(click.testing._NamedTextIOWrapper, "isatty", lambda _: True, raising=False)
    for answers in (True, False):
        asked = write_questions(tmp_path / "asked.jsonl", questions(2), answers=answers)
        header, first, _ = call("--quiet", "answer", place / "m", asked).stdout.splitlines()
        assert header.split()[:4] == ["id", "question", "answer", "probability"]
        assert ("right answer" in header) is answers
        assert first.split("  ")[:2] == ["q00", "Which of these has the law from time 0?"]


def test_a_split_of_a_folder(place: Path, tmp_path: Path) -> None:
    write_questions(tmp_path / "train.jsonl", questions(2))
    write_questions(tmp_path / "dev.jsonl", questions(4)[2:])
    found = call("answer", place / "m", tmp_path, "--split", "validation").stdout.splitlines()
    assert [json.loads(line)["id"] for line in found] == ["q02", "q03"]
    refused = call("answer", place / "m", tmp_path, "--split", "test", status=2)
    assert "no questions of test: it has 2 of train, 2 of validation" in refused.stderr


def test_the_trained_retriever_serves_any_index(place: Path, tmp_path: Path) -> None:
    folder = place / "m" / "questions"
    call("index", "create", tmp_path / "i", place / "corpus.jsonl", "--encoder", folder, "--no-cache")
    with Index.open(tmp_path / "i") as index:
        assert index.recipe.dense is not None
        assert index.recipe.dense.model == str(folder)
        assert index.search("the law", k=3)
    refused = call("index", "create", tmp_path / "j", "--recipe", "bm25", "--encoder", folder, status=2)
    assert "leave out --encoder" in refused.stderr


def test_the_retriever_alone_is_taught_and_serves_an_index(place: Path) -> None:
    asked = ("--epochs", 1, "--lr", 1e-4, "--batch", 4, "--seed", 2)
    out = place / "search"
    taught = call("train", "retriever", place / "m", place / "questions.jsonl", "--out", out, *asked)
    header, *rows = (line.split("\t") for line in taught.stdout.splitlines())
    assert header == ["epoch", "validation_loss", "hit@20", "RR"]
    assert [row[0] for row in rows] == ["0", "1"]
    assert "encoder kept, that after epoch" in taught.stderr
    call(
        "index", "create", place / "found.index", place / "corpus.jsonl", "--recipe", "flat", "--encoder", out
    )
    assert call("search", place / "found.index", "law", "--format", "tsv").stdout
    assert (
        "force"
        in call("train", "retriever", place / "m", place / "questions.jsonl", "--out", out, status=2).stderr
    )
