"""The process that reads PDF files with pdf_oxide: paths come in, a line of JSON each, and pages go out.

Of a file it says `{"page": …}` for each page as soon as it has it, `{"remark": …}` for what a reader should know, and
at last `{"end": why_empty}` or `{"error": …}`. What the library prints goes nowhere: file descriptor 1 is taken from it
here, and 2 by whoever started this. The library was chosen by `scripts/bench/pdf.py`.
"""

from __future__ import annotations

import io
import json
import logging
import mmap
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrieve.corpora.pdf.layers import Hidden, hidden_layers
from retrieve.corpora.pdf.line_ends import mended

SECONDS_A_PAGE = 120
"""Of processor time, after which the system ends this process: a page of text takes a hundredth of one."""

_END = re.compile(rb"startxref\s+\d")
_OBJECT = re.compile(rb"\d\s+obj\b")
_LENGTH = re.compile(rb"/L\s+(\d+)")
_HEAD = 1024
_STAMP = 400
"""Characters that may stand on a picture of a page without being its text."""
_LOST = re.compile(r"Failed to decode content stream for page (\d+)")
_IN_PART = "FlateDecode partial recovery"


class Damaged(Exception):
    """A file that does not hold what it once did."""


class Complaints(logging.Handler):
    """What the library says of a file when it leaves out text and goes on: of its pages and of those beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: int | None = None
        self.in_part = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what means lost text."""
        message = record.getMessage()
        if found := _LOST.match(message):
            self.lost = int(found[1])
        self.in_part = self.in_part or message.startswith(_IN_PART)

    def check(self) -> None:
        """Raise `Damaged` if a page was not decoded."""
        if self.lost is not None:
            raise Damaged(f"page {self.lost + 1} cannot be decoded")


def answers(path: str, complaints: Complaints) -> Iterator[dict[str, Any]]:
    """What is said of one file. Whatever the library raises is raised."""
    from pdf_oxide import PdfDocument

    hidden = Hidden([])
    with mapped(path) as data:
        check_whole(data)
        document = PdfDocument(path)
        if not document.authenticate(""):
            yield {"end": "locked"}
            return
        try:
            hidden = _hidden(document, path, data)
        except Exception as error:  # noqa: BLE001 - pypdf raises what it comes to in a file that it cannot follow
            if document.get_layers():
                yield {
                    "remark": f"layers that are off are read too, as its list of them is not readable ({error})"
                }
    if hidden.copy is not None:
        document = PdfDocument.from_bytes(hidden.copy)
    names = hidden.names or None
    del hidden
    pages = int(document.page_count)
    if not pages:
        raise Damaged("it has no pages")
    seen = _Pages()
    upright = False
    for number in range(pages):
        _allow(SECONDS_A_PAGE)
        spans = document.extract_spans(number)
        if not upright and any(span.bbox != span.page_bbox for span in spans):
            document, upright = _upright(document, pages), True
        text = document.extract_text(number, exclude_layers=names)
        complaints.check()
        if text := text.strip():
            text = mended(text, (span.text for span in spans))
        seen.add(document, number, text)
        yield {"page": text}
    if complaints.in_part:
        yield {"remark": "it is damaged, and what is left of it was read"}
    if remark := seen.remark():
        yield {"remark": remark}
    yield {"end": "scanned" if seen.pictures else "empty"}


class _Pages:
    """What the pages of a file show: how many are pictures without text, and how many with a stamp or a number."""

    def __init__(self) -> None:
        self.all = self.pictures = self.stamped = self.with_text = 0

    def add(self, document: Any, number: int, text: str) -> None:
        """Look at one more, whose text is known."""
        self.all += 1
        if not text:
            self.pictures += json.loads(document.classify_page(number))["kind"] != "empty"
        elif len(text) < _STAMP and _is_picture(document, number):
            self.stamped += 1
        else:
            self.with_text += 1

    def remark(self) -> str:
        """What a reader should know of pictures where there is text too; empty where that is nothing."""
        if self.stamped and not self.with_text:
            return "its pages are pictures with hardly any text on them"
        if self.stamped > 1:  # one may be a cover
            count = self.pictures + self.stamped
            return f"{count} of {self.all} pages are pictures with hardly any text on them"
        if self.pictures and self.with_text:
            return f"{self.pictures} of {self.all} pages are pictures without text"
        return ""


def _is_picture(document: Any, number: int) -> bool:
    """Whether most of a page is a picture, and little of it text, seen or recognised."""
    page = json.loads(document.classify_page(number))
    return bool(page["kind"] == "scanned" and page["signals"]["image_area_ratio"] > 1 / 2)


@contextmanager
def mapped(path: str) -> Iterator[mmap.mmap]:
    """The bytes of a file, none of them read. Raises `Damaged` for an empty one."""
    with Path(path).open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise Damaged("it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def check_whole(data: mmap.mmap) -> None:
    """Raise `Damaged` unless a file ends as PDF files do: with the place of its table of objects, and none after it.

    The library repairs what it is given and does not say so. A file for the web has such an end near its beginning
    too, and says there how long it is.
    """
    last = data.rfind(b"startxref")
    begins = data[:_HEAD]
    stated = _LENGTH.search(begins) if b"/Linearized" in begins else None
    if last < 0 or not _END.match(data, last) or _OBJECT.search(data, last):
        raise Damaged("it has no end: it was cut off, or is no PDF file")
    if stated and int(stated[1]) > len(data):
        raise Damaged(f"it was cut off: it has {len(data):,} of {int(stated[1]):,} bytes")


def _hidden(document: Any, path: str, data: mmap.mmap) -> Hidden:
    """Layers that are off. They are listed in the open, or in a compressed object."""
    if data.find(b"/OCProperties") < 0 and data.find(b"/ObjStm") < 0:
        return Hidden([])
    from pypdf import PdfReader

    encrypted = document.permissions() is not None
    return hidden_layers(PdfReader(io.BytesIO(document.to_bytes()) if encrypted else path))


def _upright(document: Any, pages: int) -> Any:
    """The document with no page turned, for text that does not run from left to right: on a turned page the library
    glues its lines, while it reads them well by their own direction."""
    from pdf_oxide import PdfDocument

    for number in range(pages):
        document.set_page_rotation(number, 0)
    return PdfDocument.from_bytes(document.to_bytes())


def _allow(seconds: int) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def main() -> None:
    """Answer until standard input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    import pdf_oxide  # noqa: F401 - its loggers are there after this

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    for line in sys.stdin:
        for answer in _survived(json.loads(line)):
            out.write(json.dumps(answer) + "\n")
            out.flush()


def _survived(path: str) -> Iterator[dict[str, Any]]:
    """What is said of one file, at last perhaps an error."""
    complaints = Complaints()
    loggers = [logging.getLogger(name) for name in ("pdf_oxide.document", "pdf_oxide.decoders")]
    for logger in loggers:
        logger.addHandler(complaints)
    try:
        yield from answers(path, complaints)
    except Damaged as error:
        yield {"error": str(error)}
    except BaseException as error:  # a panic of compiled code is no `Exception`
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        yield {"error": f"{type(error).__name__}: {error}".split("\n")[0]}
    finally:
        for logger in loggers:
            logger.removeHandler(complaints)


if __name__ == "__main__":
    main()
