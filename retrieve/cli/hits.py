"""A hit in print: rank, score, where it was found, and the words that it was found by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from retrieve.cli.output import counted, one_line, snippet
from retrieve.types import Hit

SHOWN_TERMS = 8


def hit_json(hit: Hit, reason: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A hit as a JSON object, `explain` in it if there is a reason."""
    record = asdict(hit)
    record["passages"] = [passage._asdict() for passage in hit.passages]
    return record if reason is None else record | {"explain": reason}


def show_hits(hits: Sequence[Hit], reasons: Mapping[str, Mapping[str, Any]]) -> None:
    """Hits for a person: a line with the place and the scores, and the beginning of the best passage."""
    for hit in hits:
        scores = "  ".join(f"{view} {score:.4g}" for view, score in hit.scores.items())
        head = f"{hit.rank:>3}  {hit.score:.4f}  {click.style(one_line(hit.doc_id), bold=True)}"
        click.echo(f"{head}  {one_line(hit.title)}")
        if hit.passages:
            best = hit.passages[0]
            click.echo(f"     [{best.start}:{best.end}] {snippet(best.text)}")
        click.echo(click.style(f"     {scores}", dim=True))
        if hit.doc_id in reasons:
            _show_reason(reasons[hit.doc_id])


def _show_reason(reason: Mapping[str, Any]) -> None:
    for name, view in reason["views"].items():
        terms = sorted(view.get("terms", ()), key=lambda term: -term["contribution"])[:SHOWN_TERMS]
        parts = "  ".join(
            f"{term['term']} {term['contribution']:.3f} (in {term['document_frequency']})" for term in terms
        )
        score = "not found" if view["score"] is None else f"{view['score']:.4f}"
        click.echo(f"     {name}: {score} over {counted(len(view['passages']), 'passage')}  {parts}".rstrip())
