"""The product on standard output: a table for a terminal, tab-separated lines for a pipe, one JSON object if asked.

Texts of strangers are shown on a terminal, so what could steer one (control characters) is taken out there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object, indented for a terminal and on one line for a pipe."""
    indent = 2 if sys.stdout.isatty() else None
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    # A path need not be UTF-8: what cannot be encoded becomes \udcXX, which is JSON's own escape.
    click.echo(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns under a header on a terminal; tab-separated rows, the header first, elsewhere."""
    if not sys.stdout.isatty():
        for row in (header, *rows):
            click.echo("\t".join(one_line(cell) for cell in row))
        return
    shown = [[one_line(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*shown, strict=True)]
    for number, row in enumerate(shown):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=number == 0))


def print_queries(per_query: Mapping[str, Mapping[str, float]], means: Mapping[str, float]) -> None:
    """Each measure's value of each query, and the means as the query `all`."""
    rows = [
        (name, query_id, figure(value))
        for name, values in per_query.items()
        for query_id, value in values.items()
    ]
    rows += [(name, "all", figure(value)) for name, value in means.items()]
    print_table(("measure", "query", "value"), rows)


def one_line(text: str) -> str:
    """Text without line breaks, tabs, control characters, and soft hyphens, which terminals show inside of words."""
    text = text.replace("\u00ad", "")
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def printable(text: str) -> str:
    """Text with its lines, pages as empty lines, and without what could steer a terminal or is not seen."""
    shown = text.replace("\u00ad", "").replace("\f", "\n\n")
    return "".join(char if char.isprintable() or char in "\n\t\u200c\u200d" else " " for char in shown)


def snippet(text: str, width: int = 240) -> str:
    """The beginning of a text on one line, cut at a word."""
    line = one_line(text[: 4 * width])
    if len(line) <= width:
        return line
    return line[:width].rsplit(" ", 1)[0] + " …"


def counted(number: int, noun: str, several: str = "") -> str:
    """A number and what is counted: 1 hit, 2 hits; `several` where the plural is another word."""
    return f"{number:,} {noun if number == 1 else several or f'{noun}s'}"


def figure(value: float) -> str:
    """A measure as it is usually printed."""
    return f"{value:.4f}"


def report_problems(kind: str, place: Path, problems: Sequence[str], *, remedy: str, as_json: bool) -> None:
    """What a verification found at a place, as the product; if anything, what to do about it, and exit status 1."""
    if as_json:
        print_json({kind: str(place), "clean": not problems, "problems": problems})
    elif problems:
        click.echo("\n".join(problems))
    else:
        click.echo(f"{place}: clean")
    if problems:
        click.echo(f"retrieve: {counted(len(problems), 'problem')} in {place}: {remedy}", err=True)
        click.get_current_context().exit(1)
