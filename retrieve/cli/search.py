"""`retrieve search`: one question, answered for a person on a terminal and as JSON lines for a pipe."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieve.cli.hits import hit_json, print_csv, show_hits
from retrieve.cli.opened import opened_index
from retrieve.cli.options import (
    device_option,
    given,
    model_option,
    runtime_options,
    search_options,
    unit_option,
    with_options,
)
from retrieve.cli.output import as_json, counted, one_line, print_json
from retrieve.cli.page import check_page, save_page
from retrieve.cli.query_text import query_text
from retrieve.cli.remarks import remark_on, remark_on_nothing
from retrieve.errors import UsageError

if TYPE_CHECKING:
    from retrieve.report.records import Page
    from retrieve.types import Hit

_log = logging.getLogger("retrieve")

_FORMATS = ("table", "jsonl", "trec", "tsv")


@click.command("search")
@click.argument("index", type=click.Path())
@click.argument("text", nargs=-1)
@click.option("--like", metavar="ID", help="In place of TEXT: what is like this document of the index.")
@click.option("-k", type=int, default=10, show_default=True, help="How many hits.")
@search_options
@unit_option
@model_option
@with_options(*runtime_options, device_option)
@click.option("--explain", is_flag=True, help="Say of each hit why it scores what it scores.")
@click.option("--format", type=click.Choice(_FORMATS), help="Default: table on a terminal, else jsonl.")
@click.option("--csv", "as_csv", is_flag=True, help="A table for a spreadsheet, with snippets.")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path),
    metavar="PAGE.html",
    help="Also one self-contained page.",
)
@as_json
def command(  # noqa: PLR0913 - one for each option
    index: str,
    text: tuple[str, ...],
    *,
    like: str | None,
    k: int,
    model: str | None,
    backend: str | None,
    precision: str | None,
    device: str | None,
    explain: bool,
    format: str | None,
    as_csv: bool,
    page: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Search INDEX for TEXT: several words are one question, which may be a whole document; - reads standard input.

    INDEX may be lucene:FOLDER, an index of Lucene's that Anserini or pyserini made.
    """

    from retrieve.api import Index

    ways = [f"--format {format}"] * bool(format) + ["--csv"] * as_csv + ["--json"] * as_json
    if len(ways) > 1:
        raise UsageError(f"{' and '.join(ways)}: choose one")
    check_page(page)
    asked = given(options)
    if format == "trec" and asked.get("unit") == "passage":
        raise UsageError(
            "a search's TREC lines name documents: for passages use `retrieve run --unit passage`"
        )
    if (not text) == (like is None):
        raise UsageError("wanted a TEXT to search for, or --like ID: one of the two")
    if like is not None and explain:
        raise UsageError("--explain takes the hits of a text apart: it does not go with --like")
    if page is not None and explain:
        raise UsageError("--explain has no place on a page: leave out --html, or --explain")
    query = query_text(text) if like is None else ""
    with opened_index(index, model=model, backend=backend, precision=precision, device=device) as opened:
        start = time.perf_counter()
        hits = opened.search(query, k, **asked) if like is None else opened.similar(like, k, **asked)
        seconds = time.perf_counter() - start
        reasons: dict[str, Mapping[str, Any]] = {}
        if explain:
            asked["reranker"] = ""  # what a cross-encoder thinks cannot be taken apart
            reasons = {hit.doc_id: opened.explain(query, hit.doc_id, k=k, **asked) for hit in hits}
        if query and isinstance(opened, Index):
            remark_on(query)
            if not hits:
                remark_on_nothing(opened, query, asked)
    if page is not None:
        save_page(_page(query or f"Like {like}", str(opened.path), hits), page, "the hits' page")
    if as_json:
        records = [hit_json(hit, reasons.get(hit.doc_id)) for hit in hits]
        print_json(
            ({"query": query} if like is None else {"like": like})
            | {"index": str(opened.path), "k": k, "seconds": round(seconds, 4), "hits": records}
        )
    elif as_csv:
        print_csv(hits)
    else:
        _print(hits, reasons, format or ("table" if sys.stdout.isatty() else "jsonl"))
        _log.info("%s in %.0f ms", counted(len(hits), "hit"), seconds * 1000)


def _page(query: str, index: str, hits: Sequence[Hit]) -> Page:
    from retrieve.report.records import HitList, Note, Page

    found = HitList(tuple(hits)) if hits else Note(("Nothing was found.",))
    return Page(query, f"{counted(len(hits), 'hit')} in {index}", (found,))


def _print(hits: Sequence[Hit], reasons: Mapping[str, Mapping[str, Any]], format: str) -> None:
    if format == "jsonl":
        import json

        for hit in hits:
            click.echo(json.dumps(hit_json(hit, reasons.get(hit.doc_id)), ensure_ascii=False))
    elif format == "trec":
        from retrieve.trec import write_run

        write_run("-", [("1", [(hit.doc_id, hit.score) for hit in hits])], "retrieve")
    elif format == "tsv":
        for hit in hits:
            click.echo(f"{hit.rank}\t{hit.score:.6g}\t{one_line(hit.doc_id)}\t{one_line(hit.title)}")
    else:
        show_hits(hits, reasons)
