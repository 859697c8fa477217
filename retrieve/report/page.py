"""A page's records as HTML: jinja2 templates with every text escaped, styles and charts inside, no script.

The page forbids itself to load anything (Content-Security-Policy), so a text of a stranger could not even by a fault of
ours reach the network from a reader's machine.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from retrieve.errors import UsageError
from retrieve.files import write_file
from retrieve.report import drawing
from retrieve.report.passages import pieces
from retrieve.report.records import (
    BarChart,
    Block,
    Cell,
    Columns,
    LineChart,
    Page,
    Reliability,
    Scatter,
)

if TYPE_CHECKING:
    import jinja2

_UNSHOWABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def render(page: Page) -> str:
    """The page as HTML, complete in itself."""
    return _environment().get_template("page.html").render(page=page)


def render_block(block: Block) -> str:
    """One block as a fragment of HTML, for a page that is not ours."""
    macros = _environment().get_template("blocks.html").module
    return str(getattr(macros, type(block).__name__)(block))


def write_page(page: Page, path: str | Path) -> None:
    """Write the page, all or nothing. Raises `OSError` where its folder is not there."""
    write_file(Path(path), render(page).encode("utf-8"))


def check_writable(path: Path) -> None:
    """Raise `UsageError` where no page can be written, before the work that it is to tell of."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"{path} cannot be a page: wanted a file's name in a folder that is there")
    if not os.access(path.absolute().parent, os.W_OK):
        raise UsageError(f"{path} cannot be a page, as its folder cannot be written: name it in another")


@cache
def _environment() -> jinja2.Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("retrieve.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    made.filters.update(
        cell=cell_text, setting=_setting, drawn=_drawn, pieces=pieces, kind=lambda block: type(block).__name__
    )
    return made


def _shown(value: object) -> object:
    """Text with characters that HTML cannot hold replaced one for one, so that offsets stay true."""
    return _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value


def cell_text(value: Cell, decimals: int = 3) -> str:
    """A cell as it is printed."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.{decimals}f}" if isinstance(value, float) else value


def _setting(value: Cell) -> str:
    """A setting as it would be typed: a learning rate is 3e-05, not 0.000."""
    return f"{value:g}" if isinstance(value, float) else cell_text(value)


def _drawn(block: Block) -> drawing.Drawing:
    match block:
        case LineChart():
            return drawing.line_chart(block)
        case BarChart():
            return drawing.bar_chart(block)
        case Columns():
            return drawing.columns(block)
        case Reliability():
            return drawing.reliability(block)
        case Scatter():
            return drawing.scatter(block)
    raise TypeError(f"{type(block).__name__} is no chart")
