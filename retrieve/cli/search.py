"""`retrieve search`: one question, answered for a person on a terminal and as JSON lines for a pipe."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from retrieve.cli.hits import hit_json, show_hits
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
from retrieve.errors import UsageError

if TYPE_CHECKING:
    from retrieve.types import Hit

_log = logging.getLogger("retrieve")

_FORMATS = ("table", "jsonl", "trec", "tsv")


@click.command("search")
@click.argument("index")
@click.argument("text")
@click.option("-k", type=int, default=10, show_default=True, help="How many hits.")
@search_options
@unit_option
@model_option
@with_options(*runtime_options, device_option)
@click.option("--explain", is_flag=True, help="Say of each hit why it scores what it scores.")
@click.option("--format", type=click.Choice(_FORMATS), help="Default: table on a terminal, else jsonl.")
@as_json
def command(
    index: str,
    text: str,
    *,
    k: int,
    model: str | None,
    backend: str | None,
    precision: str | None,
    device: str | None,
    explain: bool,
    format: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Search INDEX for TEXT; - reads the text from standard input.

    INDEX may be lucene:FOLDER, an index of Lucene's that Anserini or pyserini made.
    """
    from retrieve.kernels import clock

    if as_json and format is not None:
        raise UsageError(f"--json and --format {format}: choose one")
    asked = given(options)
    if format == "trec" and asked.get("unit") == "passage":
        raise UsageError(
            "a search's TREC lines name documents: for passages use `retrieve run --unit passage`"
        )
    query = _read_query() if text == "-" else text
    with opened_index(index, model=model, backend=backend, precision=precision, device=device) as opened:
        start = clock()
        hits = opened.search(query, k, **asked)
        seconds = clock() - start
        reasons: dict[str, Mapping[str, Any]] = {}
        if explain:
            asked["reranker"] = ""  # what a cross-encoder thinks cannot be taken apart
            reasons = {hit.doc_id: opened.explain(query, hit.doc_id, k=k, **asked) for hit in hits}
    if as_json:
        records = [hit_json(hit, reasons.get(hit.doc_id)) for hit in hits]
        print_json(
            {"query": query, "index": str(opened.path), "k": k, "seconds": round(seconds, 4), "hits": records}
        )
    else:
        _print(hits, reasons, format or ("table" if sys.stdout.isatty() else "jsonl"))
        _log.info("%s in %.0f ms", counted(len(hits), "hit"), seconds * 1000)


def _read_query() -> str:
    from retrieve.corpora.stream import STANDARD_INPUT, whole_text

    return whole_text(sys.stdin.buffer.read(), STANDARD_INPUT).strip()


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
