"""Labels as queries, against cosines by hand; new labels; documents that say nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tiny_models import tiny_encoder_folder
from toy_labels import toy_documents

from retrieve.classify.encoders import Encoders
from retrieve.classify.families import model_from
from retrieve.classify.passages import encoder_recipe
from retrieve.classify.preset import Preset, load_preset
from retrieve.classify.records import Context, Examples, Problem, State
from retrieve.classify.zeroshot import ZeroShot, learn_zero_shot
from retrieve.errors import UsageError
from retrieve.types import Document, LabelledDocument, LabelSet, Task

LABELS = LabelSet(("law", "cell", "flow"), {"law": "the court and the law", "flow": "wing and heat"})


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Preset:
    folder = tiny_encoder_folder(tmp_path_factory.mktemp("model") / "tiny")
    values = {
        "encoder.model": str(folder),
        "encoder.query_prompt": "query: ",
        "encoder.backend": "torch",
        "encoder.precision": "fp32",
        "passages.size": 16,
    }
    return load_preset("zero-shot", values)


def learned(preset: Preset, labels: LabelSet = LABELS, task: Task = "multilabel") -> tuple[ZeroShot, Problem]:
    columns = 1 if task in ("binary", "ordinal") else len(labels.names)
    documents = toy_documents(4)
    held = Examples(documents, np.ones((4, columns), np.float32))
    none = Examples([], np.zeros((0, columns), np.float32))
    problem = Problem(task, labels, none, held)
    model = learn_zero_shot(problem, preset, Context(Encoders())).model
    assert isinstance(model, ZeroShot)
    return model, problem


def by_hand(preset: Preset, document: Document, labels: list[str]) -> np.ndarray:
    """Cosines (S,L) of passages and queries, by the encoder alone."""
    encoder = Encoders()(encoder_recipe(preset))
    rows = encoder.vectors([document]).vectors.astype(np.float64)
    queries = encoder.models.queries.encode_queries(labels).vectors.astype(np.float64)
    rows, queries = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (rows, queries))
    return np.asarray(rows @ queries.T)


def test_scores_are_the_greatest_cosine_with_the_description_or_the_name(preset: Preset) -> None:
    model, problem = learned(preset)
    documents = toy_documents(5, seed=3)
    wanted = [
        by_hand(preset, each.document, ["the court and the law", "cell", "wing and heat"]).max(axis=0)
        for each in documents
    ]
    np.testing.assert_allclose(model.scores(documents), wanted, atol=1e-5)
    assert any("1 of 3 labels have no description" in remark for remark in problem.remarks)


def test_evidence_is_what_is_left_of_the_greatest_cosine(preset: Preset) -> None:
    model, _ = learned(preset)
    document = toy_documents(1, seed=4)[0]
    cosines = by_hand(preset, document.document, ["the court and the law", "cell", "wing and heat"])
    evidence = model.evidence(document)
    assert len(evidence.spans) == len(cosines) > 1
    wanted = [np.delete(cosines, number, axis=0).max(axis=0) for number in range(len(cosines))]
    np.testing.assert_allclose(evidence.without, wanted, atol=1e-5)
    np.testing.assert_allclose(evidence.scores, cosines.max(axis=0), atol=1e-5)


def test_a_document_without_text_has_the_least_cosine(preset: Preset) -> None:
    model, _ = learned(preset)
    empty = LabelledDocument(Document("empty", " "))
    assert model.scores([empty]).tolist() == [[-1.0, -1.0, -1.0]]
    assert model.evidence(empty).without.shape == (0, 3)
    assert model.scores([]).shape[0] == 0


def test_labels_can_be_added_later(preset: Preset) -> None:
    model, _ = learned(preset)
    more = LabelSet((*LABELS.names, "blood"), {**LABELS.descriptions, "blood": "blood and protein"})
    wider = model.for_labels(more)
    documents = toy_documents(3, seed=5)
    np.testing.assert_allclose(wider.scores(documents)[:, :3], model.scores(documents), atol=1e-6)
    direct, _ = learned(preset, more)
    np.testing.assert_array_equal(wider.scores(documents), direct.scores(documents))


def test_a_binary_task_is_the_difference_of_its_labels(preset: Preset) -> None:
    pair = LabelSet(("law", "cell"))
    both, _ = learned(preset, pair)
    one, _ = learned(preset, pair, "binary")
    documents = toy_documents(3, seed=6)
    scores = both.scores(documents)
    np.testing.assert_allclose(one.scores(documents)[:, 0], scores[:, 1] - scores[:, 0])


def test_a_round_trip_gives_equal_scores(preset: Preset) -> None:
    model, _ = learned(preset)
    state = model.state()
    settings = json.loads(json.dumps(state.settings))
    again = model_from("zero-shot", State(settings, state.arrays), Context(Encoders()))
    documents = toy_documents(3, seed=8)
    np.testing.assert_array_equal(again.scores(documents), model.scores(documents))


def test_values_have_no_descriptions(preset: Preset) -> None:
    with pytest.raises(UsageError, match="take tfidf"):
        learned(preset, LabelSet(("value",)), "ordinal")
