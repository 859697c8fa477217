#!/usr/bin/env bash
# pdf_oxide 0.3.78: on a page turned by /Rotate 90 the last words of a line are glued to the first of the next.
#
# Expected: three lines drawn along the turned page, as a viewer shows them one under the other, are three lines. Seen:
# 'first line\n\n\nsecond linethird line'; the same lines on an upright page are right, and pypdf 7.1.1 reads both. A
# search for `third` finds nothing. After set_page_rotation(page, 0) they are read right. Exit 1 if that is no longer so.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet -c scripts/constraints.txt pdf_oxide==0.3.78 pypdf==7.1.1
"$venv/bin/python" - <<'PY'
import io
import sys

from pdf_oxide import PdfDocument
from pypdf import PdfReader

LINES = ("first line", "second line", "third line")


def pdf(turn: int) -> bytes:
    """A page whose lines stand one under the other once it is turned by so many degrees, 0 or 90."""
    matrix = "0 1 -1 0 {} 40" if turn else "1 0 0 1 40 {}"
    at = (60, 80, 100) if turn else (300, 280, 260)
    drawn = " ".join(f"{matrix.format(place)} Tm ({line}) Tj" for place, line in zip(at, LINES, strict=True))
    stream = f"BT /F 12 Tf {drawn} ET"
    bodies = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 400] /Rotate {turn} /Contents 4 0 R"
        " /Resources << /Font << /F 5 0 R >> >> >>",
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    out, places = "%PDF-1.4\n", []
    for number, body in enumerate(bodies, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    return f"{out}xref\n0 6\n0000000000 65535 f \n{table}trailer << /Size 6 /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n".encode()


read = {turn: PdfDocument.from_bytes(pdf(turn)).extract_text(0) for turn in (0, 90)}
other = {turn: PdfReader(io.BytesIO(pdf(turn))).pages[0].extract_text() for turn in (0, 90)}
for turn in (0, 90):
    print(f"/Rotate {turn:2}  pdf_oxide {read[turn]!r}  pypdf {other[turn]!r}")
right = [list(LINES)] * 3
seen = [text.split("\n") for text in (read[0], other[0], other[90])]
sys.exit(0 if seen == right and "second linethird line" in read[90] else 1)
PY
