"""Title and text of an HTML page, as a browser would build it: lexbor's tree, and a walk of our own by blocks.

The tree is the standard's, so a page that is joined to another, text outside of <body> and tags that nobody closed
come out as a reader sees them. The walk is ours because every library's own text method glues the words of neighbouring
blocks or cuts words at inline tags. What a browser would hide behind an element that is never closed is read, and said.
"""

from __future__ import annotations

import logging
import re

from retrieve.corpora.extracted import Extracted
from retrieve.corpora.html_encoding import decoded_page
from retrieve.corpora.html_walk import COMMENT, CONTAINERS, Walked, walk

logger = logging.getLogger("retrieve")

_PAGE_EDGE = re.compile(r"</(?:body|html)\s*>|(?=<(?:!doctype|html|body)[\s>])", re.IGNORECASE)
"""What follows goes on in the same <body>, and its first word would be glued to the last one."""
_SHADOW = re.compile(r"<template\s(?:[^<>]*\s)?shadowrootmode\s*=", re.IGNORECASE)
"""A template that is no template: its content is shown in place of the element that it stands in."""
_IN_DRAWINGS = ("annotation", "annotation-xml", "desc", "metadata")
"""Hidden in drawings and formulas, whose tags can close themselves."""
_REPAIRS = 16
"""How many elements of a page that are never closed are repaired. A page with more is not meant to be read."""
_QUOTES = "\"'"
_OPENING = re.compile(r"<([A-Za-z][^<>]*=\s*[\"'])\Z")
_LAST = "\ufdd0"
"""Stands in no page."""
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>]*)?/?>")


def html_text(data: bytes, where: str) -> Extracted:
    """The text of the first `title` that is not a drawing's (`document.title` of a browser), and the text of the page
    without script, style and nav.

    Block elements stand on lines of their own, cells of a row on one line with tabs between them; words that an inline
    tag divides stay whole, and marks of notes and powers are set apart. Items of ordered lists have their numbers. What
    `hidden` or `display:none` hides is left out, with a warning where that is more than the rest, and read where there
    is no rest. An element that is not shown and never closed (<noscript>, <script>, <template>, <nav>, a comment)
    does not take the rest of the page with it: that is read, from its first tag on, with a warning. Raises `InputError`
    for bytes that are not in the page's encoding, `MissingExtra`.
    """
    return page_text(decoded_page(data, where), where)


def page_text(source: str, where: str) -> Extracted:
    """The same for a page that is text already, as in a mail."""
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    source = _PAGE_EDGE.sub(r"\g<0>\n", source)
    walked, unclosed = _closed(source, as_shown=True)
    text = walked.text
    if walked.unshown > len(text):
        if text:
            said = "more text is hidden than shown (%d characters), and left out"
        else:
            said = "all text is hidden (%d characters), and read nevertheless"
            text = _closed(source, as_shown=False)[0].text
        logger.warning(f"%s: {said}", where, walked.unshown)
    if unclosed:
        logger.warning(
            "%s: never closed: %s; what follows is read as the page's text",
            where,
            ", ".join(
                f"<{name}" if name == COMMENT or name[-1] in _QUOTES else f"<{name}>"
                for name in dict.fromkeys(unclosed)
            ),
        )
    return Extracted(text, walked.title, "markup only" if source.strip() else "empty")


def _closed(source: str, *, as_shown: bool) -> tuple[Walked, list[str]]:
    """The walk over the page in which nothing hidden runs on to the end, and the names of what had to be closed."""
    source, quoted = _with_closed_quotes(source, as_shown=as_shown)
    source, unclosed = _without_unclosed_containers(source)
    unclosed = [*quoted, *unclosed]
    while True:
        walked = walk(source, as_shown=as_shown)
        name, content = walked.last_hidden
        place = _end_of_unclosed(source, name, content)
        if place is None or len(unclosed) == _REPAIRS:
            return walked, unclosed
        unclosed.append(name)
        source = f"{source[:place]}{'-->' if name == COMMENT else f'</{name}>'}{source[place:]}"


def _with_closed_quotes(source: str, *, as_shown: bool) -> tuple[str, list[str]]:
    """The page in which no value of an attribute runs on to the end, and the tags up to the marks that were closed."""
    closed = []
    for quote in _QUOTES:
        place = source.rfind(quote) + 1
        opening = _OPENING.search(source, max(source.rfind("<", 0, place), 0), place)
        end = source.find(">", place)
        if opening and end > 0 and _LAST not in walk(source + _LAST, as_shown=as_shown).text:
            closed.append(opening[1])
            source = f"{source[:end]}{quote}{source[end:]}"
    return source, closed


def _without_unclosed_containers(source: str) -> tuple[str, list[str]]:
    """The page with <div> in place of each hidden container that has no end tag, and of what is shown as one is."""
    unclosed: list[tuple[int, str]] = []
    renamed: list[tuple[int, str, str]] = []
    for name in (*CONTAINERS, *_IN_DRAWINGS):
        opened: list[int] = []
        not_closed = r"(?![^<>]*/>)" if name in _IN_DRAWINGS else ""
        for match in re.finditer(rf"<(/?){name}(?=[\s/>]){not_closed}", source, re.IGNORECASE):
            if not match[1]:
                opened.append(match.start())
            elif opened and _SHADOW.match(source, start := opened.pop()):
                renamed += [(start, "<template", "<div"), (match.start(), "</template", "</div")]
        unclosed += [(place, name) for place in opened]
    renamed += [(place, f"<{name}", "<div") for place, name in unclosed]
    pieces, at = [], 0
    for place, old, new in sorted(renamed):
        pieces += [source[at:place], new]
        at = place + len(old)
    return "".join([*pieces, source[at:]]), [name for _, name in sorted(unclosed)][:_REPAIRS]


def _end_of_unclosed(source: str, name: str, content: str) -> int | None:
    """Where the last hidden element should have ended if it runs on to the end of the page: before its first tag."""
    if not content:
        return None
    if name == "title":  # its entities are decoded, so the content cannot be found in the source
        lower = source.lower()
        opened = lower.find("<title", lower.rfind("</title") + 1)
        start = source.find(">", opened) + 1
        if opened < 0 or not start:
            return None
    else:
        seen, content = source.rstrip(), content.rstrip()
        start = len(seen) - len(content)
        before = seen[:start]
        if not (seen.endswith(content) and before[before.rfind("<") :].lower().startswith(f"<{name}")):
            return None
    tag = _TAG.search(source, start)
    if tag is None:
        return start if name.startswith("no") else None
    return tag.start()
