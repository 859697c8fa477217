"""The members of one JSON object that fills a file, read one by one with the line of each.

PubMedQA's releases are such objects (identifier → record), up to half a gigabyte: decoded whole they would take many
times that, and an error would have no line. Brackets are counted outside of strings, which no line break can be in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.jsonl import parse_object
from retrieve.corpora.stream import Stream, numbered_lines, too_long
from retrieve.errors import InputError

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,"]|[^\s{}\[\]:,"]+')
_DEEPER = {"{": 1, "[": 1, "}": -1, "]": -1}


class Member(NamedTuple):
    """A key of the object, and the text of its value, which begins as an object."""

    key: str
    text: str


def members(stream: Stream, options: ReadOptions) -> Iterator[tuple[int, Member | InputError]]:
    """Each member with the line on which its value begins; a value over `options.max_line` is an error in its place.

    Raises `InputError` for what is broken between members: nobody knows then where the next one begins.
    """
    scan = _Scan(stream.name, options.max_line)
    for number, line in numbered_lines(stream, options.max_line):
        if isinstance(line, InputError):
            raise line
        yield from scan.line(number, line)
    if not scan.closed:
        raise InputError(
            f"{stream.name}:{scan.start}", "the file ends inside of its JSON object: fetch it again"
        )


def first_member(stream: Stream, options: ReadOptions) -> dict[str, Any] | None:
    """The value of the first member; None where the file is no object of objects."""
    try:
        for _, member in members(stream, options):
            return None if isinstance(member, InputError) else parse_object(member.text, stream.name)
    except InputError:
        return None
    return None


class _Scan:
    """Where in the object the reading is. `_depth` 0 is outside of it, 1 between members, more inside of a value."""

    def __init__(self, name: str, most: int) -> None:
        self.start = 1
        self.closed = False
        self._name = name
        self._most = most
        self._depth = 0
        self._key: str | None = None
        self._pieces: list[str] = []
        self._size = 0

    def line(self, number: int, line: str) -> Iterator[tuple[int, Member | InputError]]:
        """The members that end on the line."""
        begin = 0
        for token in _TOKEN.finditer(line):
            text = token[0]
            if self._depth > 1:
                self._depth += _DEEPER.get(text, 0)
                if self._depth == 1:
                    self._keep(line[begin : token.end()])
                    yield self.start, self._member()
            elif self._depth == 1 and self._key is not None and text == "{":
                self._depth, self.start, begin = 2, number, token.start()
            elif not self._between(text):
                raise InputError(
                    f"{self._name}:{number}",
                    f"{text[:20]!r} at column {token.start() + 1}: wanted one JSON object of key → object",
                )
        if self._depth > 1:
            self._keep(line[begin:])

    def _between(self, text: str) -> bool:
        """Take a token outside of values, if it may stand there."""
        if self._depth == 0:
            if text != "{" or self.closed:
                return False
            self._depth = 1
        elif text == "}" and self._key is None:
            self._depth, self.closed = 0, True
        elif self._key is None and text.startswith('"') and len(text) > 1:
            try:
                self._key = json.loads(text)
            except ValueError:
                return False
        else:
            return text in (":", ",")
        return True

    def _keep(self, piece: str) -> None:
        """Beyond the limit nothing is kept."""
        self._size += len(piece)
        if self._size <= self._most:
            self._pieces.append(piece)

    def _member(self) -> Member | InputError:
        key, pieces, size = self._key or "", self._pieces, self._size
        self._key, self._pieces, self._size = None, [], 0
        if size > self._most:
            return too_long(f"{self._name}:{self.start}", self._most)
        return Member(key, "\n".join(pieces))
