"""`retrieve show`: a document as it was added, cut into its passages, with the words of a query marked.

On a terminal it goes through the pager; in a pipe it is the text itself and nothing else, words whole that a
line end parted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from retrieve.cli.output import as_json, counted, one_line, print_json, printable
from retrieve.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from retrieve.types import Document, Passage

Span = tuple[int, int]

_LOOKED_AT = 10_000
"""Ids among which one is looked for that is like an unknown one."""


@click.command("show")
@click.argument("index", type=click.Path())
@click.argument("doc_id", metavar="ID")
@click.option("--query", metavar="TEXT", help="Mark its words, as the index's analyzer sees them.")
@click.option("--passage", "number", type=click.IntRange(min=1), metavar="N", help="Only the N-th passage.")
@as_json
def command(index: str, doc_id: str, *, query: str | None, number: int | None, as_json: bool) -> None:
    """Show the document ID of INDEX."""
    from retrieve.api import Index
    from retrieve.search.snippets import QueryWords
    from retrieve.text.layout import PARTED

    with Index.open(index) as opened:
        document = opened.get(doc_id)
        if document is None:
            known = islice(opened.ids(), _LOOKED_AT)
            raise UsageError(f"no document {doc_id!r} in {opened.path}{did_you_mean(doc_id, known)}")
        passages = opened.passages(doc_id)
        words = None if query is None else QueryWords.of(query, opened.recipe)
    if number is not None and number > len(passages):
        raise UsageError(
            f"--passage {number}: document {doc_id!r} has {counted(len(passages), 'passage')}: "
            "give one of them, counted from 1"
        )
    chosen = passages if number is None else passages[number - 1 : number]
    first, last = (0, len(document.text)) if number is None else (chosen[0].start, chosen[0].end)
    found = (
        [(start + first, end + first) for start, end in words.found(document.text[first:last])]
        if words
        else []
    )
    if as_json:
        print_json(_record(document, chosen, found, len(passages), whole=number is None))
    elif sys.stdout.isatty():
        click.echo_via_pager(_shown(document, chosen, found, (first, last), len(passages)))
    else:
        # Colours too, or what looks like one would be taken out of the text; but no mark of ours inside words.
        click.echo(document.text[first:last].replace(PARTED, ""), color=True)


def _record(
    document: Document, passages: Sequence[Passage], found: Sequence[Span], count: int, *, whole: bool
) -> dict[str, Any]:
    from retrieve.text.layout import page_at

    return {
        "doc_id": document.id,
        "title": document.title,
        "metadata": dict(document.metadata),
        **({"text": document.text} if whole else {}),
        "passage_count": count,
        "passages": [
            {
                "position": passage.position,
                "start": passage.start,
                "end": passage.end,
                "page": page_at(document.text, passage.start),
                "text": passage.text,
            }
            for passage in passages
        ],
        "highlights": [list(span) for span in found],
    }


def _shown(
    document: Document, passages: Sequence[Passage], found: Sequence[Span], within: Span, count: int
) -> Iterator[str]:
    """The text between two offsets, each passage under its number; one goes on where the next one begins."""
    from retrieve.text.layout import page_at

    text = document.text
    yield click.style(f"{one_line(document.title) or one_line(document.id)}\n", bold=True)
    about = (
        [one_line(document.id), counted(count, "passage")] if document.title else [counted(count, "passage")]
    )
    yield click.style("  ".join(about) + "\n", dim=True)
    starts = [passage.start for passage in passages]
    ends = [*starts[1:], within[1]]
    for passage, start, end in zip(passages, starts, ends, strict=True):
        page = page_at(text, start)
        place = f"── passage {passage.position + 1:,}" + ("" if page is None else f", page {page:,}")
        yield click.style(f"\n{place} " + "─" * max(60 - len(place), 2) + "\n", fg="cyan")
        indexed = max(min(passage.end, end), start)
        yield _marked(text, (start, indexed), found)
        if indexed < end and text[indexed:end].strip():
            yield click.style("\n── in no passage: not indexed " + "─" * 30 + "\n", fg="cyan")
            yield _marked(text, (indexed, end), found)
        yield "\n"


def _marked(text: str, span: Span, found: Sequence[Span]) -> str:
    at, end = span
    shown = ""
    for start, stop in found:
        if at <= start and stop <= end:
            shown += printable(text[at:start]) + click.style(printable(text[start:stop]), fg="red", bold=True)
            at = stop
    return shown + printable(text[at:end])
