"""`retrieve classify`: documents or a whole index to labels with probabilities, and the passages behind them."""

from __future__ import annotations

import csv
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieve.cli.index.sources import (
    checked_skipped,
    opened,
    reading_options,
    with_total,
)
from retrieve.cli.options import cache_option, device_option
from retrieve.cli.output import as_json, counted, one_line, print_json, print_table
from retrieve.cli.page import check_page
from retrieve.cli.progress import progress_shown
from retrieve.cli.session import writes_index
from retrieve.errors import UsageError
from retrieve.types import Document, LabelledDocument

if TYPE_CHECKING:
    from retrieve.classify.classifier import Classifier
    from retrieve.classify.explain import Explanation
    from retrieve.classify.predictions import Prediction

_log = logging.getLogger("retrieve")

_ON_PAGE = 200
"""Documents of a page: more could not be looked through, and a browser would not open them."""
_FIELD = "labels"
_BETWEEN = "|"
"""Between the labels of one cell."""


@click.command("classify")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("documents", type=click.Path(), nargs=-1, metavar="[DOCUMENTS]…")
@click.option("--csv", "as_csv", is_flag=True, help="A table with a header, one row a document.")
@click.option("--json-lines", is_flag=True, help="One JSON object a document; the default but on a terminal.")
@click.option(
    "--top", type=int, metavar="K", help="Print the K most probable labels' probabilities, not all."
)
@click.option("--explain", is_flag=True, help="Add the passages behind each label.")
@click.option("--page", type=click.Path(path_type=Path), metavar="FILE.html", help="Explain on a page.")
@click.option("--info", is_flag=True, help="Say what the model is, and classify nothing.")
@click.option("--index", metavar="INDEX", help="Label every document of this index, in its metadata.")
@click.option("--field", metavar="NAME", default=_FIELD, show_default=True, help="The field for --index.")
@click.option("--force", is_flag=True, help="With --index: replace the field where documents have it.")
@reading_options
@device_option
@cache_option
@as_json
def command(  # noqa: PLR0913 - one for each option
    model: Path,
    documents: tuple[str, ...],
    *,
    as_csv: bool,
    json_lines: bool,
    top: int | None,
    explain: bool,
    page: Path | None,
    info: bool,
    index: str | None,
    field: str,
    force: bool,
    device: str | None,
    cache: bool,
    as_json: bool,
    **reading: Any,
) -> None:
    """Classify DOCUMENTS by MODEL, a folder that `retrieve train classifier` wrote.

    DOCUMENTS are whatever `retrieve index create` reads: a text or a folder of them, JSON lines, …, or - for standard
    input. There can be any number of them: they are read in batches. With --index the documents are those of an index,
    and their labels go into its metadata, where --where finds them. --json is for --info and --index.
    """
    _check_usage(documents, info, index, as_csv, json_lines, explain, page, as_json)
    if index is None and (force or field != _FIELD):
        raise UsageError("--field and --force go with --index")
    if not documents and top is not None:
        raise UsageError("--top goes with DOCUMENTS")
    if top is not None and top < 1:
        raise UsageError(f"--top is {top}: wanted 1 at least")
    check_page(page)
    if info:
        _print_info(model, as_json=as_json)
        return
    from retrieve.classify.folder import read_record

    if read_record(model)["estimator"] == "Regressor":
        if index is not None or explain or page is not None or top is not None:
            raise UsageError(
                f"{model} gives values, not labels: it takes DOCUMENTS and prints JSON lines or --csv"
            )
        _print_values(model, _begun(_read(documents, reading)), as_csv=as_csv, device=device, cache=cache)
        return
    from retrieve.classify.classifier import Classifier

    classifier = Classifier.load(model, device=device, cache=cache)
    if index is not None:
        _label_index(classifier, index, field, force=force, as_json=as_json)
        return
    read = _begun(_read(documents, reading))
    if as_csv:
        write: _Csv | _Lines | _Shown = _Csv(classifier.labels_.names, top)
    else:
        write = _Lines() if json_lines or not sys.stdout.isatty() else _Shown()
    _classify(classifier, model, read, write, top=top, explain=explain, page=page)


