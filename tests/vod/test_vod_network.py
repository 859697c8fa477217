"""The network around the objective: padding, precision and memory, where a mistake would be silent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from vod_case import config, questions, write_case

from retrieve.train.vod import start
from retrieve.train.vod.answer import VodModel
from retrieve.train.vod.candidates import Candidates
from retrieve.train.vod.learn import read_split, train_vod
from retrieve.train.vod.material import Material
from retrieve.train.vod.network import make_network
from retrieve.train.vod.readers.scores import StartingScores, in_units
from retrieve.train.vod.refresh import Refresher
from retrieve.train.vod.retriever import Texts
from retrieve.train.vod.settings import load_settings
from retrieve.train.vod.trainer import VodTrainer, arguments_of


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("vod"))


def test_an_option_that_is_not_there_takes_no_part_in_the_start(case: Path) -> None:
    """Questions of two options have padding beside one of five; alone they have none."""
    settings = load_settings(config(case, data__documents="shared"))
    texts = Texts(settings.retriever.encoder, normalize=True)
    network = make_network(settings, texts, "cpu")
    few = [each for each in questions() if len(each.choices) == 2]
    wide = next(each for each in questions() if len(each.choices) == 5)
    found = []
    for asked in ([*few, wide], few):
        material = Material(asked, settings, None, texts, dimensions=32, seed=0, training=True)
        chance = np.random.default_rng(0)
        lists, width = len(asked), max(len(each.choices) for each in asked)
        material.use(
            Candidates(
                np.tile(np.arange(8), (lists, 1)),
                np.zeros((lists, 8), np.float32),
                np.full((lists, 8), 30.0, np.float32),
                chance.random((lists, width, 8), np.float32),
                np.tile(np.arange(8), (lists, 1)),
                chance.standard_normal((8, 32)).astype(np.float16),
                {},
            )
        )
        f, scores, options, answers = start._parts(network, material, list(range(len(few))))
        weights = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
        found.append(start._likelihood(f, in_units(scores) @ weights, options, answers))
        assert options.sum(dim=1).tolist() == [2] * len(few)
        reader = torch.log_softmax(in_units(scores[:, :2]) @ weights, dim=1)[range(len(few)), answers]
        wanted = torch.logsumexp(torch.log_softmax(f[:, 0], dim=-1) + reader, dim=-1)
        torch.testing.assert_close(found[-1], wanted)


def test_weights_of_documents_keep_no_graph_of_the_encoders(case: Path) -> None:
    """Of a cross-encoder over all P documents it would take hundreds of gigabytes."""
    for kind in ("own", "shared"):
        settings = load_settings(config(case, data__documents=kind, retriever__source="none"))
        texts = Texts(settings.retriever.encoder, normalize=True)
        network = make_network(settings, texts, "cpu").requires_grad_(True)
        material = Material(questions(), settings, None, texts, dimensions=32, seed=0, training=False)
        found, scores = network.exact(material.batch([0, 1], step=None))
        assert scores.requires_grad
        inputs = list(network.retriever.queries.parameters())
        assert all(each is None for each in torch.autograd.grad(found.max(), inputs, allow_unused=True))


def test_scores_are_not_rounded_under_mixed_precision(case: Path) -> None:
    """f_φ, which they are compared with, is in float32: at e^λ = 20 bfloat16 would be off by up to .06."""
    settings = load_settings(config(case))
    network = make_network(settings, Texts(settings.retriever.encoder, normalize=True), "cpu")
    chance = torch.Generator().manual_seed(0)
    queries = torch.nn.functional.normalize(torch.randn(3, 32, generator=chance), dim=-1)
    documents = torch.nn.functional.normalize(
        queries[:, None] + torch.randn(3, 5, 32, generator=chance) / 9, dim=-1
    )
    scores = torch.rand(3, 5, 3, generator=chance) * 30
    start_scores = StartingScores()
    with torch.no_grad():
        start_scores.weights.fill_(5.0)
        wanted = network.retriever.score(queries, documents), start_scores(scores)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = network.retriever.score(queries, documents), start_scores(scores)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.filterwarnings("ignore:.*mtime may not be reliable")
@pytest.mark.parametrize("towers", ["shared", "separate"])
def test_a_model_with_fixed_documents_is_asked_as_it_was_judged(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, towers: str
) -> None:
    """Its question tower is trained for the reader alone: φ, which orders what BM25 scores alike, is the encoder that
    training began with. Seen to differ by 4e-6 with the trained tower in its place.
    """
    monkeypatch.setattr(Refresher, "best", property(lambda self: self.measured[-1]["period"]))
    changed = {
        "retriever__source": "sampler",
        "retriever__towers": towers,
        "sampler__p": 20,
        "training__lr": 3e-2,
    }
    settings = load_settings(config(case, **changed))
    report = train_vod(settings, tmp_path / "model")
    found = VodModel.load(tmp_path / "model").judge(read_split(settings, 0)[1])
    assert report["best"] == 2
    assert found.log_likelihood == pytest.approx(report["periods"][-1]["log_likelihood"], abs=1e-9)


def test_weights_decay_by_what_they_are_of(case: Path, tmp_path: Path) -> None:
    """Not by their rate: heads do not decay where one rate is for all."""
    settings = load_settings(config(case, training__lr=1e-3, training__head_lr=1e-3))
    texts = Texts(settings.retriever.encoder, normalize=True)
    network = make_network(settings, texts, "cpu")
    material = Material(questions(), settings, None, texts, dimensions=32, seed=0, training=True)
    arguments = arguments_of(settings.training, tmp_path, steps=1, seed=0, device=torch.device("cpu"))
    trainer = VodTrainer(network, arguments, material, settings, period=1, callbacks=[])
    decayed = {
        id(weights)
        for group in trainer.create_optimizer().param_groups
        if group["weight_decay"]
        for weights in group["params"]
    }
    names = {name for name, weights in network.named_parameters() if id(weights) in decayed}
    assert names
    assert all(name.startswith("retriever.queries.") for name in names)
