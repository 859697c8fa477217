"""A tuned model as a `Model`: scores, evidence, state; it comes back in another process with equal probabilities."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from endtoend_case import context, preset, problem
from tiny_models import tiny_bare_folder, tiny_encoder_folder, write_json

from retrieve.classify.endtoend.learn import learn_end_to_end
from retrieve.classify.endtoend.tuned import TunedNetwork
from retrieve.classify.families import model_from
from retrieve.classify.folder import load_parts, save_parts
from retrieve.classify.records import State
from retrieve.errors import ModelMismatch
from retrieve.types import Document, LabelledDocument

KINDS = ("mean", "attention", "lstm", "transformer", "label-wise", "label-wise-tokens")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("encoder"), limit=64)


def trained(model: Path, kind: str = "mean", **settings: Any) -> TunedNetwork:
    settings = {"encoder__states": kind == "label-wise-tokens", "end_to_end__epochs": 1} | settings
    made = learn_end_to_end(problem(8, 3), preset(model, kind, **settings), context()).model
    assert isinstance(made, TunedNetwork)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_back_equal_in_all_scores(folder: Path, kind: str) -> None:
    model = trained(folder, kind)
    documents = problem(2, 9).validation.documents
    scores = model.scores(documents)
    assert scores.shape == (9, 3) and scores.dtype == np.float64
    state = model.state()
    json.dumps(state.settings, allow_nan=False)
    again = model_from("tuned", State(json.loads(json.dumps(state.settings)), state.arrays), context())
    assert np.array_equal(again.scores(documents), scores)
    second = again.state()
    assert second.settings == state.settings
    assert second.arrays.keys() == state.arrays.keys()
    assert all(np.array_equal(second.arrays[name], array) for name, array in state.arrays.items())


def test_labels_known_by_their_descriptions_come_back(folder: Path) -> None:
    model = trained(folder, "label-wise", aggregator__descriptions=True)
    documents = problem(2, 5).validation.documents
    again = TunedNetwork.from_state(model.state(), context())
    assert np.array_equal(again.scores(documents), model.scores(documents))


@pytest.mark.parametrize("kind", ["transformer", "label-wise-tokens"])
def test_scores_are_a_documents_own(folder: Path, kind: str) -> None:
    model = trained(folder, kind, end_to_end__budget=40)
    empty = LabelledDocument(Document("empty", ""))
    documents = [*problem(2, 9).validation.documents, empty]
    scores = model.scores(documents)
    alone = np.concatenate([model.scores([document]) for document in documents])
    turned = model.scores(documents[::-1])[::-1]
    bound = 1e-5 * max(1.0, float(scores.std()))
    assert np.abs(scores - alone).max() < bound and np.abs(scores - turned).max() < bound
    assert np.isfinite(scores[-1]).all()
    assert model.scores([]).shape == (0, 3)


@pytest.mark.parametrize("kind", ["mean", "attention", "label-wise-tokens"])
def test_evidence_is_the_score_of_the_document_without_a_passage(folder: Path, kind: str) -> None:
    """A passage for each paragraph: without the paragraph, the document has one fewer."""
    model = trained(folder, kind, passages__cut="paragraphs", passages__merge=False, passages__size=60)
    document = problem(2, 9).validation.documents[0]
    evidence = model.evidence(document)
    passages = len(document.paragraphs)
    assert passages > 2
    assert evidence.spans.tolist() == [list(span) for span in document.paragraphs]
    assert np.allclose(evidence.scores, model.scores([document])[0], atol=1e-5)
    assert evidence.without.shape == (passages, 3)
    for left in range(passages):
        kept = tuple(span for number, span in enumerate(document.paragraphs) if number != left)
        rest = replace(document, paragraphs=kept)
        assert np.allclose(model.scores([rest])[0], evidence.without[left], atol=1e-5)
    if kind == "mean":
        assert evidence.attention is None
    else:
        assert evidence.attention is not None and evidence.attention.shape == (passages, 3)
        assert np.allclose(evidence.attention.sum(axis=0), 1)


def test_one_passage_is_the_plain_encoder_under_the_head(folder: Path) -> None:
    """Scores of a short document: head(vector of sentence-transformers), of the tuned weights."""
    import torch
    from sentence_transformers import SentenceTransformer

    from retrieve.classify.ragged import ragged_of
    from retrieve.encoders.torch.trained_folder import encoder_folder

    model = trained(folder, "mean")
    text = "the court of law"
    state = model.state()
    arrays = {name[8:]: array for name, array in state.arrays.items() if name.startswith("encoder.")}
    with encoder_folder(state.settings["encoder"], arrays) as root:
        vector = SentenceTransformer(str(root), device="cpu").encode([text], normalize_embeddings=True)
    with torch.no_grad():
        wanted = model.network.head(ragged_of([torch.from_numpy(vector)])).numpy()
    assert np.allclose(model.scores([LabelledDocument(Document("d", text))]), wanted, atol=1e-5)


_LOADED = """
import sys, numpy as np
from pathlib import Path
from retrieve.classify.encoders import Encoders
from retrieve.classify.families import model_from
from retrieve.classify.folder import load_parts
from retrieve.classify.records import Context
from retrieve.types import Document, LabelledDocument
import torch
torch.set_num_threads(1)
def refuse(recipe):
    raise AssertionError("no other encoder is wanted")
