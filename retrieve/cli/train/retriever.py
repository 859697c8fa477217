"""`retrieve train retriever`: a VOD model's retriever, taught to find by the question what question and answer find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from retrieve.cli.options import device_option
from retrieve.cli.output import as_json, figure, print_json, print_table
from retrieve.cli.progress import progress_shown
from retrieve.cli.session import keeps


@click.command("retriever")
@click.argument("model", type=click.Path())
@click.argument("questions", type=click.Path())
@click.option("--out", required=True, metavar="FOLDER", help="Where the encoder goes.")
@click.option("--format", metavar="NAME", help="What QUESTIONS are, if it cannot be told.")
@click.option(
    "--target",
    type=click.Choice(["sampler", "facts"]),
    default="sampler",
    show_default=True,
    help="What is learned: the documents that the model finds by question and right answer, or those known to help.",
)
@click.option(
    "--epochs", type=click.IntRange(1), default=3, show_default=True, help="Passes over the questions."
)
@click.option(
    "--lr", type=click.FloatRange(0, min_open=True), default=5e-5, show_default=True, help="Learning rate."
)
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Questions a step.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of held-out questions and order.",
)
@click.option("--work", metavar="FOLDER", help="Where checkpoints are while it trains (FOLDER.training).")
@click.option("--force", is_flag=True, help="Replace the encoder that is there.")
@device_option
@as_json
def command(model: str, questions: str, *, out: str, format: str | None, as_json: bool, **how: Any) -> None:
    """Teach the retriever of MODEL, which `retrieve train vod` wrote, to be asked the question alone, by QUESTIONS.

    FOLDER is an encoder that any index takes: `retrieve index create … --encoder FOLDER`. A tenth of the questions is
    held out and judges it.
    """
    from retrieve.corpora.questions.open import read_questions
    from retrieve.train.vod.distil import distil
    from retrieve.train.vod.material import trained_on

    data = read_questions(questions, format=format, need_answers=True)
    asked = trained_on(data)
    keeps("checkpoints are kept, and the same command goes on from them")
    with progress_shown() as progress:
        report = distil(Path(model), asked, out, progress=progress, **how)
    if as_json:
        print_json(report)
    else:
        columns = ("validation_loss", "hit@20", "RR")
        rows = [
            (str(each["epoch"]), *("" if each.get(name) is None else figure(each[name]) for name in columns))
            for each in report["epochs"]
        ]
        print_table(("epoch", *columns), rows)
    click.echo(f"{out}: encoder kept, that after epoch {report['best']}", err=True)
