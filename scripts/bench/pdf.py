"""Readers of PDF side by side: which words of a page they lose, which they make up, and the processor time they take.

The pages are made here, so that their words are known: justified lines, two columns, ligatures, kerning instead of
spaces, hyphens at line ends, form fields, replacement text, a layer that is off, turned pages, a table, a figure of
matplotlib. `--folder` adds files whose words nobody knows: there a word is lost that two other engines read, and false
that none does. Each engine reads in a process of its own, files in turn; ours is `retrieve`'s reader with its
process. A parted word counts as read if the whole or its parts are. Needs reportlab, pypdf, pypdfium2 and pdf_oxide;
pdftotext takes part where it is installed. `python scripts/bench/pdf.py --json`
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
import regex
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph, SimpleDocTemplate, Table

ROUNDS = 3
LONG = 60  # paragraphs of the file that the time is taken of
PARTED = "\u00ad\u00ad"
BROKEN_WORD = regex.compile(r"(?<=\w)[-\u00ad]\s*\n\s*(?=\w)")
WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
PROSE = """The charterer is responsible for any damages to the well-known vessel unless the crimes of third parties,
committed before the first offer was filed, were efficiently concealed from the official who signed the affidavit.
Nothing in this section affects the financial obligations that a regulatory authority may impose on the carrier; an
insufficient notice suffices where the shipper knew of the defect, and the court may find otherwise in difficult cases
where the justification of the delay is plainly beyond the control of those whose duty it was to prevent it."""
BROKEN = (
    "The charterer is respon-", "sible for any dam-", "ages to the well-", "known vessel, and the",
    "financial and regu-", "latory authority of the legis-", "lature may find a court-", "appointed official.",
)  # fmt: skip
WHOLE = (
    "The charterer is responsible for any damages to the well known vessel and the financial and regulatory "
    "authority of the legislature may find a court appointed official"
)


# -- files of which the words are known ---------------------------------------------------------------------------


def make(folder: Path) -> dict[str, str]:
    """Write the files; returns their names with the words that a viewer shows."""
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    pdfmetrics.registerFont(TTFont("Serif", str(fonts / "DejaVuSerif.ttf")))
    truth = {}
    for maker in (
        justified,
        justified_narrow,
        columns,
        ligatures,
        hyphens,
        soft_hyphens,
        form,
        turned,
        table,
        figure,
    ):
        truth[maker.__name__] = maker(str(folder / f"{maker.__name__}.pdf"))
    for name, (content, words) in RAW.items():
        (folder / f"{name}.pdf").write_bytes(raw(content))
        truth[name] = words
    return truth


def _style(font: str, size: float = 11) -> ParagraphStyle:
    return ParagraphStyle(
        "body", fontName=font, fontSize=size, leading=1.3 * size, alignment=TA_JUSTIFY, spaceAfter=8
    )


def justified(path: str, times: int = 1) -> str:
    """Prose of two fonts, a Type 1 font and an embedded one."""
    story = [Paragraph(PROSE, _style(font)) for _ in range(times) for font in ("Times-Roman", "Serif")]
    SimpleDocTemplate(path, pagesize=A4).build(story)
    return f"{PROSE} {PROSE} " * times


def justified_narrow(path: str) -> str:
    """Lines of few words, with gaps wider than words."""
    frame = Frame(2 * cm, 2 * cm, 4.5 * cm, 25 * cm)
    document = BaseDocTemplate(path, pagesize=A4, pageTemplates=[PageTemplate(frames=[frame])])
    document.build([Paragraph(PROSE, _style("Times-Roman", 10))])
    return PROSE


def columns(path: str) -> str:
    """Two columns whose lines stand beside each other."""
    frames = [Frame(left * cm, 2 * cm, 8 * cm, 9 * cm) for left in (2, 11)]
    document = BaseDocTemplate(path, pagesize=A4, pageTemplates=[PageTemplate(frames=frames)])
    document.build([Paragraph(PROSE, _style("Times-Roman")) for _ in range(3)])
    return f"{PROSE} " * 3


def ligatures(path: str) -> str:
    """Letters that the font draws as one."""
    drawn = PROSE
    for letters, one in (("ffi", "ﬃ"), ("ff", "ﬀ"), ("fi", "ﬁ"), ("fl", "ﬂ")):
        drawn = drawn.replace(letters, one)
    SimpleDocTemplate(path, pagesize=A4).build([Paragraph(drawn, _style("Serif"))])
    return PROSE


def _lines(path: str, lines: tuple[str, ...], font: str) -> None:
    canvas = Canvas(path, pagesize=A4)
    text = canvas.beginText(2 * cm, 25 * cm)
    text.setFont(font, 11)
    for line in lines:
        text.textLine(line)
    canvas.drawText(text)
    canvas.save()


def hyphens(path: str) -> str:
    """Words that line ends part."""
    _lines(path, BROKEN, "Times-Roman")
    return WHOLE


def soft_hyphens(path: str) -> str:
    """The same with U+00AD."""
    _lines(path, tuple(regex.sub("-$", "\u00ad", line) for line in BROKEN), "Serif")
    return WHOLE


def form(path: str) -> str:
    """Fields that are filled in."""
    canvas = Canvas(path, pagesize=A4)
    for row, (label, value) in enumerate((("Name", "Melville"), ("Ship", "Pequod"), ("Port", "Nantucket"))):
        canvas.drawString(2 * cm, (25 - row) * cm, label)
        canvas.acroForm.textfield(
            name=label, value=value, x=4 * cm, y=(24.8 - row) * cm, width=200, height=18
        )
    canvas.save()
    return "Name Melville Ship Pequod Port Nantucket"


def turned(path: str) -> str:
    """Pages turned by 90, 180 and 270 degrees on which the text stands upright."""
    lines = [line.strip() for line in PROSE.split("\n")]
    canvas = Canvas(path, pagesize=A4)
    for turn in (90, 180, 270):
        canvas.setPageRotation(turn)
        x, y = {90: (3 * cm, 1 * cm), 180: (20 * cm, 5 * cm), 270: (18 * cm, 20 * cm)}[turn]
        canvas.translate(x, y)
        canvas.rotate(turn)
        canvas.setFont("Times-Roman", 9)
        for row, line in enumerate(lines):
            canvas.drawString(0, -14 * row, line)
        canvas.showPage()
    canvas.save()
    return f"{PROSE} " * 3


def table(path: str) -> str:
    """Cells with lines around them, on a wide page."""
    rows = [["Vessel", "Port of call", "Tonnage", "Charter party"]]
    rows += [
        [f"Vessel{row}", f"Port {row} harbour", f"{row}250", f"party {row} of many"] for row in range(15)
    ]
    style = [("GRID", (0, 0), (-1, -1), 0.5, "black")]
    SimpleDocTemplate(path, pagesize=landscape(A4)).build([Table(rows, style=style)])
    return " ".join(cell for row in rows for cell in row)


def figure(path: str) -> str:
    """A figure with a label that runs upwards."""
    mpl.use("pdf")
    from matplotlib import pyplot as plt

    drawn, axes = plt.subplots()
    axes.set_title("Efficiency of the official engine")
    axes.set_xlabel("passages in thousands")
    axes.set_ylabel("queries answered")
    axes.set_xticks([0, 1], ["few", "many"])
    axes.set_yticks([0, 1], ["slow", "swift"])
    drawn.savefig(path, metadata={"CreationDate": None})
    plt.close(drawn)
    return "Efficiency of the official engine passages in thousands queries answered few many slow swift"


def raw(content: bytes) -> bytes:
    """A page of a content stream, with two layers of which the first is off."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /OCProperties << /OCGs [6 0 R 7 0 R] /D << /OFF [6 0 R] >> >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R /Resources << /Font << /F 4 0 R >> "
        b"/Properties << /Off 6 0 R /On 7 0 R >> /XObject << /Stamp 8 0 R >> >> >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /OCG /Name (Draft) >>",
        b"<< /Type /OCG /Name (Final) >>",
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 612 792] /OC 6 0 R /Resources << /Font << /F 4 0 R >> >> "
        b"/Length 48 >>\nstream\nBT /F 30 Tf 99 99 Td (Superseded by draft) Tj ET \nendstream",
    ]
    data, places = b"%PDF-1.5\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    entries = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer\n<< /Size 9 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(data)
    return data + b"xref\n0 9\n0000000000 65535 f \n" + entries + end


