"""TREC's SGML: documents between <DOC> and </DOC>, topics between <top> and </top>.

It is not XML (no root, unclosed tags, bare ampersands), so no XML parser reads it. Blocks are cut by their outer tag
in one linear pass, a line at a time; inside a block only the tags we know mean anything.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from retrieve.corpora.check import check_document
from retrieve.corpora.corpus import ReadOptions, Records
from retrieve.corpora.rows import parsed_rows
from retrieve.corpora.stream import Line, Stream, numbered_lines, too_long
from retrieve.corpora.topic_fields import DEFAULT_FIELDS, number_of, text_of
from retrieve.errors import InputError
from retrieve.types import Document

_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|<[!?][^<>]*>")
_TITLE_TAGS = ("TITLE", "HEADLINE", "HL", "HEAD")
_TOPIC_FIELD = re.compile(r"<(/?[A-Za-z][\w.-]*)[^<>]*>")


def read_trec(stream: Stream, options: ReadOptions) -> Records:
    """The documents of a file. Errors name the line of the <DOC>."""
    yield from parsed_rows(stream.name, blocks(stream, "DOC", options.max_line), _document)


def read_topics(stream: Stream, options: ReadOptions) -> Records:
    """The topics of a file as documents: id from <num>, text from <title>, or from `options.topic_fields`."""
    asked = tuple(name.lower() for name in options.topic_fields)

    def topic(block: str, where: str) -> Document:
        return _topic(block, asked, where)

    yield from parsed_rows(stream.name, blocks(stream, "top", options.max_line), topic)


def blocks(stream: Stream, tag: str, max_bytes: int) -> Iterator[Line]:
    """What stands between each <tag> and </tag>, with the line of the opening tag, or the error in its place."""
    splitter = _Splitter(stream.name, tag, max_bytes)
    number = 0
    for number, line in numbered_lines(stream, max_bytes):
        splitter.feed(number, line)
        yield from splitter.take()
    splitter.finish(number)
    yield from splitter.take()


@dataclass
class _Splitter:
    """Cuts lines into blocks. `start` is the line of the open block, 0 outside of any."""

    name: str
    tag: str
    max_bytes: int
    start: int = 0
    size: int = 0
    found: int = 0
    error: InputError | None = None
    pieces: list[str] = field(default_factory=list)
    ready: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.boundary = re.compile(rf"<(/?){self.tag}(?:\s[^<>]*)?>", re.IGNORECASE)

    def take(self) -> list[Line]:
        taken, self.ready = self.ready, []
        return taken

    def feed(self, number: int, line: str | InputError) -> None:
        if isinstance(line, InputError):
            self._bad(number, line)
            return
        at = 0
        for match in self.boundary.finditer(line):
            self._text(number, line[at : match.start()])
            self._tag(number, closing=bool(match[1]))
            at = match.end()
        self._text(number, line[at:] + "\n")

    def finish(self, last: int) -> None:
        if self.start:
            self._unclosed()
        elif last and not self.found:
            self.ready.append((last, InputError(self.name, f"there is no <{self.tag}> in the file")))

    def _tag(self, number: int, *, closing: bool) -> None:
        self.found += 1
        if closing and not self.start:
            self._bad(number, self._error(number, f"</{self.tag}> without <{self.tag}>: the file is damaged"))
        elif closing:
            self._close()
        else:
            if self.start:
                self._unclosed()
            self.start, self.size, self.error, self.pieces = number, 0, None, []

    def _text(self, number: int, text: str) -> None:
        if self.start:
            self.size += len(text)
            if self.size > self.max_bytes and not self.error:
                self.error = too_long(f"{self.name}:{self.start}", self.max_bytes)
            if self.error:
                self.pieces = []
            else:
                self.pieces.append(text)
        elif _MARKUP.sub("", text).replace("\ufeff", "").strip():  # with the mark of a file that was joined
            self._bad(
                number,
                self._error(number, f"text outside of <{self.tag}>…</{self.tag}>: {text.strip()[:40]!r}"),
            )

    def _bad(self, number: int, error: InputError) -> None:
        if not self.start:
            self.ready.append((number, error))
        elif not self.error:
            self.error = error

    def _close(self) -> None:
        self.ready.append((self.start, self.error or "".join(self.pieces)))
        self.start = 0

    def _unclosed(self) -> None:
        self.error = self.error or self._error(self.start, f"<{self.tag}> is never closed by </{self.tag}>")
        self._close()

    def _error(self, number: int, message: str) -> InputError:
        return InputError(f"{self.name}:{number}", message)


def _document(block: str, where: str) -> Document:
    ids = _elements(block, "DOCNO", where)
    if len(ids) != 1:
        raise InputError(where, f"{len(ids)} <DOCNO> in a <DOC>, wanted one with the document's id")
    block = _without(block, ids)
    titles = next(filter(None, (_title_elements(block, tag) for tag in _TITLE_TAGS)), [])
    title = " ".join(_plain(span.inner).replace("\n", " ") for span in titles)
    block = _without(block, titles)
    texts = _elements(block, "TEXT", where)
    document = Document(
        id=_plain(ids[0].inner),
        text="\n\n".join(_plain(span.inner) for span in texts) if texts else _plain(block),
        title=" ".join(title.split()),
    )
    check_document(document, where)
    return document


def _topic(block: str, asked: tuple[str, ...], where: str) -> Document:
    """Topic fields are rarely closed: each ends where the next begins."""
    fields: dict[str, str] = {}
    twice: set[str] = set()
    matches = list(_TOPIC_FIELD.finditer(block))
    for match, following in zip(matches, [*matches[1:], None], strict=True):
        name = match[1].lower()
        if not name.startswith("/"):
            twice.update({name} & fields.keys())
            fields[name] = block[match.end() : following.start() if following else len(block)]
    chosen = asked or next(((name,) for name in DEFAULT_FIELDS if name in fields), DEFAULT_FIELDS[:1])
    for name in ("num", *chosen):
        if name not in fields:
            held = ", ".join(f"<{each}>" for each in fields) or "no field"
            raise InputError(
                where, f"the topic has no <{name}>, it has {held}; wanted <num> with its id and its text"
            )
        if name in twice:
            raise InputError(where, f"two <{name}> in one topic: keep one of them")
    text = " ".join(_plain(text_of(name, fields[name])) for name in chosen)
    document = Document(id=_plain(number_of(fields["num"])), text=" ".join(text.split()))
    check_document(document, where)
    return document


@dataclass(frozen=True)
class _Span:
    """One element: where it begins and ends in the block, and what is between its tags."""

    start: int
    end: int
    inner: str


def _elements(block: str, tag: str, where: str) -> list[_Span]:
    """The elements of that name. Raises `InputError` where tags do not pair: a text would be lost otherwise."""
    spans: list[_Span] = []
    opened: re.Match[str] | None = None
    for match in re.finditer(rf"<(/?){tag}(?:\s[^<>]*)?>", block, re.IGNORECASE):
        if bool(match[1]) == (opened is None):
            raise InputError(where, f"<{tag}> and </{tag}> do not pair inside the <DOC>: close each one")
        if opened is None:
            opened = match
        else:
            spans.append(_Span(opened.start(), match.end(), block[opened.end() : match.start()]))
            opened = None
    if opened is not None:
        raise InputError(where, f"<{tag}> is never closed inside the <DOC>")
    return spans


def _title_elements(block: str, tag: str) -> list[_Span]:
    """Title elements; none if they do not pair, so that what they hold stays in the text."""
    try:
        return _elements(block, tag, "")
    except InputError:
        return []


def _without(block: str, spans: list[_Span]) -> str:
    kept, at = [], 0
    for span in spans:
        kept.append(block[at : span.start])
        at = span.end
    return " ".join([*kept, block[at:]])


def _plain(markup: str) -> str:
    """Text without tags and entities; lines trimmed, at most one blank line in a row."""
    text = html.unescape(_MARKUP.sub(" ", markup))
    lines = "\n".join(line.strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip()
