"""A corpus of one-line facts, questions with options that the facts answer, and a tiny encoder: VOD in seconds.

Half of the documents say that a subject has a partner, the others nothing; a question names a subject and offers its
partner among others. All words are those of the tiny vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tiny_models import WORDS, tiny_encoder_folder

from retrieve.types import Document, Question

NOUNS = WORDS[WORDS.index("law") :]
PAIRS = tuple(zip(NOUNS[:20], NOUNS[20:40], strict=True))
"""Subjects and their partners."""


def documents(count: int = 40, *, seed: int = 0) -> list[Document]:
    """A fact about each subject, then noise."""
    chance = np.random.default_rng(seed)
    found = [
        Document(
            f"f{at:02}", f"The {subject} has one {partner} for {' '.join(chance.choice(WORDS[:30], 3))}."
        )
        for at, (subject, partner) in enumerate(PAIRS)
    ]
    for at in range(count - len(found)):
        found.append(Document(f"n{at:02}", " ".join(chance.choice(WORDS, 8)) + "."))
    return found


def questions(count: int = 24, *, options: int | None = None, seed: int = 1) -> list[Question]:
    """With two to five options (or `options`), every second one with its fact, central, and one beside it."""
    chance = np.random.default_rng(seed)
    found = []
    for number in range(count):
        at = number % len(PAIRS)
        subject, partner = PAIRS[at]
        others = [word for _, word in PAIRS if word != partner]
        width = options or int(chance.integers(2, 6))
        choices = [partner, *chance.choice(others, width - 1, replace=False).tolist()]
        order = chance.permutation(width).tolist()
        told = number % 2 == 0
        found.append(
            Question(
                f"q{number:02}",
                f"Which of these has the {subject} from time {number}?",
                tuple(f"the {choices[place]}" for place in order),
                order.index(0),
                tuple("ABCDE"[:width]),
                (f"f{at:02}", f"n{at:02}") if told else (),
                ("CENTRAL", "GROUNDING") if told else (),
            )
        )
    return found


def write_case(folder: Path, *, asked: Iterable[Question] | None = None, seed: int = 0) -> Path:
    """`corpus.jsonl`, `questions.jsonl` (all of train) and `encoder`, the folder of a tiny one, under `folder`."""
    write_lines(folder / "corpus.jsonl", [{"_id": each.id, "text": each.text} for each in documents()])
    write_questions(folder / "questions.jsonl", questions() if asked is None else asked)
    tiny_encoder_folder(folder / "encoder", seed=seed)
    return folder


def write_questions(path: Path, asked: Iterable[Question], *, answers: bool = True) -> Path:
    """In our own format."""
    rows = []
    for each in asked:
        choices = {"label": list(each.labels), "text": list(each.choices)}
        row: dict[str, Any] = {"id": each.id, "question": each.text, "choices": choices}
        if answers and each.answer is not None:
            row["answer"] = each.labels[each.answer]
        if each.facts:
            row |= {"facts": list(each.facts), "fact_roles": list(each.roles)}
        rows.append(row)
    return write_lines(path, rows)


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def config(folder: Path, **changed: Any) -> dict[str, Any]:
    """A configuration over `write_case`; `changed` are settings with two underscores for the dot.

    16 questions are trained on, in two periods of four steps.
    """
    values: dict[str, Any] = {
        "data": {
            "corpus": str(folder / "corpus.jsonl"),
            "questions": str(folder / "questions.jsonl"),
            "held_out": 8,
        },
        "retriever": {"encoder": str(folder / "encoder")},
        "reader": {"hidden": 16},
        "sampler": {"p": 8, "k": 3, "effective_size": 4.0},
        "training": {"batch": 4, "periods": 2, "lr": 1e-3, "head_lr": 1e-2},
    }
    for key, value in changed.items():
        section, name = key.split("__")
        values.setdefault(section, {})[name] = value
    return values
