"""The tree that a browser builds of a page: lexbor's, through selectolax, with the options that all readers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieve.errors import MissingExtra

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser

_WITHOUT_EVENTS = 1
"""lexbor's option that leaves <selectedcontent> without its copy of the option."""


def tree_of(source: str) -> LexborHTMLParser:
    """The page as a browser that runs scripts takes it: what is in <noscript> is no markup. Raises `MissingExtra`."""
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ImportError as error:
        raise MissingExtra("reading HTML files", "files") from error
    return LexborHTMLParser(source, options=_WITHOUT_EVENTS, scripting=True)