record, state = load_parts(Path(sys.argv[1]), None)
model = model_from("tuned", state, Context(refuse, "cpu"))
texts = Path(sys.argv[2]).read_text().split("\\x00")
np.save(sys.argv[3], model.scores([LabelledDocument(Document(str(n), text)) for n, text in enumerate(texts)]))
"""


@pytest.mark.long
def test_a_fresh_process_gives_equal_scores_without_the_encoders_folder(tmp_path: Path) -> None:
    source = tiny_encoder_folder(tmp_path / "source", limit=64)
    model = trained(source, "label-wise")
    documents = problem(2, 9).validation.documents
    scores = model.scores(documents)
    record = {"estimator": "Classifier", "model": "tuned"}
    save_parts(tmp_path / "model", record, model.state(), force=False)
    shutil.rmtree(source)
    assert not [
        path for path in (tmp_path / "model").iterdir() if path.suffix not in (".json", ".safetensors")
    ]
    load_parts(tmp_path / "model", "Classifier")
    (tmp_path / "texts").write_text("\x00".join(each.document.text for each in documents))
    place = tmp_path / "scores.npy"
    command = [sys.executable, "-c", _LOADED, str(tmp_path / "model"), str(tmp_path / "texts"), str(place)]
    subprocess.run(command, check=True)
    assert np.array_equal(np.load(place), scores)


def test_it_pickles(folder: Path) -> None:
    model = trained(folder)
    documents = problem(2, 5).validation.documents
    again = pickle.loads(pickle.dumps(model))  # our own bytes
    assert np.array_equal(again.scores(documents), model.scores(documents))


def test_arrays_of_another_model_are_refused(folder: Path) -> None:
    state = trained(folder).state()
    arrays = dict(state.arrays)
    del arrays["head.aggregator.head.bias"]
    with pytest.raises(ModelMismatch, match="arrays are not those"):
        TunedNetwork.from_state(State(state.settings, arrays), context())
    arrays = state.arrays | {"head.aggregator.head.bias": np.zeros(4, np.float32)}
    with pytest.raises(ModelMismatch, match="arrays are not those"):
        TunedNetwork.from_state(State(state.settings, arrays), context())


def test_a_plain_folder_with_a_prompt_and_a_lowered_tokenizer(tmp_path: Path) -> None:
    """What the folder does not say is said by the preset, and kept: pooling, prompt; lower case is the tokenizer's."""
    root = tiny_bare_folder(tmp_path / "bare")
    model = trained(root, encoder__pooling="cls", encoder__document_prompt="law: ", encoder__normalize=True)
    documents = problem(2, 5).validation.documents
    again = TunedNetwork.from_state(model.state(), context())
    assert np.array_equal(again.scores(documents), model.scores(documents))
    lowered = tiny_encoder_folder(tmp_path / "lowered", limit=64)
    tokenizer = json.loads((lowered / "tokenizer.json").read_text())
    tokenizer["normalizer"] = None
    write_json(lowered / "tokenizer.json", tokenizer)
    write_json(lowered / "sentence_bert_config.json", {"max_seq_length": 32, "do_lower_case": True})
    model = trained(lowered)
    again = TunedNetwork.from_state(model.state(), context())
    small, large = (LabelledDocument(Document("d", text)) for text in ("the court", "THE COURT"))
    assert np.array_equal(again.scores([small, large]), model.scores([small, large]))
    # One by one: with AMX, equal rows of one batch may differ in the last digit.
    assert np.array_equal(again.scores([small]), again.scores([large]))


def test_a_dense_layer_after_the_pooling_is_trained_and_kept(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

    root = tiny_encoder_folder(tmp_path / "plain", limit=64)
    whole = SentenceTransformer(str(root), device="cpu")
    modules = [whole[0], whole[1], Dense(32, 20)]
    SentenceTransformer(modules=modules, device="cpu").save(str(tmp_path / "dense"))
    model = trained(tmp_path / "dense")
    assert model.network.encoder.dimensions == 20
    documents = problem(2, 5).validation.documents
    state = model.state()
    started = modules[2].linear.weight.detach().numpy()
    assert not np.allclose(state.arrays["encoder.2_Dense.linear.weight"], started)
    assert np.array_equal(
        TunedNetwork.from_state(state, context()).scores(documents), model.scores(documents)
    )
