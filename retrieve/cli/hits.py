"""A hit in print: title, snippet with the words found, where that stands, and the score of each view."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from retrieve.cli.output import counted, one_line
from retrieve.types import Hit, Part

if TYPE_CHECKING:
    from rich.text import Text

SHOWN_TERMS = 8
TITLE_LINES = 2  # some titles are as long as a paragraph
FOUND = "bold red"  # as grep marks what it finds


def hit_json(hit: Hit, reason: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A hit as a JSON object, `explain` in it if there is a reason."""
    record = hit.to_dict()
    return record if reason is None else record | {"explain": reason}


def print_csv(hits: Sequence[Hit]) -> None:
    """Hits as rows for a spreadsheet: rank, id, title, score, snippet, where that stands, and each field of metadata.

    A field that is called as one of the first columns has `metadata.` before its name; what is no text or number is
    JSON.
    """
    import csv

    rows = csv.writer(sys.stdout, lineterminator="\n")
    columns = ("rank", "id", "title", "score", "snippet", "place")
    fields = list(dict.fromkeys(field for hit in hits for field in hit.metadata))
    rows.writerow((*columns, *(f"metadata.{field}" if field in columns else field for field in fields)))
    for hit in hits:
        excerpt = hit.excerpt
        own = (hit.rank, hit.doc_id, one_line(hit.title), f"{hit.score:.6g}", excerpt.snippet, excerpt.place)
        rows.writerow((*own, *(_cell(hit.metadata.get(field)) for field in fields)))


def _cell(value: Any) -> str | int | float | None:
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return json.dumps(value, ensure_ascii=False)


def show_hits(hits: Sequence[Hit], reasons: Mapping[str, Mapping[str, Any]]) -> None:
    """Hits for a person, wrapped and coloured on a terminal, each part on one line elsewhere."""
    from rich.console import Console
    from rich.text import Text

    wraps = sys.stdout.isatty()
    console = Console(file=sys.stdout, soft_wrap=not wraps, highlight=False, markup=False, emoji=False)
    for hit in hits:
        excerpt = hit.excerpt
        title, doc_id = _marked(excerpt.title), one_line(hit.doc_id)
        if title.plain.strip():
            if wraps:
                title.truncate(TITLE_LINES * console.width, overflow="ellipsis")
            title.stylize("bold")
            head = title.append(f"  {doc_id}", style="cyan")
        else:
            head = Text(doc_id, style="bold")
        scores = "  ".join(f"{view} {score:.4g}" for view, score in hit.scores.items())
        lines = [head, _marked(excerpt.text)] if excerpt.text else [head]
        whole = "" if list(hit.scores.values()) == [hit.score] else f"score {hit.score:.4g}"
        lines.append(Text("  ".join(part for part in (excerpt.place, whole, scores) if part), "dim"))
        if hit.doc_id in reasons:
            lines += [Text(line) for line in _reason(reasons[hit.doc_id])]
        margin = f"{hit.rank:>3}  "
        for text in lines:
            for line in text.wrap(console, console.width - len(margin)) if wraps else [text]:
                line.rstrip()
                console.print(Text(margin) + line)
                margin = " " * len(margin)


def _marked(parts: Sequence[Part]) -> Text:
    from rich.text import Text

    return Text.assemble(*((part.text, FOUND if part.found else "") for part in parts))


def _reason(reason: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, view in reason["views"].items():
        terms = sorted(view.get("terms", ()), key=lambda term: -term["contribution"])[:SHOWN_TERMS]
        parts = "  ".join(
            f"{term['term']} {term['contribution']:.3f} (in {term['document_frequency']})" for term in terms
        )
        score = "not found" if view["score"] is None else f"{view['score']:.4f}"
        lines.append(f"{name}: {score} over {counted(len(view['passages']), 'passage')}  {parts}".rstrip())
    return lines
