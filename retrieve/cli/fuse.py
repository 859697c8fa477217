"""`retrieve fuse`: several runs made one, with weights that are given, equal, or tuned on judged queries."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click

from retrieve.cli.options import split_option
from retrieve.cli.output import as_json, counted, figure, print_json
from retrieve.errors import UsageError

_log = logging.getLogger("retrieve")


def _numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> list[float] | None:
    if value is None:
        return None
    try:
        return [float(item) for item in value.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: wanted one number for each run, as in 0.3,0.7") from error


@click.command("fuse")
@click.argument("runs", type=click.Path(), nargs=-1, required=True, metavar="RUN RUN…")
@click.option("--out", required=True, metavar="RUN", help="The fused run's file, or - .")
@click.option("--method", metavar="HOW", help="convex (min-max, the default), z (z-scores) or rrf.")
@click.option("--weights", callback=_numbers, metavar="NUMBERS", help="One for each run, as in 0.3,0.7.")
@click.option("--depth", type=int, default=1000, show_default=True, help="Documents of each run that go in.")
@click.option("--tune", metavar="QRELS", help="Choose the weights of two runs by these judgments.")
@click.option("--measure", default="nDCG@10", show_default=True, help="What --tune makes best.")
@split_option
@click.option("--tag", default="retrieve", show_default=True, help="The run's last column.")
@as_json
def command(
    runs: tuple[str, ...],
    *,
    out: str,
    method: str | None,
    weights: list[float] | None,
    depth: int,
    tune: str | None,
    measure: str,
    split: str,
    tag: str,
    as_json: bool,
) -> None:
    """Fuse TREC runs, query by query."""
    from retrieve.cli.judgments import read_judgments
    from retrieve.measures.fuse import fuse_runs
    from retrieve.measures.fusion_weight import tune_weights
    from retrieve.trec import read_run, write_run

    if len(runs) < 2:
        raise UsageError(f"{len(runs)} run to fuse: name two or more")
    if tune is not None and (weights is not None or method == "rrf"):
        raise UsageError(
            "--tune chooses the weights of a convex or z fusion: give neither --weights nor --method rrf"
        )
    if out != "-" and Path(out).resolve() in {Path(run).resolve() for run in runs}:
        raise UsageError(f"--out {out} is one of the runs to fuse, and would be replaced: name another file")
    if as_json and out == "-":
        raise UsageError("--json and --out - would both be standard output: name a file for the run")
    pools = [read_run(path) for path in runs]
    chosen = method or "convex"
    tuned: dict[str, Any] = {}
    if tune is not None:
        tuning = tune_weights(pools, read_judgments(tune, split), measure, method=chosen, depth=depth)
        weights = list(tuning.weights)
        grid = {str(weight): value for weight, value in tuning.grid.items()}
        tuned = {"tuned": {tuning.measure: tuning.value, "queries": tuning.queries, "grid": grid}}
        _log.info("weights %s: %s %s", tuning.weights, tuning.measure, figure(tuning.value))
    fused = fuse_runs(pools, chosen, weights, depth)
    write_run(out, fused, tag)
    _log.info("%s: %d runs fused, %s", out, len(runs), counted(len(fused), "query", "queries"))
    if as_json:
        print_json(
            {
                "run": out,
                "runs": list(runs),
                "method": chosen,
                "weights": weights or [1.0] * len(runs),
                "depth": depth,
                "queries": len(fused),
                **tuned,
            }
        )
