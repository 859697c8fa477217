"""Title and text of a Word file (.docx), as the word processor shows it: every word once.

The walk is our own, over the XML, because libraries lose text (boxes, notes, fields inside of content controls) or have
it twice (a text box has a second form for old programs). What is deleted or moved away under tracked changes, hidden,
or the code of a field is not shown and not read. Numbers of lists, charts and comments are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree.ElementTree import Element

from retrieve.corpora.extracted import Extracted, tidied
from retrieve.corpora.office_package import Package
from retrieve.errors import InputError

_OLE = b"\xd0\xcf\x11\xe0"
_LOCKED = "EncryptedPackage".encode("utf-16-le")
_OFF = ("0", "false", "off")
_NOT_SHOWN = frozenset(
    ("del", "moveFrom", "instrText", "delText", "delInstrText", "pPr", "rPr", "tblPr", "trPr", "tcPr")
)
_CHARACTERS = {
    "tab": " ",
    "ptab": " ",
    "br": "\n",
    "cr": "\n",
    "noBreakHyphen": "-",
    "rt": " ",
    "rubyBase": " ",
    "num": " ",
    "den": " ",
}
"""What stands for an element; of ruby text and fractions, what parts them from the text beside."""


def docx_text(path: Path, where: str) -> Extracted:
    """The text: headers, the body with its tables cell by cell, footnotes, endnotes, footers; paragraphs are lines.

    The title is the first paragraph in the style Title, else in Heading 1. A file under a password has no text.
    Raises `InputError` for what is no Word file.
    """
    try:
        with path.open("rb") as file:
            old = file.read(len(_OLE)) == _OLE
            locked = old and _LOCKED in file.read()
    except OSError as error:
        raise InputError(where, f"cannot be read: {error.strerror}") from error
    if locked:
        return Extracted("", why_empty="locked")
    if old:
        raise InputError(where, "is a Word file of the form before 2007 (.doc): save it as .docx")
    package = Package(path, where)
    try:
        return _Reading(package).extracted()
    finally:
        package.close()


class _Reading:
    """One pass over the parts of a file."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._part = next((name for kind, name in package.related().values() if kind == "officeDocument"), "")
        if not self._part:
            raise InputError(package.where, "is an Office file without a document: it is not one of Word's")
        self._related = package.related(self._part)

    def extracted(self) -> Extracted:
        """Everything in the order in which it is read."""
        document = self._package.root(self._part)
        if document.tag != "document":
            raise InputError(
                self._package.where, f"is an Office file of another kind (<{document.tag}>), not Word's"
            )
        body = _Walk(self._titles())
        body.walk(document)
        if not body.fields_end:  # all that follows the code of such a field would be lost
            body = _Walk(self._titles(), fields=False)
            body.walk(document)
        sections = list(document.iter("sectPr"))
        pieces = [
            *self._margins(sections, "header"),
            body.text(),
            *self._notes("footnotes", body.notes["footnoteReference"]),
            *self._notes("endnotes", body.notes["endnoteReference"]),
            *self._diagrams(body.diagrams),
            *self._margins(sections, "footer"),
        ]
        return Extracted(tidied("\n".join(pieces)), body.title, "markup only")

    def _named(self, kind: str) -> Element | None:
        """The part of a kind of which there is one."""
        part = next((name for each, name in self._related.values() if each == kind), None)
        return None if part is None else self._package.root(part)

    def _titles(self) -> list[str]:
        """Ids of the styles of titles, the best first: ids are in the language of the program, names are not."""
        styles = self._named("styles")
        names = {
            (name.get("val") or "").lower(): style.get("styleId", "")
            for style in (() if styles is None else styles.iter("style"))
            if (name := style.find("name")) is not None
        }
        return [names[name] for name in ("title", "heading 1") if name in names]

    def _margins(self, sections: Iterable[Element], kind: str) -> list[str]:
        """Headers or footers that are shown: those of first pages and of even ones only where they are switched on."""
        settings = self._named("settings")
        even = settings is not None and _is_on(settings.find("evenAndOddHeaders"))
        parts: dict[str, None] = {}
        for section in sections:
            shown = {"default": True, "first": _is_on(section.find("titlePg")), "even": even}
            for reference in section.iter(f"{kind}Reference"):
                _, part = self._related.get(reference.get("id", ""), ("", ""))
                if part and shown.get(reference.get("type", "default")):
                    parts[part] = None
        return list(dict.fromkeys(_text_of(self._package.root(part)) for part in parts))

    def _notes(self, kind: str, wanted: Iterable[str]) -> list[str]:
        """Notes in the order in which the text refers to them."""
        root = self._named(kind)
        notes = {note.get("id", ""): note for note in (() if root is None else root)}
        return [_text_of(notes[each]) for each in dict.fromkeys(wanted) if each in notes]

    def _diagrams(self, wanted: Iterable[str]) -> list[str]:
        parts = dict.fromkeys(self._related[each][1] for each in wanted if each in self._related)
        return [_text_of(self._package.root(part)) for part in parts]


