"""scikit-learn's conventions, one by one: `check_estimator` runs a single check on a classifier of texts and passes."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted
from tiny_models import tiny_encoder_folder
from toy_labels import toy_documents, toy_texts

from retrieve import Classifier, Regressor
from retrieve.classify.linear import LinearText
from retrieve.classify.records import Model
from retrieve.errors import EncoderMismatch, ModelCorrupt, ModelMismatch, RecipeError, UsageError
from retrieve.types import Document, LabelledDocument

WORDS = {"tfidf.C": [1.0], "tfidf.models": ["logistic"], "tfidf.balanced": [False], "tfidf.min_df": 1}


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("model") / "tiny")


def small(encoder: Path) -> dict[str, Any]:
    """Settings of a network that is trained in a second."""
    return {
        "encoder.model": str(encoder),
        "passages.size": 24,
        "training.epochs": 60,
        "training.dropout": 0.0,
        "training.lr": 1e-2,
    }


@pytest.fixture(scope="module", params=["tfidf", "mean"])
def fitted(request: pytest.FixtureRequest, encoder: Path) -> Classifier:
    settings = WORDS if request.param == "tfidf" else small(encoder)
    texts, labels = toy_texts(60)
    return Classifier(request.param, settings=settings).fit(texts, [row[0] for row in labels])


def test_the_constructor_assigns_and_clone_copies() -> None:
    made = Classifier("tfidf", settings=WORDS, seed=3, min_labels=1)
    copied = clone(made)
    assert copied is not made
    assert copied.get_params() == made.get_params()
    assert copied.set_params(seed=4, preset="mean") is copied
    assert (copied.seed, copied.preset, made.seed) == (4, "mean", 3)
    with pytest.raises(ValueError, match="Invalid parameter"):
        copied.set_params(epochs=3)
    assert "preset='tfidf'" in repr(made)


def test_what_is_not_fitted_says_so() -> None:
    for made in (Classifier(), Regressor()):
        with pytest.raises(NotFittedError, match="has learned nothing yet"):
            made.predict(["a text"])
        with pytest.raises(NotFittedError):
            check_is_fitted(made)


def test_tags_say_texts_in_and_several_labels_out() -> None:
    tags = get_tags(Classifier())
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array
    assert tags.classifier_tags.multi_label
    assert is_classifier(Classifier())
    assert is_regressor(Regressor())


def test_fit_returns_itself_and_predictions_repeat(fitted: Classifier) -> None:
    check_is_fitted(fitted)
    texts, labels = toy_texts(30, seed=1)
    first, second = fitted.predict_proba(texts), fitted.predict_proba(texts)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first.sum(axis=1), 1)
    assert first.shape == (30, 3)
    assert fitted.classes_.tolist() == ["cell", "flow", "law"]
    np.testing.assert_array_equal(fitted.predict(texts), fitted.classes_[first.argmax(axis=1)])
    assert fitted.predict_labels(texts) == [(name,) for name in fitted.predict(texts).tolist()]
    # A random encoder tells the topics apart less well than words do, and both better than chance.
    assert fitted.score(texts, [row[0] for row in labels]) > (0.8 if fitted.preset == "tfidf" else 0.5)


def test_a_prediction_does_not_depend_on_its_neighbours(fitted: Classifier) -> None:
    texts, _ = toy_texts(12, seed=2)
    whole = fitted.predict_proba(texts)
    alone = np.concatenate([fitted.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(alone, whole, atol=1e-6)


def test_no_documents_are_no_predictions(fitted: Classifier) -> None:
    assert fitted.predict_proba([]).shape == (0, 3)
    assert fitted.predict([]).shape == (0,)


def test_an_empty_document_gets_a_prediction(fitted: Classifier) -> None:
    found = fitted.predict_proba(["", " \n "])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_array_equal(found[0], found[1])


def test_two_trainings_write_one_file(fitted: Classifier, tmp_path: Path) -> None:
    texts, labels = toy_texts(60)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002 - what others draw from
    again = clone(fitted).fit(texts, [row[0] for row in labels])
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])
    fitted.save(tmp_path / "one")
    again.save(tmp_path / "two")
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
    records = [json.loads((tmp_path / name / "model.json").read_text()) for name in ("one", "two")]
    for record in records:
        record["report"].pop("seconds")
        record.pop("checksum")
    assert records[0] == records[1]


def test_it_pickles_and_saves_to_equal_probabilities(fitted: Classifier, tmp_path: Path) -> None:
    texts, _ = toy_texts(9, seed=3)
    expected = fitted.predict_proba(texts)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(texts), expected)
    fitted.save(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "model.json",
        "weights.safetensors",
    ]
    loaded = Classifier.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(texts), expected)
    assert loaded.classes_.tolist() == fitted.classes_.tolist()
    assert loaded.report_ == fitted.report_
    loaded.save(tmp_path / "again")
    assert Classifier.load(tmp_path / "again").predict_labels(texts) == fitted.predict_labels(texts)


def test_a_fresh_process_loads_it_to_equal_probabilities(fitted: Classifier, tmp_path: Path) -> None:
    texts, _ = toy_texts(5, seed=4)
    fitted.save(tmp_path / "model")
    code = (
        "import json, sys\nfrom retrieve import Classifier\n"
        "texts = json.loads(sys.stdin.read())\n"
        "print(json.dumps(Classifier.load(sys.argv[1]).predict_proba(texts).tolist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model")],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    np.testing.assert_allclose(json.loads(done.stdout), fitted.predict_proba(texts), atol=1e-9)


def test_cross_validation_and_grid_search_take_it() -> None:
    texts, labels = toy_texts(45)
    y = np.array([row[0] for row in labels])
    scores = cross_val_score(Classifier("tfidf", settings=WORDS), texts, y, cv=3, error_score="raise")
    assert scores.mean() > 0.8
    grid = GridSearchCV(
        Classifier("tfidf", settings=WORDS),
        {"seed": [0, 1], "thresholds": ["natural"]},
        cv=2,
        error_score="raise",
    ).fit(texts, y)
    assert grid.best_estimator_.predict(texts[:3]).tolist() == y[:3].tolist()


def test_cross_validation_of_several_labels() -> None:
    texts, labels = toy_texts(60, several=True)
    y = np.array([[name in row for name in ("cell", "flow", "law")] for row in labels]).astype(int)
    scores = cross_val_score(
        Classifier("tfidf", settings=WORDS), texts, y, cv=3, scoring="f1_micro", error_score="raise"
    )
    assert scores.mean() > 0.8


class _Upper(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, X: Any, y: Any = None) -> _Upper:  # noqa: N803
        return self

    def transform(self, X: Any) -> list[str]:  # noqa: N803
        return [text.upper() for text in X]


def test_a_pipeline_ends_in_it() -> None:
    texts, labels = toy_texts(45)
    y = [row[0] for row in labels]
    line = Pipeline([("upper", _Upper()), ("labels", Classifier("tfidf", settings=WORDS))]).fit(texts, y)
    assert line.score(texts, y) > 0.9
    assert line.predict_proba(texts[:2]).shape == (2, 3)


@pytest.mark.parametrize("preset", ["tfidf", "mean"])
def test_several_labels(preset: str, encoder: Path, tmp_path: Path) -> None:
    texts, labels = toy_texts(80, several=True)
    settings = WORDS if preset == "tfidf" else small(encoder)
    made = Classifier(preset, settings=settings).fit(texts, labels)
    assert made.task_ == "multilabel"
    indicator = np.array([[name in row for name in made.labels_.names] for row in labels])
    chosen = made.predict(texts)
    assert f1_score(indicator, chosen, average="micro") > 0.75
    probabilities = made.predict_proba(texts)
    for row, names in zip(probabilities, made.predict_labels(texts), strict=True):
        found = [row[made.labels_.names.index(name)] for name in names]
        assert found == sorted(found, reverse=True)
    made.save(tmp_path / "model")
    np.testing.assert_array_equal(Classifier.load(tmp_path / "model").predict(texts), chosen)


def test_two_labels_have_two_columns() -> None:
    texts, labels = toy_texts(60)
    y = [row[0] == "law" for row in labels]
    made = Classifier("tfidf", settings=WORDS).fit(texts, y)
    assert made.task_ == "binary"
    assert made.classes_.tolist() == [False, True]
    assert made.predict_proba(texts).shape == (60, 2)
    assert made.decision_function(texts).shape == (60,)
    assert made.score(texts, y) > 0.9


def test_documents_bring_labels_and_validation() -> None:
    train, held = toy_documents(60, several=True), toy_documents(30, several=True, seed=5)
    made = Classifier("tfidf", settings=WORDS, refit=False).fit(train, validation=held)
    assert (made.report_["train"], made.report_["validation"]) == (60, 30)
    texts, labels = toy_texts(30, several=True, seed=5)
    same = Classifier("tfidf", settings=WORDS, refit=False).fit(train, validation=(texts, labels))
    np.testing.assert_array_equal(made.predict_proba(texts), same.predict_proba(texts))
    rows = [[name in row for name in made.labels_.names] for row in labels]
    assert made.score(held) == made.score(texts, np.array(rows, int)) > 0


@pytest.mark.parametrize("classes", [2, 3])
def test_labelled_documents_are_scored_by_their_own_labels(classes: int) -> None:
    documents = [one for one in toy_documents(60) if one.labels != ("law",) or classes == 3]
    made = Classifier("tfidf", settings=WORDS).fit(documents)
    own = [one.labels[0] for one in documents if one.labels]
    assert made.score(documents) == made.score(documents, own) > 1 / classes
    with pytest.raises(UsageError, match="not labelled"):
        made.score([one.document for one in documents])


def test_documents_that_lack_what_they_are_to_be_cut_by_are_counted(encoder: Path) -> None:
    documents = toy_documents(20)
    documents[0] = replace(documents[0], paragraphs=((0, 9),))
    settings = small(encoder) | {"passages.cut": "paragraphs", "training.epochs": 1}
    made = Classifier("mean", settings=settings, refit=False).fit(documents, validation=toy_documents(4))
    remark = "19 of 20 documents to learn from have no paragraphs in the data, and are cut as tokens"
    assert remark in made.report_["remarks"]


def test_a_label_without_documents_is_reported_and_never_predicted() -> None:
    made = Classifier("tfidf", settings=WORDS, labels=["cell", "flow", "law", "nobody"], task="multilabel")
    made.fit(toy_documents(60, several=True))
    assert any("nobody" in remark for remark in made.report_["remarks"])
    assert not made.predict(toy_texts(20)[0])[:, 3].any()


@pytest.mark.parametrize("preset", ["tfidf", "mean"])
def test_values_in_order(preset: str, encoder: Path, tmp_path: Path) -> None:
    texts, labels = toy_texts(60)
    y = [float(["cell", "flow", "law"].index(row[0]) + 1) for row in labels]
    settings = {"tfidf.min_df": 1} if preset == "tfidf" else small(encoder)
    made = Regressor(preset, settings=settings).fit(texts, y)
    found = made.predict(texts)
    assert found.min() >= 1
    assert found.max() <= 3
    assert np.corrcoef(found, y)[0, 1] > 0.8
    assert set(made.report_["figures"]) >= {"mae", "spearman"}
    made.save(tmp_path / "model")
    np.testing.assert_array_equal(Regressor.load(tmp_path / "model").predict(texts), found)
    documents = [
        LabelledDocument(Document(str(place), text), value=value)
        for place, (text, value) in enumerate(zip(texts, y, strict=True))
    ]
    np.testing.assert_array_equal(clone(made).fit(documents).predict(texts), found)


# -- what is refused -------------------------------------------------------------------------------------------


def test_a_folder_in_the_way_is_kept(fitted: Classifier, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("years of work")
    for force in (False, True):
        with pytest.raises(UsageError, match="is there already"):
            fitted.save(tmp_path / "taken", force=force)
    assert (tmp_path / "taken" / "thesis.txt").read_text() == "years of work"
    fitted.save(tmp_path / "model")
    with pytest.raises(UsageError, match="is there already"):
        fitted.save(tmp_path / "model")
    fitted.save(tmp_path / "model", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "taken"]


def test_other_labels_are_refused_by_name(fitted: Classifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    Classifier.load(tmp_path / "model", labels=["cell", "flow", "law"])
    for labels, message in (
        (["cell", "flow", "lawn"], "'lawn' is not among its labels"),
        (["cell", "flow"], "it has 'law' besides"),
        (["flow", "cell", "law"], "in another order"),
    ):
        with pytest.raises(ModelMismatch, match=message):
            Classifier.load(tmp_path / "model", labels=labels)
    with pytest.raises(ModelMismatch, match="is a Classifier, wanted a Regressor"):
        Regressor.load(tmp_path / "model")


def test_another_encoder_is_refused_by_name(encoder: Path, tmp_path: Path) -> None:
    texts, labels = toy_texts(30)
    made = Classifier("mean", settings=small(encoder)).fit(texts, [row[0] for row in labels])
    made.save(tmp_path / "model")
    before = encoder.rename(encoder.with_name("before"))
    try:
        tiny_encoder_folder(encoder, seed=9)
        with pytest.raises(EncoderMismatch, match="tiny"):
            Classifier.load(tmp_path / "model").predict(texts)
    finally:
        encoder.rename(encoder.with_name("other"))
        before.rename(encoder)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_a_damaged_folder_is_an_error(fitted: Classifier, tmp_path: Path, name: str) -> None:
    fitted.save(tmp_path / "model")
    path = tmp_path / "model" / name
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], b"", whole.replace(whole[-40:-30], b"1234567890")):
        path.write_bytes(data)
        with pytest.raises(ModelCorrupt, match=name):
            Classifier.load(tmp_path / "model")
    path.unlink()
    with pytest.raises((ModelCorrupt, UsageError), match=name):
        Classifier.load(tmp_path / "model")


def test_settings_that_do_not_exist_are_named() -> None:
    texts, labels = toy_texts(30)
    y = [row[0] for row in labels]
    with pytest.raises(RecipeError, match=r"unknown key 'training.epoch'"):
        Classifier("mean", settings={"training.epoch": 3}).fit(texts, y)
    with pytest.raises(RecipeError, match="no preset 'men'"):
        Classifier("men").fit(texts, y)
    with pytest.raises(UsageError, match="has no encoder to train"):
        Classifier("tfidf", regime="end-to-end").fit(texts, y)
    with pytest.raises(UsageError, match="wanted a share between 0 and 1"):
        Classifier("tfidf", validation=1.5).fit(texts, y)
    with pytest.raises(UsageError, match="thresholds are 'shrunk', 'global' or 'natural', not 'none'"):
        Classifier("tfidf", thresholds="none").fit(texts, y)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="3 documents are too few"):
        Classifier("tfidf").fit(texts[:3], y[:3])


def test_a_model_that_got_worse_when_learned_again_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, labels = toy_texts(60)
    y = [row[0] for row in labels]

    def upside_down(self: LinearText, *_: Any, **__: Any) -> Model:
        worse = copy.copy(self)
        worse.coefficients = -self.coefficients
        return worse

    monkeypatch.setattr(LinearText, "refit", upside_down)
    made = Classifier("tfidf", settings=WORDS).fit(texts, y)
    assert any("it was worse on the validation documents" in remark for remark in made.report_["remarks"])
    assert made.score(texts, y) > 0.9
