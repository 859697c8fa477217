"""Bytes and lines of one input, plain or gzip, a file or standard input, as UTF-8.

What begins with the byte order mark of UTF-16 or UTF-32 (Windows calls it "Unicode") is turned into UTF-8 here, so that
no reader above has to know. Python's own text files cannot be used: they decode by buffer, so that a bad byte has no
line number, and they read a line of any length into memory. Here lines are cut as bytes under a limit and decoded one
by one.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import stat
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from retrieve.errors import InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STANDARD_INPUT = "standard input"

_BOM = b"\xef\xbb\xbf"
_MARKED_LINE = re.compile("^\ufeff+", re.MULTILINE)
_WIDE = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_GZIP = b"\x1f\x8b"
_BROKEN_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)
_CHUNK = 1 << 16

Line = tuple[int, str | InputError]


class Stream:
    """One open input, read as bytes after decompression. `name` is for messages.

    `was_wide`: it is UTF-16 or UTF-32 on the disk, whatever it says itself.
    """

    def __init__(self, name: str, raw: BinaryIO) -> None:
        self.name = name
        self._raw = raw
        self.was_wide = False
        self._counter = _Counter(raw)
        self._data: io.BufferedReader | gzip.GzipFile = io.BufferedReader(self._counter, _CHUNK)

    @classmethod
    def open(cls, path: Path | None) -> Stream:
        """Open a file, or standard input for None. Compression is known by content, not by name.

        Raises `InputError` if the file cannot be opened, or is called .gz and is not gzip.
        """
        if path is None:
            return cls(STANDARD_INPUT, sys.stdin.buffer)._decompressed(must=False)
        try:
            raw = path.open("rb", buffering=0)
        except OSError as error:
            raise InputError(shown(path), f"cannot be read: {error.strerror}") from error
        stream = cls(shown(path), raw)
        try:
            return stream._decompressed(must=path.suffix == ".gz")
        except InputError:
            stream.close()
            raise

    def _decompressed(self, *, must: bool) -> Stream:
        plain = self._data
        if plain.peek(2)[:2] == _GZIP:
            self._data = gzip.GzipFile(fileobj=plain)
        elif must:
            raise InputError(self.name, "is called .gz and is not gzip: compress it, or rename it")
        if mark := _wide_mark(self.peek()):
            self.was_wide = True
            self._data = io.BufferedReader(_AsUtf8(self._data, mark[1], self.name), _CHUNK)
        return self

    @property
    def position(self) -> int:
        """Bytes taken from the input so far (compressed ones, and ahead by at most a buffer)."""
        return self._counter.count

    def peek(self) -> bytes:
        """Some bytes that come next, without taking them; empty only at the end."""
        try:
            return self._data.peek(_CHUNK)
        except _BROKEN_GZIP as error:
            raise self._broken(error) from error

    def beginning(self) -> bytes:
        """The same, without byte order marks and white space in front, in whatever order files were joined."""
        start = self.peek()
        while (rest := without_mark(start).lstrip()) != start:
            start = rest
        return start

    def readline(self, limit: int) -> bytes:
        """The next line with its end, or its first `limit` bytes; empty at the end of the input."""
        try:
            return self._data.readline(limit)
        except _BROKEN_GZIP as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> InputError:
        return InputError(
            self.name, f"the gzip data is cut short or damaged ({error}): fetch or compress the file again"
        )

    def close(self) -> None:
        """Close the file. Standard input stays open: it is not ours."""
        if self.name != STANDARD_INPUT:
            self._raw.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Counter(io.RawIOBase):
    """Passes bytes on and counts them, for progress: `tell` does not work on a pipe."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self.count = 0
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._raw.read(len(view))
        view[: len(data)] = data
        self.count += len(data)
        return len(data)


class _AsUtf8(io.RawIOBase):
    """Passes on as UTF-8 what is read in another encoding, its mark included."""

    def __init__(self, wide: io.BufferedReader | gzip.GzipFile, encoding: str, name: str) -> None:
        super().__init__()
        self._wide = wide
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._name = name
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        ended = False
        while not self._ready and not ended:
            data = self._wide.read1(_CHUNK)
            ended = not data
            try:
                self._ready = self._decoder.decode(data, final=ended).encode("utf-8")
            except UnicodeDecodeError as error:
                raise _not_wide(self._name, error) from error
        taken, self._ready = self._ready[: len(view)], self._ready[len(view) :]
        view[: len(taken)] = taken
        return len(taken)


