"""A linear model over TF-IDF of words: what every network has to beat, and on short texts with many labels seldom does.

One model for each label, an SVM or a logistic regression, with the settings that validation documents like best. It is
kept as arrays and a list of words, from which scikit-learn's vectoriser is made again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from retrieve.classify.occlude import rows_without, texts_without, word_passages
from retrieve.classify.one_per_label import LinearSettings, fit_columns, fit_values
from retrieve.classify.preset import Preset, Tfidf
from retrieve.classify.records import (
    Context,
    Evidence,
    Examples,
    Fitted,
    FloatArray,
    IntArray,
    Problem,
    State,
)
from retrieve.classify.row_space import RowSpace
from retrieve.classify.thresholds import best_micro_f1
from retrieve.errors import TrainingError
from retrieve.types import LabelledDocument, Progress, Task

_WORD = re.compile(r"\S+")

_TIMES = {"svm": 1.0, "logistic": 10.0}
"""The loss of a logistic regression is flatter: it likes C about ten times that of an SVM."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How texts become words: the first `words` of a text (0: all), n-grams up to `ngrams`, and which are kept."""

    words: int
    ngrams: int
    min_df: int
    features: int


class LinearText:
    """Scores x·wᵀ + b of TF-IDF rows x of unit norm; `coefficients` (L,V) float32, `intercepts` (L,) float64."""

    kind = "tfidf"

    def __init__(
        self,
        vectorizer: Any,
        coefficients: npt.NDArray[np.float32],
        intercepts: FloatArray,
        *,
        vocabulary: Vocabulary,
        settings: LinearSettings,
    ) -> None:
        """`vectorizer`: a fitted `TfidfVectorizer` of `vocabulary`; `settings`: what `refit` learns anew with."""
        self.coefficients = coefficients
        self.intercepts = intercepts
        self.vocabulary = vocabulary
        self.settings = settings
        self._vectorizer = vectorizer

    def scores(
        self, documents: Sequence[LabelledDocument], *, progress: Progress | None = None
    ) -> FloatArray:
        """Scores (N,L); of a text without a known word the intercepts."""
        return self._scores([each.document.text for each in documents])

    def evidence(self, document: LabelledDocument, spans: IntArray | None = None) -> Evidence:
        """Each passage taken out of the text; without `spans` passages of about 200 words."""
        spans = word_passages(document) if spans is None else spans
        scores = self._scores([document.document.text])
        if self.vocabulary.words:
            without = [self._scores([text]) for text in texts_without(document, spans)]
        else:
            counted = rows_without(self._vectorizer, document, spans, self.vocabulary.ngrams)
            without = [self.of_rows(rows) for rows in counted]
        return Evidence(spans, scores[0], np.concatenate([np.zeros((0, scores.shape[1])), *without]), None)

    def refit(self, problem: Problem, context: Context, *, progress: Progress | None = None) -> LinearText:
        """The same settings on all examples; their words are looked up anew."""
        whole = problem.whole()
        vectorizer, rows = fit_words(whole.documents, self.vocabulary)
        return fit_linear(problem, whole, vectorizer, RowSpace(rows), self.vocabulary, self.settings)

    def state(self) -> State:
        """Words in the order of the columns, and the arrays."""
        settings = {
            "vocabulary": asdict(self.vocabulary),
            "linear": asdict(self.settings),
            "terms": self._vectorizer.get_feature_names_out().tolist(),
        }
        arrays = {
            "idf": self._vectorizer.idf_,
            "coefficients": self.coefficients,
            "intercepts": self.intercepts,
        }
        return State(settings, arrays)

    @classmethod
    def from_state(cls, state: State, context: Context) -> Self:
        """What `state` gave, with equal scores."""
        vocabulary = Vocabulary(**state.settings["vocabulary"])
        vectorizer = _vectorizer(vocabulary, state.settings["terms"])
        vectorizer.idf_ = state.arrays["idf"]
        return cls(
            vectorizer,
            state.arrays["coefficients"],
            state.arrays["intercepts"],
            vocabulary=vocabulary,
            settings=LinearSettings(**state.settings["linear"]),
        )

    def _scores(self, texts: Sequence[str]) -> FloatArray:
        if not texts:
            return np.zeros((0, len(self.intercepts)))
        return self.of_rows(self._vectorizer.transform(first_words(texts, self.vocabulary.words)))

    def of_rows(self, rows: Any) -> FloatArray:
        """Scores (N,L) of TF-IDF rows (N,V)."""
        return np.asarray(rows @ self.coefficients.T + self.intercepts, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that was tried, its scores (N,L) of validation documents, and its figure, the greater the better."""

    model: LinearText
    scores: FloatArray
    figure: float
    tried: dict[str, Any]


def learn_linear(
    problem: Problem, preset: Preset, context: Context, *, progress: Progress | None = None
) -> Fitted:
    """The model of the settings that are best on validation documents, the first of equal ones; see `best_of_each`.

    Raises `TrainingError` where there is no document to learn from or no word to keep.
    """
    best, tried = best_of_each(problem, preset.tfidf, context, progress=progress)
    return Fitted(max(best.values(), key=lambda each: each.figure).model, [], tried)


def best_of_each(
    problem: Problem, section: Tfidf, context: Context, *, progress: Progress | None = None
) -> tuple[dict[str, Candidate], list[dict[str, Any]]]:
    """By kind of linear model the best candidate, and everything that was tried, with figures.

    The first settings are tried with all `ngrams`, the others with the best of them. The figure is micro-F1 at its best
    single threshold (binary, multilabel), accuracy (multiclass), or the mean absolute error (ordinal, a ridge
    regression).
    """
    plans = _plans(problem.task, section, context.seed)
    best: dict[str, Candidate] = {}
    tried: list[dict[str, Any]] = []
    total = len(section.ngrams) + len(plans) - 1

    def recorded(candidate: Candidate) -> Candidate:
        before = best.get(candidate.model.settings.model)
        if before is None or candidate.figure > before.figure:
            best[candidate.model.settings.model] = candidate
        tried.append(candidate.tried)
        if progress is not None:
            progress("linear models", len(tried), total)
        return candidate

    fed = [
        _fed(problem, Vocabulary(section.words, ngrams, section.min_df, section.features))
        for ngrams in section.ngrams
    ]
    figures = [recorded(_attempt(problem, each, plans[0])).figure for each in fed]
    for settings in plans[1:]:
        recorded(_attempt(problem, fed[int(np.argmax(figures))], settings))
    return best, tried


def attempt(problem: Problem, vocabulary: Vocabulary, settings: LinearSettings) -> Candidate:
    """One model of given settings, measured on the validation documents."""
    return _attempt(problem, _fed(problem, vocabulary), settings)


def _attempt(problem: Problem, fed: _Fed, settings: LinearSettings) -> Candidate:
    model = fit_linear(problem, problem.train, fed.vectorizer, fed.space, fed.vocabulary, settings)
    scores = np.zeros((0, len(model.intercepts))) if fed.held is None else model.of_rows(fed.held)
    name, figure = figure_of(problem, scores)
    tried = {"member": "tfidf", **asdict(fed.vocabulary), **asdict(settings), name: abs(figure)}
    return Candidate(model, scores, figure, tried)


class _Fed(NamedTuple):
    """TF-IDF rows of the documents to learn from, in their space, and of those to choose by (`held`), None without."""

    vocabulary: Vocabulary
    vectorizer: Any
    space: RowSpace
    held: Any


def _fed(problem: Problem, vocabulary: Vocabulary) -> _Fed:
    vectorizer, rows = fit_words(problem.train.documents, vocabulary)
    texts = first_words([each.document.text for each in problem.validation.documents], vocabulary.words)
    held = vectorizer.transform(texts) if texts else None
    return _Fed(vocabulary, vectorizer, RowSpace(rows), held)


def _plans(task: Task, section: Tfidf, seed: int) -> list[LinearSettings]:
    if task == "ordinal":
        return [LinearSettings("ridge", C, seed=seed) for C in section.C]
    return [
        LinearSettings(name, C * _TIMES[name], balanced, seed)
        for name in section.models
        for C in section.C
        for balanced in section.balanced
    ]


def figure_of(problem: Problem, scores: FloatArray) -> tuple[str, float]:
    """What validation documents say of scores (N,L): a measure's name and value, the greater the better."""
    targets = problem.validation.targets
    if not len(targets):
        return "unmeasured", 0.0
    if problem.task == "ordinal":
        return "mae", -float(np.abs(scores - targets).mean())
    if problem.task == "multiclass":
        return "accuracy", float((scores.argmax(axis=1) == targets.argmax(axis=1)).mean())
    return "micro_f1", best_micro_f1(scores, targets)


def fit_linear(
    problem: Problem,
    examples: Examples,
    vectorizer: Any,
    space: RowSpace,
    vocabulary: Vocabulary,
    settings: LinearSettings,
) -> LinearText:
    """A model of TF-IDF rows (N,V) of examples. Labels that nothing can be learned of are told in the remarks."""
    if problem.task == "ordinal":
        coefficients, intercepts = fit_values(space.rows, examples.targets, settings)
    else:
        coefficients, intercepts = fit_columns(
            space, examples.targets, settings, problem.labels.names, problem.remarks
        )
    return LinearText(vectorizer, coefficients, intercepts, vocabulary=vocabulary, settings=settings)


def fit_words(documents: Sequence[LabelledDocument], vocabulary: Vocabulary) -> tuple[Any, Any]:
    """A vectoriser of the documents' words, and their rows (N,V). Raises `TrainingError` where no word is left."""
    if len(documents) < vocabulary.min_df:
        raise TrainingError(
            f"{len(documents)} documents to learn from and tfidf.min_df = {vocabulary.min_df}: no word can be in so "
            "many; give more documents, or lower it"
        )
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    texts = first_words([each.document.text for each in documents], vocabulary.words)
    counter = CountVectorizer(ngram_range=(1, vocabulary.ngrams), min_df=vocabulary.min_df)
    try:
        counts = counter.fit_transform(texts)
    except ValueError as error:
        raise TrainingError(
            f"no word of two letters or more is in {vocabulary.min_df} of the {len(documents)} documents to learn "
            "from: look at their texts, or lower tfidf.min_df"
        ) from error
    # Of equally frequent words the first by alphabet. `max_features` leaves that to an unstable sort, whose choice
    # depends on the processor (scikit-learn 1.9.1 with numpy 2.4.6).
    by_frequency = np.argsort(-np.asarray(counts.sum(axis=0)).ravel(), kind="stable")
    kept = np.sort(by_frequency[: vocabulary.features])
    vectorizer = _vectorizer(vocabulary, counter.get_feature_names_out()[kept].tolist())
    weights = TfidfTransformer(sublinear_tf=True)
    rows = weights.fit_transform(counts[:, kept])
    vectorizer.idf_ = weights.idf_
    return vectorizer, rows


def first_words(texts: Sequence[str], words: int) -> list[str]:
    """Each text up to its `words`-th word, words being parted by white space; 0: the whole texts."""
    return [_beginning(text, words) for text in texts] if words else list(texts)


def _beginning(text: str, words: int) -> str:
    for number, match in enumerate(_WORD.finditer(text), 1):
        if number == words:
            return text[: match.end()]
    return text


def _vectorizer(vocabulary: Vocabulary, terms: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, vocabulary.ngrams), vocabulary=list(terms))
