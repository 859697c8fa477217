"""The lines of a TREC file, with their numbers, and the error that names one of them.

They are read as bytes and split on ASCII white space, as trec_eval does it: an id may hold other characters
that Python takes for space, or for the end of a line.
"""

from __future__ import annotations

import codecs
import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from retrieve.errors import InputError

RANK_BEGINS = frozenset(b"0123456789+-.")
"""What the rank of a run's line begins with."""

_PACKED = b"\x1f\x8b"
"""How every gzip file begins."""


def read_lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """The lines that say something (no comment, not blank), with their numbers from 1.

    `-` is standard input; a name that ends in `.gz` is unpacked. `InputError`: the file cannot be read, or is no text
    in lines.
    """
    try:
        with opened(path) as file:
            for number, line in enumerate(file, start=1):
                content = line
                while content.startswith(codecs.BOM_UTF8):  # also where files were joined
                    content = content.removeprefix(codecs.BOM_UTF8)
                if content.strip() and not content.startswith(b"#"):
                    if b"\0" in content or b"\r" in content.rstrip() or content.startswith(_PACKED):
                        raise _no_lines(path, number, content)
                    if codecs.BOM_UTF8 in content:
                        raise bad_line(
                            path,
                            number,
                            "a byte order mark inside the line: put a line end in its place, or nothing",
                        )
                    yield number, content
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _no_lines(path: str | Path, number: int, content: bytes) -> InputError:
    if content.startswith(_PACKED):
        return bad_line(path, number, "compressed by gzip: give it a name that ends in .gz")
    if b"\0" in content:
        return bad_line(path, number, "a zero byte (a binary file, or UTF-16): wanted text in UTF-8")
    return bad_line(path, number, "a line ends in CR alone, which would join lines: convert the file to LF")


@contextmanager
def opened(path: str | Path) -> Iterator[IO[bytes]]:
    """A file's bytes, unpacked where its name ends in `.gz`; `-` is standard input."""
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    with Path(path).open("rb") as raw:
        if str(path).endswith(".gz"):
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield cast(IO[bytes], unpacked)
        else:
            yield raw


def decoded(path: str | Path, number: int, query_id: bytes, document_id: bytes) -> tuple[str, str]:
    """Both ids as text."""
    try:
        return query_id.decode(), document_id.decode()
    except UnicodeDecodeError as error:
        raise bad_line(path, number, f"an id is not UTF-8 ({error}): convert the file") from None


def bad_line(path: str | Path, number: int, message: str) -> InputError:
    """An error at `path:number`."""
    return InputError(f"{path}:{number}", message)


def is_rank(word: bytes) -> bool:
    """Whether a rank can begin so. Where a space in an id has moved the columns, a part of the id stands there."""
    return word[0] in RANK_BEGINS


def commas(line: bytes) -> str:
    """What an error adds for a line of columns with commas between."""
    return " (are there commas between? Columns are parted by white space)" if line.count(b",") > 1 else ""


def is_column(word: str) -> bool:
    """Whether a line of columns can hold the word: it is neither empty nor has white space."""
    return word.split() == [word]