def _shown(text: bytes, y: int) -> bytes:
    return b"BT /F 12 Tf 72 %d Td %s ET " % (y, text)


RAW = {
    "kerned": (
        _shown(b"[(T)80(he)-300(crim)-20(es)-280(of)-600(thir)15(d)-900(par)-30(ties)] TJ", 700),
        "The crimes of third parties",
    ),
    "replaced": (
        b"/Span << /ActualText (official) >> BDC " + _shown(b"(o\\337cia1) Tj", 700) + b"EMC "
        + _shown(b"(offer) Tj", 600),
        "official offer",
    ),
    "layers": (
        b"/OC /Off BDC " + _shown(b"(hidden words) Tj", 700) + b"EMC /OC /On BDC " + _shown(b"(shown words) Tj", 600)
        + b"EMC " + _shown(b"(plain words) Tj", 500),
        "shown words plain words",
    ),
    "stamped": (b"/Stamp Do " + _shown(b"(plain words) Tj", 500), "plain words"),
}  # fmt: skip


# -- engines ------------------------------------------------------------------------------------------------------


def pypdf(path: Path) -> str:
    """pypdf, as `retrieve` used it."""
    from pypdf import PdfReader

    return "\n".join(page.extract_text() for page in PdfReader(path).pages)


def pypdfium2(path: Path) -> str:
    """PDFium, which marks where a line end parted a word, and that is taken as ours is."""
    from pypdfium2 import PdfDocument

    pages = [page.get_textpage().get_text_bounded() for page in PdfDocument(path)]
    return "\n".join(pages).replace("\x02", PARTED)


