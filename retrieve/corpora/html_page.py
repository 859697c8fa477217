"""Title and text of an HTML page, as a browser would build it: lexbor's tree, and a walk of our own by blocks.

The tree is the standard's, so a page that is joined to another, text outside of <body> and tags that nobody closed
come out as a reader sees them. The walk is ours because every library's own text method glues the words of neighbouring
blocks or cuts words at inline tags. What a browser would hide behind an element that is never closed is read, and said.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieve.corpora.extracted import Extracted, tidied
from retrieve.corpora.html_encoding import decoded_page
from retrieve.corpora.html_tree import tree_of

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

logger = logging.getLogger("retrieve")

_BLOCK_NAMES = """
address article aside blockquote body br button caption center dd details dialog dir div dl dt fieldset figcaption
figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html label legend li listing main menu nav ol optgroup option
p plaintext pre search section select summary table tbody td textarea tfoot th thead tr ul xmp
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_SPACE_NAMES = (
    "audio canvas embed foreignObject iframe img input math meter object progress rt svg text video"
)
_SPACES = frozenset(_SPACE_NAMES.split())
"""What takes room between the words beside it without beginning a line."""
_RAW = frozenset(("iframe", "noembed", "noframes", "noscript", "script", "style", "title"))
"""Whose content a browser takes as it stands, up to the end tag, and does not show."""
_CONTAINERS = ("audio", "canvas", "datalist", "nav", "template", "video")
"""Whose elements a browser does not show where it has something better. `nav` is about other pages."""
_HIDDEN = _RAW.union(_CONTAINERS, ("annotation", "annotation-xml"))
_HIDDEN_IN_SVG = frozenset(("desc", "metadata"))
_AS_TYPED = frozenset(("listing", "plaintext", "pre", "textarea", "xmp"))
_COMMENT = "!--"
_PAGE_END = re.compile(r"</(?:body|html)\s*>", re.IGNORECASE)
"""What follows goes on in the same <body>, and its first word would be glued to the last one."""
_REPAIRS = 16
"""How many elements of a page that are never closed are repaired. A page with more is not meant to be read."""
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>]*)?/?>")


def html_text(data: bytes, where: str) -> Extracted:
    """The text of `head > title`, and the text of the page without script, style and nav.

    Block elements stand on lines of their own; words that an inline tag divides stay whole. What styles or attributes
    hide is kept. An element that is not shown and never closed (<noscript>, <script>, <template>, <nav>, a comment)
    does not take the rest of the page with it: that is read, from its first tag on, with a warning. Raises `InputError`
    for bytes that are not in the page's encoding, `MissingExtra`.
    """
    return page_text(decoded_page(data, where), where)


def page_text(source: str, where: str) -> Extracted:
    """The same for a page that is text already, as in a mail."""
    source = _PAGE_END.sub(r"\g<0>\n", source.replace("\r\n", "\n").replace("\r", "\n"))
    walked, unclosed = _closed(source)
    if unclosed:
        logger.warning(
            "%s: never closed: %s; what follows is read as the page's text",
            where,
            ", ".join(f"<{name}" if name == _COMMENT else f"<{name}>" for name in dict.fromkeys(unclosed)),
        )
    return Extracted(tidied(walked.pieces), walked.title, "markup only" if source.strip() else "empty")


@dataclass
class _Walked:
    """What a walk gave: pieces of text with line ends around blocks, and the last hidden element with its content."""

    title: str
    pieces: list[str]
    last_hidden: tuple[str, str] = ("", "")


def _closed(source: str) -> tuple[_Walked, list[str]]:
    """The walk over the page in which nothing hidden runs on to the end, and the names of what had to be closed."""
    source, unclosed = _without_unclosed_containers(source)
    while True:
        walked = _walk(source)
        name, content = walked.last_hidden
        place = _end_of_unclosed(source, name, content)
        if place is None or len(unclosed) == _REPAIRS:
            return walked, unclosed
        unclosed.append(name)
        source = f"{source[:place]}{'-->' if name == _COMMENT else f'</{name}>'}{source[place:]}"


def _without_unclosed_containers(source: str) -> tuple[str, list[str]]:
    """The page with <div> in place of each hidden container that has no end tag."""
    unclosed: list[tuple[int, str]] = []
    for name in _CONTAINERS:
        opened: list[int] = []
        for match in re.finditer(rf"<(/?){name}(?=[\s/>])", source, re.IGNORECASE):
            if not match[1]:
                opened.append(match.start())
            elif opened:
                opened.pop()
        unclosed += [(place, name) for place in opened]
    pieces, at = [], 0
    for place, name in sorted(unclosed):
        pieces += [source[at:place], "<div"]
        at = place + len(f"<{name}")
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


def _walk(source: str) -> _Walked:
    """One pass over the tree in document order. A stack, not recursion: nesting comes from the file."""
    tree = tree_of(source)
    title = tree.css_first("head > title")
    walked = _Walked("" if title is None else " ".join(title.text().split()), [])
    stack: list[tuple[LexborNode | None, str]] = []
    as_typed = in_svg = 0
    document = None if tree.root is None else tree.root.parent  # comments stand beside <html> too
    node = None if document is None else document.child
    while node is not None or stack:
        if node is None:  # all children of an element are done
            node, name = stack.pop()
            walked.pieces.append(_around(name))
            as_typed -= name in _AS_TYPED
            in_svg -= name == "svg"
            continue
        name, following = node.tag or "", node.next
        if name == "-text":
            text = node.text_content or ""
            walked.pieces.append(text if as_typed else text.replace("\n", " "))
        elif name == "-comment":
            walked.last_hidden = (_COMMENT, node.comment_content or "")
        elif name in _RAW:
            walked.last_hidden = (name, node.text())
            walked.pieces.append(_around(name))
        else:
            walked.pieces.append(_around(name))
            if name not in _HIDDEN and not (in_svg and name in _HIDDEN_IN_SVG):
                stack.append((following, name))
                as_typed += name in _AS_TYPED
                in_svg += name == "svg"
                following = node.child
        node = following
    return walked


def _around(name: str) -> str:
    """What parts an element's words from those before and after it."""
    return "\n" if name in _BLOCKS else " " if name in _SPACES else ""
