"""The linear model against scikit-learn's own pipeline, its round trip, occlusion by hand, and data it cannot learn."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score
from sklearn.svm import LinearSVC
from toy_labels import TOPICS, toy_documents

from retrieve.classify.families import model_from
from retrieve.classify.linear import LinearText, Vocabulary, first_words, fit_words, learn_linear
from retrieve.classify.occlude import texts_without, word_passages
from retrieve.classify.one_per_label import LinearSettings, fit_columns
from retrieve.classify.preset import load_preset
from retrieve.classify.records import Context, Examples, Problem, State
from retrieve.classify.row_space import RowSpace
from retrieve.errors import TrainingError, UsageError
from retrieve.types import Document, LabelledDocument, LabelSet, Task

NAMES = tuple(sorted(TOPICS))


def no_encoder(recipe: Any) -> Any:
    raise AssertionError("a linear model asked for an encoder")


CONTEXT = Context(no_encoder)


def examples(count: int, *, seed: int = 0, names: tuple[str, ...] = NAMES) -> Examples:
    documents = toy_documents(count, several=True, seed=seed)
    rows = [[name in (each.labels or ()) for name in names] for each in documents]
    return Examples(documents, np.array(rows, dtype=np.float32))


def problem(task: Task = "multilabel", names: tuple[str, ...] = NAMES) -> Problem:
    return Problem(task, LabelSet(names), examples(60, names=names), examples(30, seed=1, names=names))


def learned(settings: dict[str, Any] | None = None, what: Problem | None = None) -> LinearText:
    model = learn_linear(what or problem(), load_preset("tfidf", settings), CONTEXT).model
    assert isinstance(model, LinearText)
    return model


def again(model: LinearText) -> LinearText:
    state = model.state()
    loaded = model_from("tfidf", State(json.loads(json.dumps(state.settings)), state.arrays), CONTEXT)
    assert isinstance(loaded, LinearText)
    return loaded


@pytest.mark.parametrize("name", ["svm", "logistic"])
@pytest.mark.parametrize("balanced", [False, True])
def test_scores_are_those_of_scikit_learn(name: str, balanced: bool) -> None:
    model = learned({"tfidf": {"models": [name], "C": [2.0], "balanced": [balanced], "ngrams": [2]}})
    given = problem()
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2), max_features=100_000)
    rows = vectorizer.fit_transform([each.document.text for each in given.train.documents])
    held = vectorizer.transform([each.document.text for each in given.validation.documents])
    weight = "balanced" if balanced else None
    for label in range(3):
        peer = (
            LinearSVC(C=2.0, class_weight=weight, random_state=0)
            if name == "svm"
            else LogisticRegression(C=20.0, class_weight=weight, solver="liblinear", random_state=0)
        ).fit(rows, given.train.targets[:, label])
        wanted = peer.decision_function(held)
        np.testing.assert_allclose(model.scores(given.validation.documents)[:, label], wanted, atol=1e-6)


def test_an_ordinal_task_is_a_ridge_regression_chosen_by_mae() -> None:
    given = problem()
    values = (
        given.train.targets.sum(axis=1, keepdims=True),
        given.validation.targets.sum(axis=1, keepdims=True),
    )
    ordinal = Problem(
        "ordinal",
        LabelSet(("value",)),
        Examples(given.train.documents, values[0]),
        Examples(given.validation.documents, values[1]),
    )
    fitted = learn_linear(ordinal, load_preset("tfidf", {"tfidf.C": [0.01, 1.0]}), CONTEXT)
    errors = [each["mae"] for each in fitted.tried]
    scores = fitted.model.scores(ordinal.validation.documents)
    assert np.abs(scores - values[1]).mean() == pytest.approx(min(errors))
    best = fitted.tried[int(np.argmin(errors))]
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, best["ngrams"]))
    rows = vectorizer.fit_transform([each.document.text for each in given.train.documents])
    peer = Ridge(alpha=1 / best["C"], tol=1e-8).fit(rows, values[0][:, 0])
    held = vectorizer.transform([each.document.text for each in given.validation.documents])
    np.testing.assert_allclose(scores[:, 0], peer.predict(held), atol=1e-5)


def test_of_equally_frequent_words_the_first_by_alphabet_are_kept() -> None:
    """`max_features` of scikit-learn 1.9.1 keeps others on other processors."""
    documents = [LabelledDocument(Document(str(n), f"bb zz aa cc {'aa dd' * (n % 2)}")) for n in range(6)]
    for features, wanted in ((1, "aa"), (3, "aa bb cc"), (4, "aa bb cc zz"), (9, "aa bb cc dd zz")):
        vectorizer, rows = fit_words(documents, Vocabulary(0, 1, 2, features))
        assert vectorizer.get_feature_names_out().tolist() == wanted.split()
        np.testing.assert_array_equal(
            rows.toarray(), vectorizer.transform([each.document.text for each in documents]).toarray()
        )


def test_the_best_on_validation_is_kept_and_everything_tried_is_told() -> None:
    settings = {"tfidf": {"C": [0.001, 1.0], "models": ["svm", "logistic"], "balanced": [False, True]}}
    given = problem()
    fitted = learn_linear(given, load_preset("tfidf", settings), CONTEXT)
    assert len(fitted.tried) == 2 + (2 * 2 * 2 - 1), "n-grams by the first settings, then the others"
    best = max(each["micro_f1"] for each in fitted.tried)
    first = next(each for each in fitted.tried if each["micro_f1"] == best)
    assert isinstance(fitted.model, LinearText)
    assert (fitted.model.settings.model, fitted.model.settings.C) == (first["model"], first["C"])
    assert fitted.model.vocabulary.ngrams == first["ngrams"]
    scores = fitted.model.scores(given.validation.documents)
    cuts = np.unique(scores)
    tried = [f1_score(given.validation.targets, scores >= cut, average="micro") for cut in cuts]
    assert best == pytest.approx(max(tried))


def test_it_learns() -> None:
    test = examples(40, seed=5)
    found = learned().scores(test.documents) > 0
    assert f1_score(test.targets, found, average="macro") > 0.9


def test_a_round_trip_gives_equal_scores() -> None:
    model = learned({"tfidf.words": 40, "tfidf.features": 100})
    documents = examples(20, seed=3).documents
    np.testing.assert_allclose(again(model).scores(documents), model.scores(documents), rtol=0, atol=1e-12)
    spans = word_passages(documents[0])
    np.testing.assert_array_equal(
        again(model).evidence(documents[0], spans).without, model.evidence(documents[0], spans).without
    )


def test_two_trainings_are_equal_arrays() -> None:
    first, second = learned().state(), learned().state()
    assert first.settings == second.settings
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(array, second.arrays[name])


def test_scores_do_not_depend_on_neighbours() -> None:
    model, documents = learned(), examples(8, seed=4).documents
    whole = model.scores(documents)
    alone = np.concatenate([model.scores([each]) for each in documents])
    np.testing.assert_allclose(whole, alone, atol=1e-12)
    assert model.scores([]).shape == (0, 3)


def test_a_text_without_a_known_word_gets_the_intercepts() -> None:
    model = learned()
    empty = LabelledDocument(Document("empty", ""))
    np.testing.assert_array_equal(model.scores([empty])[0], model.intercepts)
    evidence = model.evidence(empty)
    assert (evidence.spans.shape, evidence.without.shape) == ((0, 2), (0, 3))


def test_a_label_without_positives_is_below_every_other_and_is_told() -> None:
    names = ("cell", "flow", "law", "nobody")
    given = problem(names=names)
    model = learned(what=given)
    assert any("nobody" in remark for remark in given.remarks)
    assert len([remark for remark in given.remarks if "nobody" in remark]) == 1
    scores = model.scores(examples(60, seed=9).documents)
    assert np.ptp(scores[:, 3]) == 0
    assert scores[:, 3].max() < scores[:, :3].min()
    # Nor can any other text have a lower score: a row that points against the weights is the worst there is.
    norms = np.linalg.norm(model.coefficients[:3], axis=1)
    assert model.intercepts[3] < (model.intercepts[:3] - norms).min()


def test_a_label_that_all_have_is_above_every_other() -> None:
    rows, targets = csr_matrix(np.eye(4)), np.array([[1, 1], [1, 0], [1, 1], [1, 0]], dtype=np.float32)
    settings = LinearSettings("svm", 1.0)
    coefficients, intercepts = fit_columns(RowSpace(rows), targets, settings, ("all", "some"), [])
    assert not coefficients[0].any()
    assert intercepts[0] > (rows @ coefficients[1] + intercepts[1]).max()


def test_one_class_alone_is_no_crash() -> None:
    given = problem("binary", ("no", "yes"))
    only = np.ones((60, 1), dtype=np.float32)
    binary = Problem(
        "binary",
        LabelSet(("no", "yes")),
        Examples(given.train.documents, only),
        Examples(given.validation.documents, only[:30]),
    )
    scores = learned(what=binary).scores(given.validation.documents)
    assert set(scores.ravel()) == {1.0}


def test_data_without_words_are_told_clearly() -> None:
    empty = Examples(
        [LabelledDocument(Document(str(n), "  ")) for n in range(4)], np.eye(4, dtype=np.float32)
    )
    given = Problem("multilabel", LabelSet(("a", "b", "c", "d")), empty, empty)
    with pytest.raises(TrainingError, match="no word of two letters or more"):
        learned(what=given)
    few = Problem("multilabel", LabelSet(NAMES), examples(3), examples(3))
    with pytest.raises(TrainingError, match=r"3 documents to learn from and tfidf\.min_df = 5"):
        learned({"tfidf.min_df": 5}, few)


def test_without_validation_documents_the_first_settings_are_taken() -> None:
    none = Examples([], np.zeros((0, 3), dtype=np.float32))
    given = Problem("multilabel", LabelSet(NAMES), examples(30), none)
    assert learned(what=given).settings.model == "svm"


def test_refitting_keeps_the_settings_and_learns_from_all() -> None:
    given = problem()
    model = learned({"tfidf": {"C": [1.0], "models": ["svm"], "balanced": [False], "ngrams": [1]}}, given)
    both = [*given.train.documents, *given.validation.documents]
    whole = Examples(both, np.concatenate([given.train.targets, given.validation.targets]))
    other = model.refit(given, CONTEXT)
    assert (other.settings, other.vocabulary) == (model.settings, model.vocabulary)
    alone = Problem("multilabel", given.labels, whole, given.validation)
    direct = learned({"tfidf": {"C": [1.0], "models": ["svm"], "balanced": [False], "ngrams": [1]}}, alone)
    np.testing.assert_array_equal(other.coefficients, direct.coefficients)


# -- passages ---------------------------------------------------------------------------------------------------


def test_occlusion_is_the_score_of_the_text_without_the_passage() -> None:
    model, document = learned(), examples(1, seed=6).documents[0]
    text = document.document.text
    middle = text.index(" ", len(text) // 2)
    spans = np.array([[0, middle], [middle, len(text)]])
    evidence = model.evidence(document, spans)
    rest = [LabelledDocument(Document("r", part)) for part in (text[middle:], text[:middle])]
    np.testing.assert_array_equal(evidence.without, model.scores(rest))
    np.testing.assert_array_equal(evidence.scores, model.scores([document])[0])
    assert evidence.attention is None


def test_passages_of_parts_lose_all_their_parts() -> None:
    document = LabelledDocument(Document("d", "aaa bbb ccc ddd"))
    spans = np.array([[[0, 4], [12, 15]], [[8, 12], [0, 0]]])
    assert list(texts_without(document, spans)) == ["bbb ccc ", "aaa bbb ddd"]
    with pytest.raises(UsageError, match="leave the text"):
        texts_without(document, np.array([[0, 16]]))


def test_passages_of_words_cover_the_text_at_sentence_ends() -> None:
    text = "\n\n".join(" ".join(["word"] * 29) + " end." for _ in range(40))
    spans = word_passages(LabelledDocument(Document("d", text)))
    assert (spans[0, 0], spans[-1, 1]) == (0, len(text))
    np.testing.assert_array_equal(spans[1:, 0], spans[:-1, 1])
    assert all(len(text[start:end].split()) <= 200 for start, end in spans)
    assert all(text[start:end].rstrip().endswith("end.") for start, end in spans)


def test_paragraphs_of_the_data_are_joined_and_cut() -> None:
    short, long = "one two three. ", "word " * 450
    text = short * 4 + long
    paragraphs = tuple((n * len(short), (n + 1) * len(short)) for n in range(4))
    document = LabelledDocument(Document("d", text), paragraphs=(*paragraphs, (4 * len(short), len(text))))
    spans = word_passages(document)
    assert spans[0].tolist() == [0, 4 * len(short)]
    assert all(len(text[start:end].split()) <= 200 for start, end in spans)
    assert spans[-1, 1] == len(text)


def test_the_first_words_keep_their_places() -> None:
    assert first_words(["  a  b c", "a", ""], 2) == ["  a  b", "a", ""]
    assert first_words(["a b"], 0) == ["a b"]


@pytest.mark.parametrize("parts", [1, 2])
def test_occlusion_counts_what_the_whole_texts_would(parts: int) -> None:
    model = learned({"tfidf.ngrams": [2], "tfidf.min_df": 1})
    rng = np.random.default_rng(parts)
    words = [
        "law",
        "court",
        "cell",
        "a",
        "É",
        "ΟΔΟΣ",
        "x-ray",
        "wing,",
        "\n\n",
        "the",
        "in",
        "was",
        "lawcourt",
    ]
    for _ in range(20):
        text = " ".join(rng.choice(words, rng.integers(0, 60)).tolist())
        spans = np.sort(rng.integers(0, len(text) + 1, (70, 2 * parts)), axis=1).reshape(70, parts, 2)
        document = LabelledDocument(Document("d", text), (), None)
        found = model.evidence(document, spans.squeeze(1) if parts == 1 else spans)
        rest = [LabelledDocument(Document("", one)) for one in texts_without(document, spans)]
        np.testing.assert_allclose(found.without, model.scores(rest), atol=1e-12)


def test_a_long_text_is_explained_in_memory_of_its_length() -> None:
    model = learned()
    text = "law court of the cell and wing " * 20_000
    tracemalloc.start()
    evidence = model.evidence(LabelledDocument(Document("d", text)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(evidence.spans) == 700
    # The texts without each passage have 434 MB together; words, their places and the counts some dozen bytes a letter.
    assert peak < 200 * len(text)
