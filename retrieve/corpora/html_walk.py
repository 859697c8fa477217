"""A walk over a page's tree in document order: what a browser shows of it, as lines, cells and words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retrieve.corpora.html_lists import LISTS, ListNumbers
from retrieve.corpora.html_tree import tree_of

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_BLOCK_NAMES = """
address article aside blockquote body br button caption center dd details dialog dir div dl dt fieldset figcaption
figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html label legend li listing main menu nav ol optgroup option
p plaintext pre search section select summary table tbody textarea tfoot thead tr ul xmp
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_SPACE_NAMES = (
    "audio canvas embed foreignObject iframe img input math meter object progress rt svg text video"
)
_SPACES = frozenset(_SPACE_NAMES.split())
"""What takes room between the words beside it without beginning a line."""
_RAW = frozenset(("iframe", "noembed", "noframes", "noscript", "script", "style", "title"))
"""Whose content a browser takes as it stands, up to the end tag, and does not show."""
CONTAINERS = ("audio", "canvas", "datalist", "nav", "template", "video")
"""Whose elements a browser does not show where it has something better. `nav` is about other pages."""
_HIDDEN = _RAW.union(CONTAINERS, ("annotation", "annotation-xml"))
_HIDDEN_IN_SVG = frozenset(("desc", "metadata"))
_AS_TYPED = frozenset(("listing", "plaintext", "pre", "textarea", "xmp"))
_AROUND = dict.fromkeys(_BLOCKS, "\n") | dict.fromkeys(("td", "th"), "\t") | dict.fromkeys(_SPACES, " ")
"""What parts an element's words from those before and after it."""
_COUNTED = frozenset(("svg", "sup", "li", *LISTS)) | _AS_TYPED
"""Elements that change how those inside of them are taken."""
_NO_DISPLAY = re.compile(r"(?:^|;)\s*display\s*:\s*none\b", re.IGNORECASE)
_NOTE = re.compile(r"[\d*†‡§¶#+,.()\[\]−–-]+")
"""What is set apart where it stands higher: a note's number or mark, a power. Letters (1st) are part of the word."""
COMMENT = "!--"


@dataclass
class Walked:
    """What a walk gave.

    `last_hidden`: the last element that is never shown, with its content. `unshown`: how many characters are not shown
    because attributes say so.
    """

    title: str
    pieces: list[str] = field(default_factory=list)
    last_hidden: tuple[str, str] = ("", "")
    unshown: int = 0

    @property
    def text(self) -> str:
        """One space between words, one tab between the cells of a row, and no empty line."""
        lines = "".join(self.pieces).split("\n")
        rows = (_row(line) if "\t" in line else " ".join(line.split()) for line in lines)
        return "\n".join(filter(None, rows))


def _row(line: str) -> str:
    return "\t".join(cell for each in line.split("\t") if (cell := " ".join(each.split())))


class _Within:
    """What the walk is in that changes how text is taken. `plain`: nothing does. `unshown`: characters passed over."""

    def __init__(self) -> None:
        self.plain = True
        self.in_svg = 0
        self.unshown = 0
        self._as_typed = self._in_unshown = 0
        self._apart = False
        self._numbers = ListNumbers()
        self._entered: list[tuple[bool, bool]] = []

    def enter(self, name: str, node: LexborNode, *, unshown: bool) -> str:
        """An element of `_COUNTED` begins, or one that is not shown. Returns what is to stand in front of it."""
        note = name == "sup" and _NOTE.fullmatch(node.text().strip()) is not None
        self._entered.append((unshown, note))
        self._in_unshown += unshown
        self._as_typed += name in _AS_TYPED
        self.in_svg += name == "svg"
        self._numbers.enter(name, node, shown=not self._in_unshown)
        self._look()
        return " " if note else ""

    def leave(self, name: str) -> None:
        """It ends."""
        unshown, note = self._entered.pop()
        self._in_unshown -= unshown
        self._as_typed -= name in _AS_TYPED
        self.in_svg -= name == "svg"
        self._numbers.leave(name)
        self._apart |= note  # the next letter or digit is none of the word before
        self._look()

    def taken(self, text: str) -> str:
        """What is to be read of a piece of text."""
        if self._in_unshown:
            self.unshown += len(text.strip())
            return ""
        between = " " if self._apart and text[:1].isalnum() else ""
        number = self._numbers.take() if text.strip() else ""
        self._apart = False
        self._look()
        return between + number + (text if self._as_typed else text.replace("\n", " "))

    def _look(self) -> None:
        self.plain = not (self._as_typed or self._in_unshown or self._apart or self._numbers.mark)


def walk(source: str, *, as_shown: bool) -> Walked:
    """One pass over the tree. A stack, not recursion: nesting comes from the file.

    `as_shown`: without what attributes say is not to be shown. A tab in the source counts as one between cells.
    """
    tree = tree_of(source)
    walked = Walked(next((" ".join(node.text().split()) for node in tree.css("title") if _of_page(node)), ""))
    add, around, within = walked.pieces.append, _AROUND.get, _Within()
    stack: list[tuple[LexborNode | None, str, bool]] = []
    lower = source.lower() if as_shown else ""
    hides = "hidden" in lower or "display" in lower
    document = None if tree.root is None else tree.root.parent  # comments stand beside <html> too
    node = None if document is None else document.child
    while node is not None or stack:
        if node is None:  # all children of an element are done
            node, name, counted = stack.pop()
            add(around(name, ""))
            if counted:
                within.leave(name)
            continue
        name, following = node.tag or "", node.next
        if name == "-text":
            text = node.text_content or ""
            add(text.replace("\n", " ") if within.plain else within.taken(text))
        elif name == "-comment":
            walked.last_hidden = (COMMENT, node.comment_content or "")
        elif name in _RAW:
            walked.last_hidden = (name, node.text())
            add(around(name, ""))
        else:
            add(around(name, ""))
            if name not in _HIDDEN and not (within.in_svg and name in _HIDDEN_IN_SVG):
                unshown = hides and _is_unshown(node)
                counted = unshown or name in _COUNTED
                if counted:
                    add(within.enter(name, node, unshown=unshown))
                stack.append((following, name, counted))
                following = node.child
        node = following
    walked.unshown = within.unshown
    return walked


def _of_page(title: LexborNode) -> bool:
    """Whether a `title` is the page's, wherever it stands, and not that of a drawing."""
    above = title.parent
    while above is not None and above.tag != "svg":
        above = above.parent
    return above is None


def _is_unshown(node: LexborNode) -> bool:
    """Whether the element's own attributes say so. What a search in the page would find counts as shown."""
    attributes = node.attributes
    if "hidden" in attributes and (attributes["hidden"] or "").strip().lower() != "until-found":
        return True
    return _NO_DISPLAY.search(attributes.get("style") or "") is not None