def _wide_mark(start: bytes) -> tuple[bytes, str] | None:
    return next((mark for mark in _WIDE if start.startswith(mark[0])), None)


def _not_wide(where: str, error: UnicodeDecodeError) -> InputError:
    return InputError(
        where,
        f"begins with the mark of {error.encoding.upper()} and is not that further on ({error.reason}): "
        f"save the file as UTF-8",
    )


def without_mark(line: bytes) -> bytes:
    """A line without the byte order marks in front."""
    while line.startswith(_BOM):
        line = line.removeprefix(_BOM)
    return line


def numbered_lines(stream: Stream, max_line: int) -> Iterator[Line]:
    """Every line, counted from 1, without its end (LF or CR LF): text, or the error in its place.

    A line of more than `max_line` bytes is passed over in chunks, never held whole. A byte order mark at the
    beginning of any line is dropped: files with marks were joined.
    """
    number = 0
    while raw := stream.readline(max_line + len(_BOM) + 2):
        number += 1
        raw = without_mark(raw)
        line = raw.removesuffix(b"\n").removesuffix(b"\r")
        where = f"{stream.name}:{number}"
        if len(line) > max_line:
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(_CHUNK)
            yield number, too_long(where, max_line)
        else:
            yield number, decoded(line, where)


def unmarked(data: bytes, where: str) -> str | None:
    """The text of a whole file that begins with a byte order mark, without the mark; None without one.

    Raises `InputError` for bytes that are not in the encoding of the mark.
    """
    if data.startswith(_BOM):
        text = decoded(without_mark(data), where)
        if isinstance(text, InputError):
            raise text
        return text
    mark = _wide_mark(data)
    if mark is None:
        return None
    try:
        return data.removeprefix(mark[0]).decode(mark[1])
    except UnicodeDecodeError as error:
        raise _not_wide(where, error) from error


def whole_text(data: bytes, where: str) -> str:
    """The text of a whole file: UTF-8, or what a byte order mark says. Raises `InputError`.

    Marks in front of later lines are dropped too: files with marks were joined.
    """
    marked = unmarked(data, where)
    text = decoded(data, where) if marked is None else marked
    if isinstance(text, InputError):
        raise text
    return _MARKED_LINE.sub("", text) if "\ufeff" in text else text


def decoded(data: bytes, where: str) -> str | InputError:
    """UTF-8 bytes as text, or the error that says which byte is not UTF-8."""
    if (0 in data or data[:1] in (b"\xff", b"\xfe")) and (refused := wide(data, where)):
        return refused
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return InputError(
            where,
            f"byte {error.start + 1} (0x{data[error.start]:02x}) is not UTF-8 ({error.reason}); wanted UTF-8 text: "
            f"convert the file, for instance with iconv -f WINDOWS-1252 -t UTF-8",
        )


def wide(data: bytes, where: str) -> InputError | None:
    """The error for UTF-16 or UTF-32 without its mark, or where marks are not looked for; None for other bytes."""
    if mark := _wide_mark(data):
        name = mark[1].removesuffix("-le").removesuffix("-be").upper()
        found = f"begins with the mark of {name}"
    elif name := _unmarked_wide(data):
        found = "has NULs as in UTF-16 without a byte order mark"
    else:
        return None
    return InputError(
        where, f"{found}; wanted UTF-8 text: convert the file, for instance with iconv -f {name} -t UTF-8"
    )


def _unmarked_wide(data: bytes) -> str:
    """UTF-16 by one half of the bytes, which has many NULs and few others, as letters are alike; else empty."""
    for name, high, low in (("UTF-16LE", data[1::2], data[::2]), ("UTF-16BE", data[::2], data[1::2])):
        nuls = high.count(0)
        if 8 * low.count(0) < nuls and len(high) <= 12 * nuls and 2 * len(set(high)) <= min(len(high), 32):
            return name
    return ""


def too_long(where: str, max_line: int) -> InputError:
    """The error for a record beyond the limit."""
    return InputError(
        where, f"longer than {max_line:,} bytes: split it, or raise the limit with --max-line if it is meant"
    )


def shown(path: Path) -> str:
    """The path as printable text: a file name need not be UTF-8."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def regular_size(path: Path) -> int | None:
    """Bytes on disk; None for a pipe or a device, which have no size."""
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(shown(path), f"cannot be read: {error.strerror}") from error
    return status.st_size if stat.S_ISREG(status.st_mode) else None
