"""Labels that no training document has, by their descriptions: zero-shot retrieval of labels, and zlwan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_encoder_folder
from toy_labels import TOPICS, toy_documents

from retrieve import Classifier
from retrieve.errors import UsageError
from retrieve.types import LabelSet

SEEN = LabelSet(tuple(TOPICS), {name: " ".join(words) for name, words in TOPICS.items()})


@pytest.mark.parametrize("preset", ["zero-shot", "zlwan"])
def test_other_labels_are_scored_by_their_descriptions(preset: str, tmp_path: Path) -> None:
    folder = tiny_encoder_folder(tmp_path / "tiny")
    settings = {"encoder.model": str(folder), "passages.size": 24, "training.epochs": 5}
    documents = toy_documents(60, several=True)
    made = Classifier(preset, settings=settings, labels=SEEN, task="multilabel").fit(documents)
    reversed_set = LabelSet(SEEN.names[::-1], SEEN.descriptions)
    other = made.for_labels(reversed_set)
    texts = [each.document.text for each in documents[:10]]
    np.testing.assert_allclose(other.predict_proba(texts), made.predict_proba(texts)[:, ::-1], atol=1e-6)
    np.testing.assert_array_equal(other.predict(texts), made.predict(texts)[:, ::-1])
    more = made.for_labels(
        LabelSet((*SEEN.names, "new"), {**SEEN.descriptions, "new": "drug risk study effect"})
    )
    found = more.predict_proba(texts)
    assert found.shape == (10, 4)
    np.testing.assert_allclose(found[:, :3], made.predict_proba(texts), atol=1e-6)
    assert more.thresholds_.values[3] == made.thresholds_.common
    more.save(tmp_path / "model")
    np.testing.assert_array_equal(Classifier.load(tmp_path / "model").predict_proba(texts), found)


def test_a_model_of_its_own_labels_says_so() -> None:
    made = Classifier("tfidf", settings={"tfidf.min_df": 1}, task="multilabel").fit(toy_documents(40))
    with pytest.raises(UsageError, match="take 'zero-shot' or 'zlwan'"):
        made.for_labels(["another"])
