"""XML elements of a stream, one record at a time, under a guard.

expat reads, with what makes XML dangerous switched off: a file that declares entities of its own is refused (a few
lines of them expand to gigabytes, and an external one reads another file), and no external document type is fetched.
Names lose their prefixes: which one stands for a namespace is the file's own affair.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element
from xml.parsers import expat

from retrieve.corpora.stream import Stream, too_long, without_mark
from retrieve.errors import InputError

_CHUNK = 1 << 16
_DECLARED = re.compile(rb"\A<\?xml[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_WIDE = ("utf-16", "utf-32")


class Located(Element):
    """An element with the line on which its tag stands."""

    line: int = 0


Record = tuple[int, Located | InputError]
"""The line on which a record begins, and the record or what is wrong with it."""


def records(stream: Stream, is_record: Callable[[list[str]], bool], max_bytes: int) -> Iterator[Record]:
    """Every element for whose path (names from the root on) `is_record` holds, with its line; none inside another.

    Several roots, one behind the other, are read as if one element held them: XML knows none such, collections do. A
    record of more than `max_bytes` is an error in its place. What is not well-formed is an error after which nothing
    more comes: the rest of the file cannot be told from markup.
    """
    chunks = _utf8(stream)
    builder = _Builder(stream.name, is_record, max_bytes)
    behind: Record | None = None
    ended = False
    while not ended:
        data = next(chunks, b"")
        ended = not data
        error = builder.feed(data, last=ended)
        yield from builder.take()
        while error is not None and (rest := builder.behind_root):
            behind = builder.line, error
            builder = _Builder(stream.name, is_record, max_bytes, builder.line - 1, builder.column)
            error = builder.feed(rest, last=ended)
            yield from builder.take()
        if error is not None:  # of what is no root, that it stands behind one
            yield behind if behind and not builder.begun else (builder.line, error)
            return


def beginning(stream: Stream) -> Located | InputError:
    """The root with those of its elements that the first bytes hold, without taking them; or what is wrong there."""
    builder = _Builder(stream.name, lambda path: len(path) == 1, _CHUNK)
    begun = _decoder(stream).decode(without_mark(stream.peek()))
    error = builder.feed(begun.encode("utf-8"), last=False)
    if builder.open:
        return builder.open[0]
    return next(
        (found for _, found in builder.ready),
        error or InputError(stream.name, "has no element: it is no XML"),
    )


def _decoder(stream: Stream) -> codecs.IncrementalDecoder:
    """Of what the first line declares. expat itself knows no encoding of several bytes."""
    declared, marked = _DECLARED.match(stream.peek()), stream.peek().startswith(codecs.BOM_UTF8)
    name = "utf-8" if declared is None or marked or stream.was_wide else declared[1].decode("ascii")
    try:
        if codecs.lookup(name).name.startswith(_WIDE):
            name = "utf-8"  # the declaration would not have been understood
        decoder = codecs.getincrementaldecoder(name)()
        decoder.decode(b"")
    except (LookupError, AttributeError, TypeError, ValueError):
        raise InputError(
            stream.name, f"declares the encoding {name!r}, which does not exist: correct it"
        ) from None
    return decoder


def _utf8(stream: Stream) -> Iterator[bytes]:
    """The file in UTF-8, whatever its first line declares."""
    decoder, place = _decoder(stream), 0
    while data := stream.readline(_CHUNK):
        try:
            yield decoder.decode(data if place else without_mark(data)).encode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                stream.name,
                f"after byte {place + error.start}: not {error.encoding} ({error.reason}); declare the encoding that "
                "the XML has in its first line",
            ) from error
        place += len(data)


@dataclass
class _Builder:
    """Elements of the open record, and the records that are ready.

    `above`, `beside`: lines above what is fed, and characters before it on its first line. `behind_root`: what follows
    the root, if that is more than white space and comments.
    """

    name: str
    is_record: Callable[[list[str]], bool]
    max_bytes: int
    above: int = 0
    beside: int = 0
    path: list[str] = field(default_factory=list)
    open: list[Located] = field(default_factory=list)
    ready: list[Record] = field(default_factory=list)
    start: int = 0
    fed: int = 0
    overlong: bool = False
    refused: InputError | None = None
    begun: bool = False
    behind_root: bytes = b""
    kept: bytes = b""

    def __post_init__(self) -> None:
        self.parser: Any = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.EntityDeclHandler = self._entity
        self.parser.SkippedEntityHandler = self._skipped

    @property
    def line(self) -> int:
        return int(self.parser.CurrentLineNumber) + self.above

    @property
    def column(self) -> int:
        """Characters before what is being read, on its line."""
        first = self.parser.CurrentLineNumber == 1
        return int(self.parser.CurrentColumnNumber) + (self.beside if first else 0)

    def take(self) -> list[Record]:
        taken, self.ready = self.ready, []
        return taken

    def feed(self, data: bytes, *, last: bool) -> InputError | None:
        """The error that ends the file, if there is one."""
        try:
            self.parser.Parse(data, last)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            if what == expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT:
                self.behind_root = (self.kept + data)[
                    self.parser.ErrorByteIndex - self.fed + len(self.kept) :
                ]
            return InputError(
                f"{self.name}:{self.line}",
                f"is not well-formed XML at column {self.column + 1} ({what}), and what follows cannot be read: "
                "repair it (a bare & is written &amp;, a bare < &lt;)",
            )
        except _StopError:
            return self.refused
        self.fed += len(data)
        if self.begun and not self.path:  # a tag that has begun here may be that of another root
            whole = self.kept + data
            self.kept = whole[len(whole) - self.fed + self.parser.CurrentByteIndex :]
        if self.fed - self.parser.CurrentByteIndex > self.max_bytes + _CHUNK:  # one tag, and no end to it
            return too_long(f"{self.name}:{self.line}", self.max_bytes)
        return None

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        name = local(name)
        self.begun = True
        self.path.append(name)
        if not self.open and not self.is_record(self.path):
            return
        made = Located(name, {local(key): value for key, value in attributes.items()})
        made.line = self.line
        if self.open:
            if not self.overlong:
                self.open[-1].append(made)
        else:
            self.start, self.overlong = self.parser.CurrentByteIndex, False
        self.open.append(made)

    def _end(self, _: str) -> None:
        self.path.pop()
        if not self.open:
            return
        self._measure()
        done = self.open.pop()
        if not self.open:
            where = f"{self.name}:{done.line}"
            self.ready.append((done.line, too_long(where, self.max_bytes) if self.overlong else done))

    def _text(self, text: str) -> None:
        if not self.open:
            return
        self._measure()
        if self.overlong:
            return
        element = self.open[-1]
        if len(element):
            element[-1].tail = (element[-1].tail or "") + text
        else:
            element.text = (element.text or "") + text

    def _measure(self) -> None:
        if not self.overlong and self.parser.CurrentByteIndex - self.start > self.max_bytes:
            self.overlong = True
            self.open[0].clear()

    def _entity(self, name: str, *_: object) -> None:
        self._refuse(
            f"declares the entity {name!r}: XML with entities of its own is not read, because they can stand for "
            "gigabytes or for other files; take the declaration out, with what it stands for in its place"
        )

    def _skipped(self, name: str, is_parameter: bool) -> None:
        """An entity of a document type that is not fetched: those that HTML has too are known."""
        if is_parameter:
            return
        text = html.unescape(f"&{name};")
        if text == f"&{name};":
            self._refuse(f"&{name}; is no entity that XML or HTML knows: write the character itself")
        self._text(text)

    def _refuse(self, message: str) -> None:
        self.refused = InputError(f"{self.name}:{self.line}", message)
        raise _StopError


class _StopError(Exception):
    """Leaves the parser; `_Builder.refused` says why."""


def local(name: str) -> str:
    """A name without its prefix."""
    return name.rpartition(":")[2]
