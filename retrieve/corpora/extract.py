"""Title and text of one file that a person wrote: plain text, Markdown or PDF.

Each function takes what it needs and gives an `Extracted`; what cannot be read is an `InputError` that names the
file. PDF needs the extra `files`.
"""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieve.corpora.extracted import Extracted
from retrieve.corpora.stream import whole_text
from retrieve.errors import InputError, MissingExtra

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*[ \t]*\Z")
_FENCE = re.compile(r" {0,3}(```|~~~)")
# What pypdf raises on damaged files beside its own errors: it follows whatever the bytes say.
_BROKEN_PDF = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NotImplementedError,
               OSError, RecursionError, TypeError, ValueError, zlib.error)  # fmt: skip


def plain_text(data: bytes, where: str) -> Extracted:
    """No title; the text as it is, with line ends as LF. UTF-8, or what a byte order mark says."""
    return Extracted(whole_text(data, where).replace("\r\n", "\n").replace("\r", "\n"))


def markdown(data: bytes, where: str) -> Extracted:
    """The first heading (outside of code) as title; the text as it is, heading included."""
    text = plain_text(data, where).text
    return Extracted(text, _first_heading(text))


def _first_heading(text: str) -> str:
    fence = ""
    previous = ""
    for line in text.split("\n"):
        if mark := _FENCE.match(line):
            fence = "" if fence == mark[1] else fence or mark[1]
        elif not fence:
            if heading := _HEADING.match(line):
                return heading[1]
            if previous.strip() and re.fullmatch(r" {0,3}=+[ \t]*", line):
                return previous.strip()
        previous = line
    return ""


def pdf_text(path: Path, where: str) -> Extracted:
    """No title (what PDF files carry is mostly the name of a word processor's file); pages with a blank line between.

    A character that is not one (a NUL, half a surrogate pair) becomes U+FFFD: it comes from the file's font tables,
    where nobody can remove it.
    """
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise MissingExtra("reading PDF files", "files") from error
    try:
        with _errors_only("pypdf"), PdfReader(path) as reader:
            if reader.is_encrypted and not reader.decrypt(""):
                raise InputError(where, "is encrypted with a password: decrypt it or take it out")
            pages = [page.extract_text().strip() for page in reader.pages]
    except (PyPdfError, *_BROKEN_PDF) as error:
        raise InputError(
            where, f"is not readable as PDF ({type(error).__name__}: {error}): repair it or take it out"
        ) from error
    text = "\n\n".join(page for page in pages if page)
    return Extracted(
        text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    )


@contextmanager
def _errors_only(name: str) -> Iterator[None]:
    """Another package's logger without its warnings: it finds fault with files that it reads well enough."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
