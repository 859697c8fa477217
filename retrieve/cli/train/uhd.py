"""`retrieve train uhd`: a head for binarized sparse search, trained, judged on unseen documents, and kept if better."""

from __future__ import annotations

from typing import Any

import click

from retrieve.cli.options import given
from retrieve.cli.output import as_json, figure, print_json, print_table
from retrieve.cli.progress import progress_shown
from retrieve.cli.session import keeps

VIEWS = ("inductive", "transductive")


@click.command("uhd")
@click.argument("dataset", type=click.Path())
@click.option("--out", required=True, metavar="FOLDER", help="Where the head goes; must not be there yet.")
@click.option(
    "--model", metavar="NAME", help="The encoder: a folder or hub name; all-MiniLM-L6-v2 if not given."
)
@click.option("--dimensions", type=int, metavar="N", help="Of a code (8192).")
@click.option("--winners", type=int, metavar="M", help="Of a text, or of each token (512).")
@click.option("--query-winners", type=int, metavar="M", help="Of a query, if other than a document's.")
@click.option("--level", type=click.Choice(["text", "token"]), help="What is projected (text).")
@click.option("--cap", type=int, metavar="M", help="Token level: the most dimensions a document keeps.")
@click.option(
    "--loss",
    type=click.Choice(["infonce", "distill", "both"]),
    help="Judged pairs, the encoder's own similarities, or both (distill).",
)
@click.option("--epochs", type=int, metavar="N", help="Passes over all pairs (1).")
@click.option("--batch", type=int, metavar="N", help="Pairs a step (512).")
@click.option("--lr", type=float, metavar="RATE", help="The highest learning rate (0.0001).")
@click.option("--balance", type=float, metavar="WEIGHT", help="Of a term for even use of dimensions (0).")
@click.option("--folds", type=int, metavar="N", help="Parts that the judged queries are cut into (5).")
@click.option("--seed", type=int, metavar="N", help="Of weights, folds and order (0).")
@click.option("--allow-not-worse", is_flag=True, help="Keep a head whose lower bound is above -0.01, not 0.")
@click.option("--resume", is_flag=True, help="Go on with the interrupted training of the same FOLDER.")
@as_json
def command(
    dataset: str,
    out: str,
    *,
    model: str | None,
    allow_not_worse: bool,
    resume: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train a UHD head on DATASET, a BEIR folder (all its splits) or ir_datasets:NAME.

    Only the head learns; the encoder stays as it is. The judged queries are cut into folds that share no document, and
    the head is kept if it gives held-out queries a better nDCG@10 than the untrained one, by the lower end of a 95 %
    interval; their documents are in no training pair (inductive). Exit status 1, and no folder, if it is refused.
    """
    from retrieve.train.settings import Settings
    from retrieve.train.uhd import train_uhd

    context = click.get_current_context()
    keeps("checkpoints are kept, and the same command with --resume goes on from them")
    with progress_shown() as progress:
        report = train_uhd(
            dataset,
            out,
            Settings(**given(settings)),
            allow_not_worse=allow_not_worse,
            resume=resume,
            progress=progress,
            **given({"model": model}),
        )
    if as_json:
        print_json(report | {"out": out if report["kept"] else None})
    else:
        columns = ("untrained", "trained", "gain", "lower", "upper")
        rows = [(view, *(figure(report[view][column]) for column in columns)) for view in VIEWS]
        print_table((report["measure"], *columns), rows)
    if not report["kept"]:
        click.echo(
            f"retrieve: the head is refused: the lower bound of its inductive gain is "
            f"{report['inductive']['lower']:+.4f}, wanted above {report['needed']:g}; nothing was written",
            err=True,
        )
        context.exit(1)
    click.echo(f"{out}: head kept", err=True)