def _check_usage(
    documents: tuple[str, ...],
    info: bool,
    index: str | None,
    as_csv: bool,
    json_lines: bool,
    explain: bool,
    page: Path | None,
    as_json: bool,
) -> None:
    if sum((bool(documents), info, index is not None)) != 1:
        raise UsageError("give DOCUMENTS, or --index INDEX, or --info: one of the three")
    if not documents and (as_csv or json_lines or explain or page is not None):
        raise UsageError("--csv, --json-lines, --explain and --page go with DOCUMENTS")
    if as_csv and json_lines:
        raise UsageError("--csv and --json-lines are two forms of one answer: take one of them")
    if as_csv and explain:
        raise UsageError("--csv has one row a document: leave it out, or explain on a --page")
    if as_json and documents:
        raise UsageError("--json is one object: for documents take --json-lines")


def _read(documents: Sequence[str], reading: dict[str, Any]) -> Iterator[list[Document]]:
    """Batches of the sources' documents, with a bar by the bytes read."""
    from retrieve.classify.predictions import batches
    from retrieve.corpora.extracted import WithoutText, has_text

    corpora = opened(documents, **reading)
    done = 0
    without_text = WithoutText()
    with progress_shown() as progress:
        tell = with_total(progress, corpora)
        for batch in batches(chain.from_iterable(corpora)):
            yield batch
            done += len(batch)
            for document in batch:
                if not has_text(document):
                    without_text.add(document)
            if tell is not None:
                tell("documents", done, None)
    if without_text.count:
        _log.warning("no label for %s", without_text)
    skipped = checked_skipped(corpora, done)
    left_out = f", {counted(skipped, 'bad record')} skipped" if skipped else ""
    _log.info("%s classified%s", counted(done, "document"), left_out)


def _begun(read: Iterator[list[Document]]) -> Iterator[list[Document]]:
    """The batches, the first of which is read: documents that cannot be are refused before a table has its header."""
    first = next(read, None)
    return read if first is None else chain([first], read)


def _classify(
    classifier: Classifier,
    model: Path,
    read: Iterator[list[Document]],
    write: _Csv | _Lines | _Shown,
    *,
    top: int | None,
    explain: bool,
    page: Path | None,
) -> None:
    from retrieve.classify.predictions import predictions

    shown: list[tuple[LabelledDocument, list[Explanation]]] = []
    number = readable = 0
    for batch in read:
        for document, row in zip(batch, predictions(classifier, batch, top=top), strict=True):
            has_text = row.no_text is None
            readable += has_text
            on_page = has_text and page is not None and len(shown) < _ON_PAGE
            found = classifier.explain([document]) if has_text and (explain or on_page) else []
            if on_page:
                shown.append((LabelledDocument(document), found))
            write(row, found if explain else None)
        number += len(batch)
    if page is not None:
        from retrieve.classify.pages import explanation_page
        from retrieve.report.page import write_page

        title = f"Why these labels: {model.name}"
        without = f", {number - readable:,} of them without text" if readable < number else ""
        subtitle = f"{counted(number, 'document')}{without}, by {model} (preset {classifier.preset_.name})"
        write_page(explanation_page(title, subtitle, shown, left_out=readable - len(shown)), page)
        _log.info("%s: %s explained", page, counted(len(shown), "document"))


class _Lines:
    """JSON lines."""

    def __call__(self, row: Prediction, explanations: list[Explanation] | None) -> None:
        record: dict[str, Any] = {
            "id": row.id,
            "labels": row.labels,
            "probabilities": row.probabilities,
            "undecided": row.undecided,
        }
        if row.no_text is not None:
            record["no_text"] = row.no_text
        if explanations is not None:
            record["explanations"] = [asdict(one) for one in explanations]
        click.echo(json.dumps(record, ensure_ascii=False, allow_nan=False))


class _Shown:
    """For a person at a terminal."""

    def __call__(self, row: Prediction, explanations: list[Explanation] | None) -> None:
        if row.no_text is not None:
            click.echo(click.style(one_line(row.id), bold=True) + f"  no text ({row.no_text})")
            return
        said = ", ".join(f"{one_line(name)} {row.probabilities.get(name, 0):.2f}" for name in row.labels)
        unsure = f"  (undecided: {', '.join(map(one_line, row.undecided))})" if row.undecided else ""
        click.echo(click.style(one_line(row.id), bold=True) + f"  {said or '–'}{unsure}")
        for one in explanations or ():
            for passage in one.passages:
                click.echo(
                    f"    {one_line(one.label)} {passage.effect:+.3f} [{passage.start}–{passage.end}] "
                    f"{one_line(passage.text)[:120]}"
                )


