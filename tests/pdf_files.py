"""PDF files in few bytes, written by hand, so that a test says itself what a viewer would show.

An object is the bytes of its body; the first is the catalogue. A page is its content stream.
"""

from __future__ import annotations

from collections.abc import Sequence

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def file_of(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A whole file: objects are numbered from 1, `trailer` are further entries of the trailer."""
    data = b"%PDF-1.5\n"
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    size = len(objects) + 1
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, len(data))
    return data + b"xref\n0 %d\n0000000000 65535 f \n%s%s" % (size, table, end)


def stream(data: bytes, entries: bytes = b"") -> bytes:
    """The body of a stream object."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), entries, data)


def lines(*texts: str, at: tuple[int, int] = (72, 700)) -> bytes:
    """A content stream of lines of text below each other, in Windows-1252."""
    shown = b" T* ".join(b"(%s) Tj" % _escaped(text) for text in texts)
    return b"BT /F1 12 Tf 14 TL %d %d Td %s ET" % (*at, shown)


def _escaped(text: str) -> bytes:
    return text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def pdf(
    *pages: bytes | str,
    font: bytes = FONT,
    resources: bytes = b"",
    page: bytes = b"",
    catalogue: bytes = b"",
    objects: Sequence[bytes] = (),
    trailer: bytes = b"",
) -> bytes:
    """Pages of content streams, or of one line of text each.

    `resources`, `page` and `catalogue` are further entries of each page's resources, each page, and the catalogue;
    `objects` are further ones, numbered from `4 + 2 * len(pages)`.
    """
    kids = b" ".join(b"%d 0 R" % (4 + 2 * place) for place in range(len(pages)))
    body = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalogue,
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        font,
    ]
    for place, content in enumerate(pages):
        body.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> %s >> %s >>" % (5 + 2 * place, resources, page)
        )
        body.append(stream(lines(content) if isinstance(content, str) else content))
    return file_of([*body, *objects], trailer)