def pdf_oxide(path: Path) -> str:
    """pdf_oxide by itself."""
    from pdf_oxide import PdfDocument

    document = PdfDocument(str(path))
    return "\n".join(document.extract_text(number) for number in range(int(document.page_count)))


def pdftotext(path: Path) -> str:
    """poppler."""
    return subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True).stdout.decode()


def retrieve() -> Callable[[Path], str]:
    """Ours, one process for all files."""
    from retrieve.corpora.pdf.reader import PdfReader

    reader = PdfReader().__enter__()
    return lambda path: reader.read(path, path.name).text


def engines() -> dict[str, str]:
    """Names and versions of those that are here."""
    found = {name: version(name) for name in ("pypdf", "pypdfium2", "pdf_oxide")}
    if shutil.which("pdftotext"):
        said = subprocess.run(["pdftotext", "-v"], capture_output=True, text=True, check=False).stderr
        found["pdftotext"] = said.split("\n")[0].split()[-1]
    return found | {"retrieve": f"with pdf_oxide {version('pdf_oxide')}"}


def answer(name: str, paths: list[Path], times: int) -> None:
    """In a process of its own: print the texts, and the processor time of each pass over them."""
    read = retrieve() if name == "retrieve" else globals()[name]
    texts = {path.stem: read(path) for path in paths}
    took = []
    for _ in range(times):
        before = _processor_time()
        for path in paths:
            read(path)
        took.append(_processor_time() - before)
    print(json.dumps({"texts": texts, "seconds": took}))


