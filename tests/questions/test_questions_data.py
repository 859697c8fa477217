"""The readers on real files: sizes, options and facts as the collections' own descriptions say them."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from retrieve.corpora.questions.open import read_questions
from retrieve.corpora.questions.records import QuestionData

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("RETRIEVE_DATA" not in os.environ, reason="RETRIEVE_DATA is not set"),
]


def read(name: str) -> QuestionData:
    return read_questions(Path(os.environ["RETRIEVE_DATA"]) / name, need_answers=True)


def corpus_ids(name: str) -> set[str]:
    with (Path(os.environ["RETRIEVE_DATA"]) / name / "corpus.jsonl").open(encoding="utf-8") as lines:
        return {json.loads(line)["_id"] for line in lines}


def test_worldtree() -> None:
    data = read("worldtree")
    assert (data.format, len(data.train), len(data.validation), data.test) == ("jsonl", 2205, 496, [])
    assert Counter(len(question.choices) for question in data.train) == {4: 2198, 2: 4, 5: 3}
    assert Counter(len(question.choices) for question in data.validation) == {4: 490, 2: 3, 5: 3}
    right = Counter(question.labels[question.answer or 0] for question in data.validation)
    assert right == {"A": 132, "B": 121, "C": 137, "D": 105, "E": 1}
    roles = Counter(role for question in data.train for role in question.roles)
    assert (roles["CENTRAL"], roles["GROUNDING"], roles["NE"]) == (5623, 3398, 17)
    known = corpus_ids("worldtree")
    assert all(fact in known for question in [*data.train, *data.validation] for fact in question.facts)


def test_pubmedqa() -> None:
    data = read("pubmedqa")
    assert (data.format, len(data.train), data.validation, len(data.test)) == ("pubmedqa", 500, [], 500)
    for split in (data.train, data.test):
        assert Counter(question.answer for question in split) == {0: 276, 1: 169, 2: 55}
    assert Counter(len(question.facts) for question in [*data.train, *data.test])[3] == 720
    known = corpus_ids("pubmedqa")
    assert all(fact in known for question in [*data.train, *data.test] for fact in question.facts)
