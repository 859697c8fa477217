"""Documents from XML of any form, by a mapping that says which elements are documents and where their parts are.

XML has no form of its own for a document, so nothing is guessed: without a mapping a file is refused with what was
found in it and the mapping that seems to fit.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from retrieve.corpora.check import check_document
from retrieve.corpora.corpus import ReadOptions, Records
from retrieve.corpora.extracted import Extracted
from retrieve.corpora.rows import parsed_rows
from retrieve.corpora.stream import Stream
from retrieve.corpora.xml_events import Located, beginning, records
from retrieve.corpora.xml_text import element_text
from retrieve.errors import InputError, UsageError
from retrieve.types import Document

_IDS = "number num no id qid docno docid pmid identifier topic_id query_id guid"
ID_NAMES = tuple(_IDS.split())
"""What an id is called, in the order in which it is looked for."""
_PREFIX = re.compile(r"[\w.-]+:")
_NAMES = re.compile(r"[\w.:-]+(/[\w.:-]+)*")
_PLACE = re.compile(rf"\.|@[\w.:-]+|{_NAMES.pattern}(/@[\w.:-]+)?")
_FORM = "wanted record=ELEMENT,id=PLACE,text=PLACE and perhaps title=PLACE, where a place is a child, a/b or @attribute"


@dataclass(frozen=True)
class XmlMapping:
    """Where documents are in XML. `record`: a name, or the last names of a path (`page`, `list/page`).

    Places are read from the record on: `a/b`, `@attribute`, `a/@attribute`, `.` for all of the record. Several places
    of `text` follow each other on lines of their own.
    """

    record: str
    id: str
    text: tuple[str, ...]
    title: str | None = None

    @classmethod
    def parsed(cls, written: str) -> XmlMapping:
        """From `record=…,id=…,text=…`. Raises `UsageError` for what is not that."""
        places: dict[str, list[str]] = {}
        for item in written.split(","):
            key, _, place = (part.strip() for part in item.partition("="))
            form = _NAMES if key == "record" else _PLACE
            if key not in ("record", "id", "text", "title") or not form.fullmatch(place):
                raise UsageError(f"--xml {written!r}: {item!r} is not understood; {_FORM}")
            places.setdefault(key, []).append(_PREFIX.sub("", place))
        lacking = [key for key in ("record", "id", "text") if key not in places]
        if lacking:
            raise UsageError(f"--xml {written!r} has no {', '.join(lacking)}; {_FORM}")
        for key in ("record", "id", "title"):
            if len(places.get(key, ())) > 1:
                raise UsageError(f"--xml {written!r} has two of {key}: keep one of them")
        title = places.get("title")
        return cls(places["record"][0], places["id"][0], tuple(places["text"]), title[0] if title else None)


def read_xml(stream: Stream, options: ReadOptions) -> Records:
    """The documents of a file. Without `options.xml` the file is refused, with the mapping that seems to fit."""
    mapping = options.xml
    if mapping is None:
        raise unmapped(stream)
    wanted = mapping.record.split("/")
    seen: Counter[str] = Counter()

    def is_record(path: list[str]) -> bool:
        seen[path[-1]] += 1
        return path[-len(wanted) :] == wanted

    def document(element: Located, where: str) -> Document:
        return _document(element, mapping, where)

    found = False
    for row in parsed_rows(stream.name, records(stream, is_record, options.max_line), document):
        found = True
        yield row
    if not found:
        held = ", ".join(f"{count} <{name}>" for name, count in seen.most_common(5)) or "nothing"
        raise InputError(
            stream.name, f"has no <{mapping.record}> in its XML, it holds {held}: correct record="
        )


def unmapped(stream: Stream) -> InputError:
    """The refusal of XML that nobody has explained: what was found, and the mapping that seems to fit."""
    root = beginning(stream)
    if isinstance(root, InputError):
        return root
    if root.tag.lower() == "html":
        return InputError(stream.name, "is an HTML page in XML: call it .xhtml or .html")
    record, held = _repeated(root)
    return InputError(
        stream.name,
        f"is XML, a <{root.tag}>{held}, and nothing says which elements are documents; say it by a mapping that fits, "
        f"like --xml record={record.tag},{_suggested(record)}",
    )


def _document(element: Located, mapping: XmlMapping, where: str) -> Document:
    ids = _texts(element, mapping.id)
    if len(ids) != 1:
        raise InputError(
            where, f"{len(ids)} texts at {mapping.id} in this <{mapping.record}>, wanted one with its id"
        )
    text = "\n".join(filter(None, (part for place in mapping.text for part in _texts(element, place))))
    title = " ".join(" ".join(_texts(element, mapping.title)).split()) if mapping.title else ""
    document = Extracted(text, title, "markup only" if len(element) else "empty").document(ids[0].strip())
    check_document(document, where)
    return document


def _texts(element: Element, place: str) -> list[str]:
    """The texts at a place, in order."""
    path, _, attribute = place.partition("@")
    found = element.findall(path.strip("/") or ".")
    if attribute:
        return [value for each in found if (value := each.get(attribute)) is not None]
    return [element_text(each) for each in found]


def _repeated(root: Element) -> tuple[Element, str]:
    """The first element that has a neighbour of its name, nearest to the root; the root if there is none."""
    level = [root]
    while level:
        for parent in level:
            counts = Counter(str(child.tag) for child in parent)
            for child in parent:
                if counts[str(child.tag)] > 1 and (len(child) or child.attrib):
                    return child, f" with several <{child.tag}>"
        level = [child for parent in level for child in parent]
    return root, ""


def _suggested(record: Element) -> str:
    children = [str(child.tag) for child in record]
    names = [f"@{name}" for name in record.attrib] + children
    doc_id = next((name for wanted in ID_NAMES for name in names if name.strip("@").lower() == wanted), None)
    doc_id = doc_id or next((name for name in names if name.lower().endswith("id")), "…")
    longest = max(record, key=lambda child: len(element_text(child)), default=None)
    title = next((name for name in children if name.lower() in ("title", "headline")), None)
    text = "." if longest is None else str(longest.tag)
    return f"id={doc_id},text={text}" + (f",title={title}" if title and title != text else "")