def _processor_time() -> float:
    """Of this process, of those it waited for, and of those that it has started and that are at work."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    total = sum(one.ru_utime + one.ru_stime for one in used)
    for child in _children():
        fields = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _children() -> Iterator[str]:
    for task in Path("/proc/self/task").iterdir():
        yield from (task / "children").read_text().split()


def asked(name: str, paths: list[Path], times: int = 0) -> dict[str, Any]:
    """What `answer` says."""
    command = [sys.executable, __file__, "--engine", name, "--times", str(times), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# -- comparison ---------------------------------------------------------------------------------------------------


def words(text: str) -> Counter[str]:
    """Words as they would be indexed, parted ones whole."""
    plain = unicodedata.normalize("NFKC", text.replace(PARTED, ""))
    return Counter(WORD.findall(plain))


def compared(text: str, wanted: Counter[str]) -> tuple[int, int]:
    """Words lost and words false. A parted word whose whole is not wanted is taken for its parts."""
    found = words(text)
    for parts in regex.findall(rf"[\p{{L}}\p{{N}}]+(?:{PARTED}[\p{{L}}\p{{N}}]+)+", text):
        whole = parts.replace(PARTED, "")
        if found[whole] > wanted[whole]:
            found[whole] -= 1
            found.update(parts.split(PARTED))
    return (wanted - found).total(), (found - wanted).total()


def agreed(texts: dict[str, str]) -> dict[str, dict[str, int]]:
    """Of each engine: words that two others read as often, and it does not; words that no other reads.

    Hyphens at line ends are taken off everywhere, as those of most files belong to the line.
    """
    counts = {name: words(BROKEN_WORD.sub("", text)) for name, text in texts.items()}
    result = {}
    for name, own in counts.items():
        others = [count for other, count in counts.items() if other not in (name, "retrieve")]
        if name == "retrieve":
            others = [counts[other] for other in counts if other not in ("retrieve", "pdf_oxide")]
        second = Counter(
            {word: sorted((o[word] for o in others), reverse=True)[1] for o in others for word in o}
        )
        most = Counter({word: max(o[word] for o in others) for o in others for word in o})
        result[name] = {"words": own.total(), "lost": (second - own).total(), "false": (own - most).total()}
    return result


def main() -> None:
    """Make the files, read them by every engine, print one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="Further files, of which nobody knows the words.")
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, default=ROUNDS, help="Passes of which the time is taken.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("paths", type=Path, nargs="*", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.engine:
        answer(args.engine, args.paths, args.times)
        return
    here = engines()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        truth = {name: words(text) for name, text in make(folder).items()}
        paths = [folder / f"{name}.pdf" for name in truth]
        read = {name: asked(name, paths)["texts"] for name in here}
        lost = {name: {file: compared(read[name][file], truth[file]) for file in truth} for name in here}
        long = folder / "long.pdf"
        justified(str(long), LONG)
        took = {name: asked(name, [long], args.times)["seconds"] for name in here}
        further = sorted(args.folder.rglob("*.pdf")) if args.folder else []
        others = {
            path.name: agreed({name: asked(name, [path])["texts"][path.stem] for name in here})
            for path in further
        }
    report = {
        "command": f"python scripts/bench/pdf.py{f' --folder {args.folder}' if args.folder else ''} --json",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "engines": here,
        "words": sum(count.total() for count in truth.values()),
        "lost": {name: sum(one for one, _ in lost[name].values()) for name in here},
        "false": {name: sum(one for _, one in lost[name].values()) for name in here},
        "lost_and_false_by_file": {
            file: {"words": truth[file].total()} | {name: list(lost[name][file]) for name in here}
            for file in truth
        },
        "files_of_unknown_words": others,
        "processor_seconds_for_long_file": {name: round(statistics.median(took[name]), 3) for name in here},
    }
    print(json.dumps(report, indent=None if args.json else 2))


if __name__ == "__main__":
    main()