class _Walk:
    """The text under an element, and what it refers to. A stack, not recursion: nesting comes from the file."""

    def __init__(self, titles: list[str], *, fields: bool = True) -> None:
        self.title = ""
        self._read_fields = fields
        self.notes: dict[str, list[str]] = {"footnoteReference": [], "endnoteReference": []}
        self.diagrams: list[str] = []
        self._titles = titles
        self._rank = len(titles)
        self._pieces: list[str] = []
        self._fields: list[bool] = []
        self._boxes: list[list[Element]] = [[]]

    @property
    def fields_end(self) -> bool:
        """Whether every field that begins has its end."""
        return not self._fields

    def text(self) -> str:
        """What was found so far."""
        return "".join(self._pieces)

    def walk(self, root: Element) -> None:
        """Take in the text of an element. A box comes after the paragraph that it is fixed to, and cuts no word."""
        stack: list[Element | tuple[Element, int]] = [root]
        while stack:
            item = stack.pop()
            if isinstance(item, tuple):
                stack.extend(reversed(self._after_paragraph(*item)))
            elif item.tag == "p":
                self._boxes.append([])
                stack.append((item, len(self._pieces)))
                stack.extend(reversed(item))
            elif item.tag == "txbxContent" and len(self._boxes) > 1:
                self._boxes[-1].extend(item)
            else:
                stack.extend(reversed(self._shown(item)))

    def _after_paragraph(self, paragraph: Element, start: int) -> list[Element]:
        style = paragraph.find("pPr/pStyle")
        name = None if style is None else style.get("val")
        if name in self._titles and self._titles.index(name) < self._rank:
            title = " ".join("".join(self._pieces[start:]).split())
            self.title, self._rank = (title, self._titles.index(name)) if title else (self.title, self._rank)
        mark = paragraph.find("pPr/rPr")
        joined = mark is not None and (mark.find("del") is not None or mark.find("moveFrom") is not None)
        boxes = self._boxes.pop()
        if boxes or not joined:
            self._pieces.append("\n")
        return boxes

    def _shown(self, element: Element) -> list[Element]:
        """The children to go on with; what the element itself says is taken in."""
        name = str(element.tag)
        if name in _NOT_SHOWN or (name == "r" and _is_on(element.find("rPr/vanish"))):
            return []
        if name == "fldChar" and self._read_fields:
            self._field(element.get("fldCharType"))
        if name == "AlternateContent":
            return list(element.findall("Choice")[:1] or element.findall("Fallback"))
        if name == "relIds":
            self.diagrams.append(element.get("dm", ""))
        elif name in self.notes:
            self.notes[name].append(element.get("id", ""))
        elif all(self._fields):
            self._pieces.append((element.text or "") if name == "t" else _CHARACTERS.get(name, ""))
        return list(element)

    def _field(self, kind: str | None) -> None:
        """A field is its code up to `separate`, which is not shown, and then its result."""
        if kind == "begin":
            self._fields.append(False)
        elif kind == "separate" and self._fields:
            self._fields[-1] = True
        elif kind == "end" and self._fields:
            self._fields.pop()


def _text_of(element: Element) -> str:
    walk = _Walk([])
    walk.walk(element)
    return walk.text()


def _is_on(switch: Element | None) -> bool:
    return switch is not None and switch.get("val", "1") not in _OFF
