"""Distillation on the toy: it is judged as an index of the folder searches, and an interrupted one goes on the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from vod_case import config, questions, write_case

from retrieve.api import Index
from retrieve.errors import InputError, TrainingError, UsageError
from retrieve.files import checksum_file
from retrieve.train.vod import searched
from retrieve.train.vod.asked import asked_of
from retrieve.train.vod.collection import Collection
from retrieve.train.vod.distil import distil, split_questions
from retrieve.train.vod.folder import Opened, open_model
from retrieve.train.vod.learn import train_vod
from retrieve.train.vod.searched import Corpus, retrieval_figures

HOW: dict[str, Any] = {"epochs": 2, "lr": 5e-4, "batch": 4, "validation": 0.25}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module")
def model(case: Path) -> Opened:
    train_vod(
        config(case, training__periods=1, training__steps=2, sampler__bm25_period=False), case / "model"
    )
    return open_model(case / "model", device="cpu")


@pytest.fixture(scope="module")
def told(model: Opened, case: Path) -> dict[str, Any]:
    """The report of a distillation into `case/search`."""
    before = checksum_file(case / "model" / "vod.json"), _digest(case / "model" / "questions")
    report = distil(model, questions(40), case / "search", **HOW)
    assert (checksum_file(case / "model" / "vod.json"), _digest(case / "model" / "questions")) == before
    return report


def _digest(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): checksum_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "distilled.json"
    }


def test_it_learns_and_keeps_the_best_epoch(told: dict[str, Any], case: Path) -> None:
    losses = [each["validation_loss"] for each in told["epochs"]]
    assert len(losses) == 3
    assert told["best"] == int(np.argmin(losses)) > 0
    assert told["epochs"][2]["loss"] < told["epochs"][1]["loss"]
    assert told["scale"] == told["epochs"][told["best"]]["scale"] != told["epochs"][0]["scale"]
    kept = json.loads((case / "search" / "distilled.json").read_text(encoding="utf-8"))
    assert kept["epochs"] == told["epochs"]
    assert not (case / "search.training").exists()


def test_it_is_judged_by_the_index_that_its_folder_makes(model: Opened, tmp_path: Path) -> None:
    """With facts as the target and a rate that moves documents far: search, and the loss of the served vectors."""
    report = distil(model, questions(40), tmp_path / "gold", target="facts", **HOW | {"lr": 1e-3})
    _, held_out = split_questions(questions(40), target="facts", share=0.25, seed=0)
    assert (report["questions"], report["held_out"]) == (15, 5)  # every second question has facts
    kept = report["epochs"][report["best"]]
    assert kept["validation_loss"] < report["epochs"][0]["validation_loss"] - 0.03
    assert model.index is not None
    documents = [document for document in model.index.get_many(sorted(model.index.ids())) if document]
    overrides = [f"dense.model={tmp_path / 'gold'}", "dense.backend=torch", "dense.precision=fp32"]
    with Index.create(tmp_path / "served", "hybrid", overrides, cache=False) as index:
        index.add(documents)
        found = index.search_many([question.text for question in held_out], 40, using="dense")
    ranks, losses = [], []
    for question, hits in zip(held_out, found, strict=True):
        first = next(hit.rank for hit in hits if hit.doc_id == question.facts[0])  # the central one
        ranks.append(first)
        log_p = torch.log_softmax(torch.tensor([report["scale"] * hit.score for hit in hits]), 0)
        own = [hit.doc_id in question.facts for hit in hits]
        losses.append(-float(log_p[own].mean()) - np.log(2))
    assert kept["hit@20"] == np.mean([rank <= 20 for rank in ranks])
    assert kept["RR"] == pytest.approx(np.mean([1 / rank for rank in ranks]), abs=1e-6)
    assert kept["validation_loss"] == pytest.approx(np.mean(losses), abs=2e-3)


def test_the_first_loss_is_that_of_the_models_sampler(told: dict[str, Any], model: Opened) -> None:
    """Of [q; a] by the kept checkpoint, cosine and BM25 added up, document by document, against the tower as it was."""
    _, held_out = split_questions(questions(40), target="sampler", share=0.25, seed=0)
    index, retriever = model.index, model.network.retriever
    assert index is not None
    corpus = Corpus.of(index)
    period = model.record["periods"][model.record["best"]]
    losses = []
    for question in held_out:
        assert question.answer is not None
        right = question.choices[question.answer]
        with torch.inference_mode():
            rows = model.texts.questions([f"{question.text} {right}", question.text])
            both, alone = retriever.queries.vectors(rows, 512).numpy()
        (asked,) = asked_of([question], "shared", Collection(index).terms, knows_answer=True)
        keys = np.arange(len(corpus.vectors))[None]
        bm25 = index.score_passages([{"bm25": asked.terms}], keys, layout=index.layout)["bm25"][0]
        own = corpus.vectors[corpus.rows_of(index, keys)[0]]
        scores = period["sampler_scale"] * (own @ both) + bm25 / period["temperature"]
        scores = np.where(np.argsort(np.argsort(-scores, kind="stable")) < 8, scores, -np.inf)
        log_r = torch.log_softmax(torch.from_numpy(scores), 0)
        log_p = torch.log_softmax(torch.from_numpy(retriever.scale * (own @ alone)), 0)
        terms = log_r.exp() * (log_r - log_p)
        losses.append(float(terms[log_r > -np.inf].sum()))
    assert told["epochs"][0]["validation_loss"] == pytest.approx(np.mean(losses), rel=5e-3)


@pytest.mark.parametrize("stop", [4, 8, 11])  # in the first epoch, at its end, in the second
def test_an_interrupted_one_goes_on_to_the_same(
    stop: int,
    told: dict[str, Any],
    model: Opened,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: Path,
) -> None:
    monkeypatch.setattr("retrieve.trainer.callbacks.CHECKPOINT", 3)

    def interrupt(stage: str, done: int, total: int | None) -> None:
        if stage == "training" and done == stop + 1:
            raise KeyboardInterrupt

    out, work = tmp_path / "search", tmp_path / "work"
    with pytest.raises(KeyboardInterrupt):
        distil(model, questions(40), out, work=work, progress=interrupt, **HOW)
    assert not out.exists()
    with pytest.raises(TrainingError, match=r"lr is 0\.0005, this one's is 0\.1"):
        distil(model, questions(40), out, work=work, **HOW | {"lr": 0.1})
    again = distil(model, questions(40), out, work=work, **HOW)
    assert again["epochs"] == told["epochs"]
    assert _digest(out) == _digest(case / "search")


def test_a_loss_that_is_no_number_ends_it(model: Opened, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the loss of step \d+ is nan.*lower lr"):
        distil(model, questions(40), tmp_path / "out", **HOW | {"lr": 1e30})
    assert not (tmp_path / "out").exists()


def test_what_cannot_be(
    model: Opened, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="target is 'gold': wanted one of sampler, facts"):
        distil(model, questions(), out, target="gold")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="search is there already"):
        distil(model, questions(), case / "search")
    with pytest.raises(
        TrainingError, match=r"4 questions with answers, a share of 0\.1 of them held out: wanted"
    ):
        distil(model, questions(4), out)
    with pytest.raises(InputError, match="has no questions"):
        distil(model, [], out)
    monkeypatch.setattr(searched, "MOST", 30)
    with pytest.raises(UsageError, match="40 passages, a question is scored against at most 30"):
        distil(model, questions(), out)
    assert not out.exists()


def test_figures_of_passages_ties_and_what_is_unknown() -> None:
    """Documents a (two passages), b (none), c, d; a's best passage counts, and of equals the first id is first."""
    vectors = np.array([[0, 1], [2, 0], [2, 0], [0, 3]], np.float32)
    corpus = Corpus(("a", "b", "c", "d"), np.array([0, 2, 2, 3, 4]), vectors)
    first = questions(1)[0]

    def asked(facts: tuple[str, ...], roles: tuple[str, ...] = ()) -> Any:
        return type(first)("q", "text", ("x", "y"), 0, facts=facts, roles=roles)

    own = [
        asked(("a",)),
        asked(("c",)),
        asked(("d", "c"), ("CENTRAL", "GROUNDING")),
        asked(("d", "c")),
        asked(("b", "elsewhere")),
        asked(()),
    ]
    found = retrieval_figures(lambda texts: np.tile([1.0, 0.0], (len(texts), 1)), corpus, own, k=2)
    np.testing.assert_array_equal(found["RR"], [1, 1 / 2, 1 / 3, 1 / 2, 0, np.nan])
    np.testing.assert_array_equal(found["hit@2"], [1, 1, 0, 1, 0, np.nan])
    assert corpus.rows(("c", "a", "a", "elsewhere", "b")) == [0, 1, 2]
