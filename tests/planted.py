"""Documents with a planted sentence that alone decides their label, and a model that is known to the last digit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from retrieve.classify.masked_document import without_passages
from retrieve.classify.records import Evidence, FloatArray, IntArray, State
from retrieve.types import Document, LabelledDocument, LabelSet, Progress

LABELS = LabelSet(("fishing", "customs", "energy"))
KEYS = {
    "fishing": "The trawlers landed herring beyond their quota.",
    "customs": "The tariff on imported goods was levied at the border.",
    "energy": "The reactor supplied electricity to the national grid.",
}
FILLERS = (
    "The committee met on Tuesday and adopted its agenda.",
    "A report was circulated among the members beforehand.",
    "Several delegations asked for more time to read it.",
    "The chair thanked everyone for their contributions.",
    "Minutes of the earlier meeting were approved unchanged.",
    "No further questions were raised by those present.",
    "The secretariat will distribute the translated version.",
    "An annex lists the participants and their addresses.",
)


class Planted(NamedTuple):
    """A document of one label, and the characters of the sentence that says so."""

    document: LabelledDocument
    start: int
    end: int


def planted(
    count: int, seed: int, fillers: Sequence[str] = FILLERS, sentences: int = 12, without: str = ""
) -> list[Planted]:
    """Documents of `sentences` sentences, one a paragraph, of which one at a random place is its label's key.

    With `without` a name, they are all about fishing, or, every second one, without a key and of that label.
    """
    draw = np.random.default_rng(seed)
    made = []
    for number in range(count):
        label = "fishing" if without else LABELS.names[number % len(LABELS.names)]
        chosen = [fillers[at] for at in draw.integers(len(fillers), size=sentences)]
        at = int(draw.integers(sentences))
        chosen[at] = KEYS[label]
        text = "\n".join(chosen)
        starts = np.cumsum([0, *(len(sentence) + 1 for sentence in chosen)]).tolist()
        paragraphs = tuple((start, start + len(part)) for start, part in zip(starts, chosen, strict=False))
        document = LabelledDocument(Document(f"{seed}-{number}", text), (label,), paragraphs=paragraphs)
        made.append(Planted(document, starts[at], starts[at] + len(KEYS[label])))
        if without and number % 2:
            bare = without_passages(document, np.array([made[-1][1:]]))
            made[-1] = Planted(replace(bare, labels=(without,)), 0, 0)
    return made


def lines(text: str) -> IntArray:
    """The lines (S,2) of a text."""
    return np.array([match.span() for match in re.finditer(r"[^\n]+", text)], np.int64).reshape(-1, 2)


class ByWords:
    """Scores are −2 plus 4 times the lines with a label's key; attention looks at the key, or at the first line."""

    kind = "by-words"

    def __init__(self, *, attends_to_first: bool = False, parts: int = 1) -> None:
        self.attends_to_first = attends_to_first
        self.parts = parts

    def scores(
        self, documents: Sequence[LabelledDocument], *, progress: Progress | None = None
    ) -> FloatArray:
        """Margins (N,3)."""
        return np.array([self._score(document.document.text) for document in documents]).reshape(-1, 3)

    def _score(self, text: str) -> list[float]:
        return [4.0 * (KEYS[name] in text) - 2.0 for name in LABELS.names]

    def evidence(self, document: LabelledDocument, spans: IntArray | None = None) -> Evidence:
        """Each line is a passage; with 2 parts, lines s and S − 1 − s are one."""
        text = document.document.text
        rows = lines(text)
        if self.parts == 2:
            half = len(rows) // 2
            rows = np.stack([rows[:half], rows[::-1][:half]], axis=1)
        without, looks = [], np.zeros((len(rows), 3))
        for number, row in enumerate(rows):
            rest = text
            for start, end in np.reshape(row, (-1, 2))[::-1].tolist():
                rest = rest[:start] + rest[end:]
            without.append(self._score(rest))
            looks[number] = np.array(self._score(text)) - np.array(without[-1])
        if self.attends_to_first:
            looks[:] = 0
            looks[:1] = 1
        attention = (looks + 1e-9) / (looks + 1e-9).sum(axis=0)
        return Evidence(rows, self.scores([document])[0], np.array(without).reshape(-1, 3), attention)

    def state(self) -> State:
        """Nothing is learned."""
        return State({}, {})


class Sigmoid:
    """Margins to probabilities."""

    def probabilities(self, scores: FloatArray) -> FloatArray:
        """1 / (1 + e^−x)."""
        return np.asarray(1 / (1 + np.exp(-scores)))