class _Csv:
    """A header and one row a document: labels in one cell, then a column a label, or the first `top` in pairs.

    Of a document without text there is the reason, and nothing else.
    """

    def __init__(self, names: Sequence[str], top: int | None) -> None:
        if ambiguous := [name for name in names if _BETWEEN in name]:
            raise UsageError(
                f"the label {ambiguous[0]!r} has a {_BETWEEN} in it, which parts labels in a cell: take --json-lines"
            )
        self._names, self._top = names, None if top is None else min(top, len(names))
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        if self._top is None:
            columns = [f"p {name}" for name in names]
        else:
            pairs = range(1, self._top + 1)
            columns = [column for number in pairs for column in (f"label {number}", f"p {number}")]
        self._width = len(columns)
        self._writer.writerow(["id", "labels", "undecided", "no_text", *columns])

    def __call__(self, row: Prediction, explanations: list[Explanation] | None) -> None:
        if row.no_text is not None:
            values: list[object] = [None] * self._width
        elif self._top is None:
            values = [f"{row.probabilities[name]:.4g}" for name in self._names]
        else:
            values = [cell for name, p in row.probabilities.items() for cell in (name, f"{p:.4g}")]
        labels, undecided = _BETWEEN.join(row.labels), _BETWEEN.join(row.undecided)
        self._writer.writerow([row.id, labels, undecided, row.no_text, *values])


def _print_values(
    model: Path, read: Iterator[list[Document]], *, as_csv: bool, device: str | None, cache: bool
) -> None:
    from retrieve.classify.regressor import Regressor
    from retrieve.corpora.extracted import has_text, why_no_text

    regressor = Regressor.load(model, device=device, cache=cache)
    table = csv.writer(sys.stdout, lineterminator="\n")
    if as_csv:
        table.writerow(["id", "value", "no_text"])
    for batch in read:
        readable = [document for document in batch if has_text(document)]
        values = iter(regressor.predict(readable).tolist() if readable else [])
        for document in batch:
            record: dict[str, Any] = {"id": document.id}
            record |= (
                {"value": next(values)}
                if has_text(document)
                else {"value": None, "no_text": why_no_text(document)}
            )
            if as_csv:
                table.writerow([record["id"], record["value"], record.get("no_text")])
            else:
                click.echo(json.dumps(record, ensure_ascii=False))


def _label_index(classifier: Classifier, name: str, field: str, *, force: bool, as_json: bool) -> None:
    from retrieve.api import Index
    from retrieve.classify.label_index import label_index

    writes_index()
    with Index.open(name) as index:
        with progress_shown() as progress:
            number = label_index(classifier, index, field, force=force, progress=progress)
        encoded, _ = index.encodings
        record = {
            "index": str(index.path),
            "field": field,
            "documents": number,
            "encoded": encoded,
            "generation": index.generation,
        }
    if as_json:
        print_json(record)
    else:
        first = json.dumps({field: classifier.labels_.names[0]}, ensure_ascii=False)
        click.echo(f"{record['index']}: {counted(number, 'document')} labelled in field {field!r}")
        _log.info("search among them with --where '%s'", first)


def _print_info(model: Path, *, as_json: bool) -> None:
    from retrieve.classify.folder import read_record

    record = read_record(model)
    report = record["report"]
    thresholds, labels = record.get("thresholds"), record["labels"]
    said = {
        "model": str(model),
        "estimator": record["estimator"],
        "task": record["task"],
        "preset": record["preset"]["name"],
        "regime": record["settings"]["regime"],
        "passages": record["preset"]["passages"],
        "encoders": record["encoders"],
        "labels": labels,
        "descriptions": record["descriptions"],
        "thresholds": thresholds,
        "calibration": record.get("calibration"),
        "undecided": record.get("undecided"),
        "range": record.get("range"),
        "data": report["data"],
        "train": report["train"],
        "validation": report["validation"],
        "seed": report["seed"],
        "remarks": report["remarks"],
        "versions": record["versions"],
    }
    if as_json:
        print_json(said)
        return
    rows = [
        (name, _said(value))
        for name, value in said.items()
        if name not in ("labels", "thresholds", "undecided")
    ]
    print_table(("", "value"), [row for row in rows if row[1]])
    if thresholds is not None:
        values = thresholds["values"]
        click.echo()
        cuts = dict(zip(labels[-len(values) :], values, strict=True))
        print_table(
            ("label", f"threshold ({thresholds['how']})"),
            [(name, f"{cuts[name]:.4f}" if name in cuts else "") for name in labels],
        )


def _said(value: object) -> str:
    """A value of the information on one line; nothing for what the model does not have."""
    if isinstance(value, dict):
        return ", ".join(
            f"{name} {_said(one)}" for name, one in value.items() if one not in (None, "", [], {})
        )
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None else str(value)
