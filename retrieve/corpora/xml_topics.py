"""TREC topics in XML, the form of most tracks since 2009: every track names its fields otherwise.

What all have in common: one element a topic (`topic`, `top`, `query`), an id in an attribute or a child, and the fields
as children, or the text in the topic itself. The file is read whole, because whether a field is chosen well can only be
said when the fields of all topics are known; topic files are small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from retrieve.corpora.check import check_document
from retrieve.corpora.corpus import ReadOptions, Records
from retrieve.corpora.rows import Row
from retrieve.corpora.stream import Stream
from retrieve.corpora.topic_fields import DEFAULT_FIELDS, number_of, text_of
from retrieve.corpora.xml_events import Located, local, records
from retrieve.corpora.xml_mapping import ID_NAMES
from retrieve.corpora.xml_text import element_text
from retrieve.errors import InputError
from retrieve.types import Document

_TOPIC_NAMES = ("topic", "top", "query", "question")
_ITSELF = "text"
"""The name of the field that is the topic's own text."""


def read_xml_topics(stream: Stream, options: ReadOptions) -> Records:
    """The topics of a file as documents: their id, and the fields of `options.topic_fields` joined by spaces.

    Without a choice the field is `title` or `query`, or the only one that there is. Raises `InputError` where that
    decides nothing, naming the fields.
    """
    topics: list[_Topic] = []
    for _, root in records(stream, lambda path: len(path) == 1, options.max_line):
        if isinstance(root, InputError):
            raise root
        topics += [_Topic.of(element) for element in _topics(root, stream.name)]
    if not topics:
        raise InputError(stream.name, "has no element: it is no XML")
    chosen = _chosen(topics, options.topic_fields, stream.name)
    for topic in topics:
        outcome: Document | InputError
        try:
            outcome = topic.document(chosen, f"{stream.name}:{topic.line}")
        except InputError as error:
            outcome = error
        yield Row(topic.line, outcome)


@dataclass(frozen=True)
class _Topic:
    """A topic's element: where it stands, its id if it has one, and its fields by name in small letters.

    `repeated`: fields that it has more than once, as in several languages.
    """

    line: int
    name: str
    id: str | None
    fields: dict[str, str]
    repeated: frozenset[str]

    @classmethod
    def of(cls, element: Located) -> _Topic:
        attributes = {_plain(name): value for name, value in element.attrib.items()}
        children: dict[str, list[str]] = {}
        for child in element:
            children.setdefault(_plain(str(child.tag)), []).append(element_text(child))
        own = " ".join([element.text or "", *(child.tail or "" for child in element)]).strip()
        topic_id = next((attributes[name] for name in ID_NAMES if name in attributes), None)
        if topic_id is None:
            found = next((name for name in ID_NAMES if name in children), None)
            topic_id = None if found is None else number_of(children.pop(found)[0])
        fields = {name: " ".join(texts) for name, texts in children.items() if any(texts)}
        if own:
            fields[_ITSELF] = " ".join([own, *([fields[_ITSELF]] if _ITSELF in fields else [])])
        repeated = frozenset(name for name, texts in children.items() if len(texts) > 1)
        return cls(element.line, str(element.tag), topic_id, fields, repeated)

    def document(self, chosen: tuple[str, ...], where: str) -> Document:
        if self.id is None:
            raise InputError(
                where,
                f"the XML <{self.name}> has no id, as an attribute or element {', '.join(ID_NAMES[:5])}",
            )
        text = " ".join(text_of(name, self.fields[name]) for name in chosen if name in self.fields)
        document = Document(id=self.id.strip(), text=" ".join(text.split()))
        check_document(document, where)
        return document


def _topics(root: Located, name: str) -> list[Located]:
    """The elements that are topics: by their name, or as the children of the root if all have one name."""
    for wanted in _TOPIC_NAMES:
        if found := list(_outermost(root, wanted)):
            return found
    names = {str(child.tag) for child in root}
    if len(names) != 1:
        held = ", ".join(f"<{each}>" for each in sorted(names)[:8]) or "no element"
        raise InputError(
            name,
            f"is XML, a <{root.tag}> with {held}, and no topics; "
            "wanted <topic> elements, each with its number and query",
        )
    return [child for child in root if isinstance(child, Located)]


def _outermost(root: Element, wanted: str) -> Iterator[Located]:
    stack: list[Element] = [root]
    while stack:
        element = stack.pop()
        if _plain(str(element.tag)) == wanted and isinstance(element, Located):
            yield element
        else:
            stack.extend(reversed(element))


def _chosen(topics: list[_Topic], asked: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The fields that are the query. Raises `InputError` for one that no topic has, and where nothing is chosen."""
    fields = list(dict.fromkeys(field for topic in topics for field in topic.fields))
    held = ", ".join(fields) or "no text"
    if unknown := [field for field in asked if _plain(field) not in fields]:
        raise InputError(
            name, f"no XML topic has the field {unknown[0]!r}; they have {held}: correct --topic-fields"
        )
    if asked:
        return tuple(_plain(field) for field in asked)
    if len(fields) <= 1:
        for field in set(fields).intersection(DEFAULT_FIELDS):
            _check_once(field, topics, name)
        return tuple(fields)
    for field in DEFAULT_FIELDS:
        if all(field in topic.fields for topic in topics):
            _check_once(field, topics, name)
            return (field,)
    raise InputError(
        name,
        f"its XML topics have the fields {held}: say which of them are the query, "
        f"as --topic-fields {','.join(fields[:2])}",
    )


def _check_once(field: str, topics: list[_Topic], name: str) -> None:
    """Raise `InputError` for a topic that has several: nobody has said that they are to be joined."""
    for topic in topics:
        if field in topic.repeated:
            raise InputError(
                f"{name}:{topic.line}",
                f"several <{field}> in one topic: keep one, or say --topic-fields {field}, which joins them",
            )


def _plain(name: str) -> str:
    return local(name).lower().replace("-", "_")
