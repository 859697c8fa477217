"""`retrieve train classifier`: labelled documents to a model folder, its figures on unseen ones, and a page of all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import click
from click.shell_completion import CompletionItem

from retrieve.cli.options import (
    cache_option,
    command_line,
    completed,
    device_option,
    given,
    page_option,
    parsed_settings,
)
from retrieve.cli.output import as_json, counted, figure, print_json, print_table
from retrieve.cli.page import check_page, save_page
from retrieve.cli.progress import progress_shown
from retrieve.cli.session import keeps
from retrieve.errors import UsageError
from retrieve.types import Task


def _preset_names(ctx: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:
    """What the shell completes: presets that are shipped, else files."""
    from retrieve.classify.preset import presets

    return completed(begun, presets())


@click.command("classifier")
@click.argument("data", type=click.Path())
@click.option("--out", required=True, metavar="FOLDER", help="Where the model goes.")
@click.option(
    "--preset",
    default="auto",
    show_default=True,
    help="A shipped preset's name, or a .toml file.",
    shell_complete=_preset_names,
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the preset, as in passages.most=32.",
)
@click.option(
    "--regime",
    type=click.Choice(["frozen", "end-to-end"]),
    default="frozen",
    show_default=True,
    help="Learn from the vectors of a fixed encoder, or train the encoder too.",
)
@click.option("--task", type=click.Choice(get_args(Task)), help="What is asked, if the data do not say.")
@click.option("--format", metavar="NAME", help="What DATA are, if it cannot be told.")
@click.option("--field", metavar="NAME", help="Which field has the labels, where a format has several.")
@click.option("--labels", type=click.Path(path_type=Path), metavar="FILE", help="All labels, a JSON list.")
@click.option("--descriptions", metavar="FILE", help="What labels mean, a JSON object by label.")
@click.option(
    "--reading",
    multiple=True,
    metavar="KEY=VALUE",
    help="What the format's reader takes, as in label_set=subjects_min10.",
)
@click.option(
    "--group",
    metavar="FIELD",
    help="A field of the metadata whose documents are held out together or not at all, as patient.",
)
@click.option("--skip-bad", is_flag=True, help="Go on after a bad record, and say how many there were.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of weights, held-out documents, order.",
)
@click.option("--checkpoints", metavar="FOLDER", help="Where an end-to-end training can go on from.")
@click.option(
    "--check-explanations",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="On the first N test documents: what taking explaining passages out costs, beside random ones.",
)
@page_option
@click.option("--force", is_flag=True, help="Replace the model that is there.")
@device_option
@cache_option
@as_json
def command(  # noqa: PLR0913 - one for each option
    data: str,
    out: str,
    *,
    preset: str,
    settings: tuple[str, ...],
    task: Task | None,
    format: str | None,
    field: str | None,
    labels: Path | None,
    descriptions: str | None,
    group: str | None,
    reading: tuple[str, ...],
    skip_bad: bool,
    page: Path | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Train a classifier on DATA, a file or folder of labelled documents.

    DATA are JSON lines of id, text and labels, or a collection in its original schema. Their splits are kept: what is
    chosen is chosen on validation documents (held out of the training ones if there are none), and test documents are
    looked at once, at the end. FOLDER is written whole or not at all.
    """
    from retrieve.classify.folder import check_place
    from retrieve.classify.job import train_classifier
    from retrieve.corpora.corpus import ReadOptions
    from retrieve.corpora.labelled.label_file import read_label_file
    from retrieve.corpora.labelled.open import read_labelled

    check_place(
        Path(out), force=how["force"]
    )  # before the data are read: a long collection is not read for nothing
    check_page(page)
    if how["checkpoints"]:
        if how["regime"] == "frozen":
            raise UsageError("--checkpoints goes with --regime end-to-end: a frozen training has none")
        keeps("checkpoints are kept, and the same command goes on from them")
    names = None
    if labels is not None:
        names, _ = read_label_file(labels)
        if names is None:
            raise UsageError(f"there is no file of labels at {labels}")
    read = read_labelled(
        data,
        format=format,
        task=task,
        options=ReadOptions(skip_bad=skip_bad),
        labels=names,
        **given({"field": field, "descriptions": descriptions, "group": group}),
        **parsed_settings(reading, "--reading"),
    )
    with progress_shown() as progress:
        report = train_classifier(
            read, out, preset, settings=parsed_settings(settings), progress=progress, **how
        )
    report["command"] = command_line()
    if page is not None:
        from retrieve.classify.pages import training_page

        save_page(training_page(report), page, "the training's page")
    if as_json:
        print_json(report)
    else:
        print_figures(report)
    click.echo(f"{out}: model kept", err=True)


def print_figures(report: Mapping[str, Any]) -> None:
    """Validation and test figures, with intervals where there are any."""
    from retrieve.classify.page_parts import is_figure, shown

    of_validation = report["fit"].get("figures") or {}
    test = report["test"] or {"figures": {}}
    both = {**of_validation, **test["figures"]}
    rows = []
    for name in both:
        if is_figure(name, both):
            interval = test.get("intervals", {}).get(name)
            ends = f"{interval['low']:.4f} to {interval['high']:.4f}" if interval else ""
            rows.append((shown(name), _cell(of_validation.get(name)), _cell(test["figures"].get(name)), ends))
    print_table(("", "validation", "test", "95 % interval"), rows)
    data = report["data"]
    if not data["test"]:
        click.echo(
            "no test documents: these are figures of the documents that choices were made by", err=True
        )
    if data["duplicates"]:
        said = counted(data["duplicates"], "validation or test document")
        click.echo(f"{said} with the text of a training document", err=True)
    for remark in (*data["remarks"], *report["fit"]["remarks"]):
        click.echo(remark, err=True)


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else figure(value)
