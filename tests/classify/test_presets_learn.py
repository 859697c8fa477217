"""Every shipped network learns 32 documents by heart: its layers, its rows and their order are joined rightly."""

from __future__ import annotations

from pathlib import Path

import pytest
from sklearn.metrics import f1_score
from tiny_models import tiny_encoder_folder
from toy_networks import NETWORKS, small, toy_context, toy_documents, toy_problem

from retrieve.classify.frozen import FrozenNetwork, learn_frozen
from retrieve.classify.preset import load_preset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("learn") / "model", limit=64)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_learns_32_documents(name: str, folder: Path) -> None:
    examples = toy_documents(32, least=60)
    epochs, lr = {
        "mean": (200, 5e-2),
        "vote": (200, 5e-2),
        "max": (150, 2e-2),
        "attention": (150, 2e-2),
        "transformer": (50, 3e-3),
    }.get(load_preset(name).aggregator.kind, (60, 2e-2 if name != "trldc" else 3e-3))
    preset = small(
        name,
        folder,
        training__epochs=epochs,
        training__lr=lr,
        training__batch=32,
        training__patience=0,
        training__weight_decay=0.0,
        training__class_weights=False,
    )
    model = learn_frozen(toy_problem(examples), preset, toy_context()).model
    assert isinstance(model, FrozenNetwork)
    predicted = model.scores(examples.documents) > 0
    assert f1_score(examples.targets > 0, predicted, average="micro") >= 0.99
