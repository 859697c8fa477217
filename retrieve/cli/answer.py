"""`retrieve answer`: what a VOD model answers to questions with options, how sure it is, and by which documents."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrieve.cli.options import device_option
from retrieve.cli.output import as_json, figure, print_json, print_table, snippet
from retrieve.cli.progress import progress_shown
from retrieve.errors import UsageError

if TYPE_CHECKING:
    from retrieve.corpora.questions.records import QuestionData
    from retrieve.train.vod.answer import Answer
    from retrieve.types import Question

_log = logging.getLogger("retrieve")


@click.command("answer")
@click.argument("model", type=click.Path())
@click.argument("questions", type=click.Path())
@click.option("--format", metavar="NAME", help="What QUESTIONS are, if it cannot be told.")
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), help="Of a folder; all if not given."
)
@click.option(
    "--documents",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    metavar="N",
    help="Documents that carried the answer, with their weights.",
)
@click.option(
    "--draws",
    type=click.IntRange(0),
    metavar="N",
    help="Average N draws of documents, in place of all candidates exactly (0).",
)
@device_option
@as_json
def command(
    model: str,
    questions: str,
    *,
    format: str | None,
    split: str | None,
    documents: int,
    draws: int | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Answer QUESTIONS, a file or folder of questions with options, by MODEL, which `retrieve train vod` wrote.

    On a terminal a table; in a pipe one JSON line a question: the answer, the probability of each option, and the
    passages that carried it. Where the questions come with answers, the accuracy is told on standard error; with --json
    one object has it all.
    """
    from retrieve.corpora.questions.open import read_questions
    from retrieve.train.vod.answer import VodModel, answer_json

    data = read_questions(questions, format=format)
    asked = _asked(data, split)
    for remark in data.remarks:
        _log.info("%s: %s", data.name, remark)
    loaded = VodModel.load(Path(model), device=device)
    with progress_shown() as progress:
        found = loaded.answer(asked, support=documents, draws=draws, progress=progress)
    known = [each for each in found if each.question.answer is not None]
    right = sum(each.choice == each.question.answer for each in known)
    accuracy = right / len(known) if known else None
    if as_json:
        rows = [answer_json(each) for each in found]
        print_json({"model": model, "questions": len(found), "accuracy": accuracy, "answers": rows})
    elif sys.stdout.isatty():
        _show(found)
    else:
        for each in found:
            click.echo(json.dumps(answer_json(each), ensure_ascii=False))
    if accuracy is not None:
        click.echo(f"{right} of {len(known)} right: {figure(accuracy)}", err=True)


def _asked(data: QuestionData, split: str | None) -> list[Question]:
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    if split is None:
        return [question for part in parts.values() for question in part]
    if not parts[split]:
        there = ", ".join(f"{len(part)} of {name}" for name, part in parts.items() if part)
        raise UsageError(f"{data.name} has no questions of {split}: it has {there}")
    return parts[split]


def _show(found: Sequence[Answer]) -> None:
    """A row a question for a person, with the right option where the questions say it."""
    known = any(each.question.answer is not None for each in found)
    rows = [_row(each, known=known) for each in found]
    header = (
        "id",
        "question",
        "answer",
        "probability",
        *(["right answer"] if known else []),
        "best document",
    )
    print_table(header, rows)


def _row(answer: Answer, *, known: bool) -> tuple[str, ...]:
    question, best = answer.question, answer.support[0] if answer.support else None
    right = "" if question.answer is None else snippet(question.choices[question.answer], 32)
    return (
        question.id,
        snippet(question.text, 60),
        snippet(question.choices[answer.choice], 32),
        f"{answer.probabilities[answer.choice]:.2f}",
        *([right] if known else []),
        f"{best.doc_id}: {snippet(best.text, 60)}" if best else "",
    )
