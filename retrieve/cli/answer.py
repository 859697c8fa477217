"""`retrieve answer`: what a VOD model answers to questions with options, how sure it is, and by which documents."""

from __future__ import annotations

import json
from pathlib import Path

import click

from retrieve.cli.options import device_option
from retrieve.cli.output import as_json, figure, print_json
from retrieve.cli.progress import progress_shown


@click.command("answer")
@click.argument("model")
@click.argument("questions")
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

    One JSON line a question: the answer, the probability of each option, and the passages that carried it. Where the
    questions come with answers, the accuracy is told on standard error; with --json one object has it all.
    """
    from retrieve.corpora.questions.open import read_questions
    from retrieve.train.vod.answer import VodModel, answer_json

    data = read_questions(questions, format=format)
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    asked = parts[split] if split else [question for part in parts.values() for question in part]
    loaded = VodModel.load(Path(model), device=device)
    with progress_shown() as progress:
        found = loaded.answer(asked, support=documents, draws=draws, progress=progress)
    known = [each for each in found if each.question.answer is not None]
    right = sum(each.choice == each.question.answer for each in known)
    accuracy = right / len(known) if known else None
    rows = [answer_json(each) for each in found]
    if as_json:
        print_json({"model": model, "questions": len(found), "accuracy": accuracy, "answers": rows})
    else:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    if accuracy is not None:
        click.echo(f"{right} of {len(known)} right: {figure(accuracy)}", err=True)
