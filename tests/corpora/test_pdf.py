"""PDF files: what viewers show is read, what they hide is not, and what cannot be read says why."""

from __future__ import annotations

import io
import os
import re
import signal
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pdf_files import file_of, lines, pdf, stream

from retrieve.api import Index
from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.extracted import Extracted
from retrieve.corpora.open import open_corpus
from retrieve.corpora.pdf import reader as reader_module
from retrieve.corpora.pdf.reader import PdfReader
from retrieve.errors import InputError, RetrieveError
from retrieve.text.layout import page_at

PICTURE = stream(
    bytes(64),
    b"/Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceGray /BitsPerComponent 8",
)
SCAN = b"q 500 0 0 700 50 50 cm /I Do Q"
LAYERS = [b"<< /Type /OCG /Name (Draft) >>", b"<< /Type /OCG /Name (Final) >>"]
LAYERED = b"/OC /A BDC %s EMC /OC /B BDC %s EMC %s" % (
    lines("on the first"),
    lines("on the second", at=(72, 600)),
    lines("on none", at=(72, 500)),
)
NAMED = b"/Properties << /A 6 0 R /B 7 0 R >>"


@pytest.fixture(scope="module")
def reader() -> Iterator[PdfReader]:
    with PdfReader() as opened:
        yield opened


def read(reader: PdfReader, folder: Path, data: bytes) -> Extracted:
    path = folder / "a.pdf"
    path.write_bytes(data)
    return reader.read(path, "a.pdf")


def encrypted(data: bytes, password: str) -> bytes:
    from pypdf import PdfWriter

    writer = PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def layered(states: bytes, content: bytes = LAYERED, *, groups: list[bytes] = LAYERS) -> bytes:
    catalogue = b"/OCProperties << /OCGs [6 0 R 7 0 R] /D << %s >> >>" % states
    return pdf(content, catalogue=catalogue, objects=groups, resources=NAMED)


# -- what is read -------------------------------------------------------------------------------------------------


def test_words_lines_and_columns_come_in_reading_order(reader: PdfReader, tmp_path: Path) -> None:
    columns = [[f"{name} row {row} of the page" for row in range(6)] for name in ("left", "right")]
    # Row by row, as many programs write a page of two columns.
    content = b" ".join(
        lines(columns[side][row], at=(60 + 270 * side, 700 - 14 * row)) for row in range(6) for side in (0, 1)
    )
    text = read(reader, tmp_path, pdf(content)).text
    assert [line for line in text.split("\n") if line] == columns[0] + columns[1]


@pytest.mark.parametrize(
    "shown",
    [
        b"[(The)-700(crim)-20(es)-650(of)-600(the)-900(part)15(ies)] TJ",  # gaps instead of spaces, and kerning
        b"6 Tw (The crimes of the parties) Tj",
        b"/Span << /ActualText (The crimes of the parties) >> BDC (Tbe crlmes of tbe partles) Tj EMC",
        b"3 Tr (The crimes of the parties) Tj",  # what text recognition lays under a scan
    ],
)
def test_words_are_whole(shown: bytes, reader: PdfReader, tmp_path: Path) -> None:
    text = read(reader, tmp_path, pdf(b"BT /F1 12 Tf 72 700 Td " + shown + b" ET")).text
    assert " ".join(text.split()) == "The crimes of the parties"


def test_form_fields_are_read_as_they_are_filled_in(reader: PdfReader, tmp_path: Path) -> None:
    field = b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (%s) /Rect [%d 690 %d 720] /DA (/F1 12 Tf) %s >>"
    data = pdf(
        lines("Name:"),
        page=b"/Annots [6 0 R 7 0 R]",
        catalogue=b"/AcroForm << /Fields [6 0 R 7 0 R] /DA (/F1 12 Tf) >>",
        objects=[field % (b"Melville", 110, 300, b""), field % (b"unseen", 310, 500, b"/F 2")],
    )
    assert read(reader, tmp_path, data).text == "Name: Melville"


@pytest.mark.parametrize(
    ("turn", "matrix"),
    [(90, b"0 1 -1 0 100 72"), (180, b"-1 0 0 -1 540 92"), (270, b"0 -1 1 0 500 700")],
)
def test_a_turned_page_is_read_as_it_is_seen(
    turn: int, matrix: bytes, reader: PdfReader, tmp_path: Path
) -> None:
    shown = b"(first line of the page) Tj T* (second line of it) Tj T* (third and last) Tj"
    content = b"BT /F1 12 Tf 14 TL " + matrix + b" Tm " + shown + b" ET"
    text = read(reader, tmp_path, pdf(content, page=b"/Rotate %d" % turn)).text
    assert text.split("\n") == ["first line of the page", "second line of it", "third and last"]


def test_a_file_locked_against_changes_only_is_read(reader: PdfReader, tmp_path: Path) -> None:
    assert read(reader, tmp_path, encrypted(pdf("Open to all"), "")).text == "Open to all"


def test_control_characters_of_fonts_do_not_pass_for_layout(reader: PdfReader, tmp_path: Path) -> None:
    differences = b"/Encoding << /Differences [65 /uni000C /uni0000] >>"
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica %s >>" % differences
    text = read(reader, tmp_path, pdf("xAyBz", font=font)).text
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", text)


# -- pages --------------------------------------------------------------------------------------------------------


def test_pages_are_counted_with_the_empty_ones(reader: PdfReader, tmp_path: Path) -> None:
    text = read(reader, tmp_path, pdf("Page one", b"", "Page three", "Page four")).text
    assert text == "Page one\n\f\n\fPage three\n\fPage four"
    assert [page_at(text, text.index(word)) for word in ("one", "three", "four")] == [1, 3, 4]


def test_hits_say_on_which_page_their_passages_begin(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    chapters = [" ".join([word] * 40) for word in ("anchor", "ballast", "capstan")]
    (tmp_path / "files" / "ship.pdf").write_bytes(
        pdf(*(lines(*re.findall(r".{1,60}\S*", c)) for c in chapters))
    )
    (tmp_path / "files" / "note.txt").write_text("a ballast of stone")
    with Index.create(tmp_path / "x.index", "bm25", ["passages.mode=window", "passages.size=30"]) as index:
        for added in range(2):  # an update and a merge leave the pages where they are
            index.add(open_corpus(tmp_path / "files"))
            index.add([{"id": f"other {added}", "text": "nothing of the kind"}])
        index.merge()
        hits = {hit.doc_id: hit.passages[0] for hit in index.search("capstan ballast", k=5)}
    assert (hits["ship.pdf"].page, hits["note.txt"].page) in {(2, None), (3, None)}
    text = next(d.text for d in open_corpus(tmp_path / "files") if d.id == "ship.pdf")
    assert hits["ship.pdf"].page == page_at(text, hits["ship.pdf"].start)


# -- ends of lines ------------------------------------------------------------------------------------------------


def test_words_parted_at_a_line_end_are_found_whole_and_by_their_parts(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    page = lines(
        "A respon-", "sible and well-", "known master of the Ha-", "pag-", "Lloyd fleet in 1912-", "15"
    )
    (tmp_path / "files" / "a.pdf").write_bytes(pdf(page))
    with Index.create(tmp_path / "x.index", "bm25") as index:
        index.add(open_corpus(tmp_path / "files"))
        found = {
            word: bool(index.search(word))
            for word in ("responsible", "well", "known", "wellknown", "well-known", "lloyd", "1912", "15")
        }
        assert all(found.values()), found
        assert not any(index.search(word) for word in ("paglloyd", "191215"))


def test_a_soft_hyphen_parts_at_a_line_end_and_is_a_hyphen_elsewhere(
    reader: PdfReader, tmp_path: Path
) -> None:
    text = read(reader, tmp_path, pdf(lines("respon\xad", "sible, self\xadmade"))).text
    assert text == "respon\xad\xadsible, self-made"


def test_a_word_parted_by_the_end_of_a_page_stands_on_the_first(reader: PdfReader, tmp_path: Path) -> None:
    text = read(reader, tmp_path, pdf(lines("it is respon-"), lines("sible for it"))).text
    assert text == "it is respon\xad\xadsible\n\ffor it"


# -- what viewers hide ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "groups"),
    [
        (b"/OFF [6 0 R]", LAYERS),
        (b"/BaseState /OFF /ON [7 0 R]", LAYERS),
        (b"/OFF [6 0 R]", [b"<< /Type /OCG /Name <FEFF00440072006100660074> >>", LAYERS[1]]),
        (
            b"/AS [<< /Event /View /Category [/View] /OCGs [6 0 R] >>]",
            [b"<< /Type /OCG /Name (Draft) /Usage << /View << /ViewState /OFF >> >> >>", LAYERS[1]],
        ),
    ],
)
def test_a_layer_that_is_off_is_left_out(
    states: bytes, groups: list[bytes], reader: PdfReader, tmp_path: Path
) -> None:
    for data in (layered(states, groups=groups), encrypted(layered(states, groups=groups), "")):
        assert read(reader, tmp_path, data).text.split("\n\n") == ["on the second", "on none"]


@pytest.mark.parametrize("states", [b"", b"/OFF []", b"/BaseState /OFF /ON [6 0 R 7 0 R]"])
def test_layers_that_are_on_are_read(states: bytes, reader: PdfReader, tmp_path: Path) -> None:
    text = read(reader, tmp_path, layered(states)).text
    assert text.split("\n\n") == ["on the first", "on the second", "on none"]


def test_of_two_layers_of_one_name_nothing_is_lost(reader: PdfReader, tmp_path: Path) -> None:
    text = read(reader, tmp_path, layered(b"/OFF [6 0 R]", groups=[LAYERS[0], LAYERS[0]])).text
    assert "on the second" in text


@pytest.mark.parametrize(
    ("layer", "shown"),
    [
        (b"6 0 R", False),
        (b"7 0 R", True),
        (b"<< /Type /OCMD /OCGs 6 0 R >>", False),
        (b"<< /Type /OCMD /OCGs [6 0 R 7 0 R] >>", True),
        (b"<< /Type /OCMD /OCGs [6 0 R 7 0 R] /P /AllOn >>", False),
        (b"<< /Type /OCMD /OCGs [6 0 R 7 0 R] /P /AnyOff >>", True),
        (b"<< /Type /OCMD /OCGs [6 0 R 7 0 R] /P /AllOff >>", False),
    ],
)
def test_a_form_is_read_where_its_layer_is_on(
    layer: bytes, *, shown: bool, reader: PdfReader, tmp_path: Path
) -> None:
    entries = (
        b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /OC "
        + layer
    )
    data = pdf(
        b"/X Do " + lines("plain", at=(72, 500)),
        catalogue=b"/OCProperties << /OCGs [6 0 R 7 0 R] /D << /OFF [6 0 R] >> >>",
        objects=[*LAYERS, stream(lines("stamp"), entries)],
        resources=b"/XObject << /X 8 0 R >>",
    )
    assert ("stamp" in read(reader, tmp_path, data).text) == shown


def test_what_lies_outside_of_the_page_is_left_out(reader: PdfReader, tmp_path: Path) -> None:
    assert read(reader, tmp_path, pdf(lines("inside") + lines("far off", at=(72, 9_000)))).text == "inside"


# -- files without text, and files that cannot be read ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (pdf(SCAN, SCAN, resources=b"/XObject << /I 8 0 R >>", objects=[PICTURE]), "scanned"),
        (pdf(b"0 0 m 10 10 l 20 30 l f " * 200), "scanned"),  # letters as outlines
        (pdf(b"", b""), "empty"),
        (encrypted(pdf("Secret"), "password"), "locked"),
    ],
)
def test_a_file_without_text_says_why(data: bytes, why: str, reader: PdfReader, tmp_path: Path) -> None:
    assert read(reader, tmp_path, data) == Extracted("", why_empty=why)  # type: ignore[arg-type]


def test_pages_of_pictures_among_others_are_counted(
    reader: PdfReader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = pdf("Cover", SCAN, SCAN, resources=b"/XObject << /I 10 0 R >>", objects=[PICTURE])
    assert read(reader, tmp_path, data).text == "Cover\n\f\n\f"
    assert caplog.messages == ["a.pdf: 2 of 3 pages are pictures without text"]


@pytest.mark.parametrize("last", [b"", b"BT /F1 12 Tf 72 700 Td (Words of its own) Tj ET"])
def test_pictures_with_a_stamp_each_are_remarked_on(
    last: bytes, reader: PdfReader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scan = b"q 600 0 0 700 6 50 cm /I Do Q "
    assert read(
        reader,
        tmp_path,
        pdf(scan + lines("Annual report"), "Text", resources=b"/XObject << /I 8 0 R >>", objects=[PICTURE]),
    )
    assert not caplog.messages, "a cover"
    pages = [scan + lines(f"Case 1:20-cv-01234 Page {number} of 3", at=(72, 780)) for number in (1, 2)]
    data = pdf(*pages, last, resources=b"/XObject << /I 10 0 R >>", objects=[PICTURE])
    assert read(reader, tmp_path, data).text.startswith("Case 1:20-cv-01234 Page 1 of 3\n\f")
    which = "2 of 3" if last else "its"
    assert caplog.messages == [f"a.pdf: {which} pages are pictures with hardly any text on them"]


def packed_pages(*contents: bytes) -> bytes:
    kids = b" ".join(b"%d 0 R" % (4 + 2 * place) for place in range(len(contents)))
    whole = pdf(*[b""] * len(contents))
    assert kids in whole
    objects = re.findall(rb"\d+ 0 obj\n(.*?)\nendobj", whole, re.DOTALL)
    objects[4::2] = [stream(content, b"/Filter /FlateDecode") for content in contents]
    return file_of(objects)


def test_a_page_that_cannot_be_decoded_is_an_error(reader: PdfReader, tmp_path: Path) -> None:
    good = zlib.compress(lines("some text that was here once, and more of it"))
    bad = good[:20] + bytes(len(good) - 20)
    assert read(reader, tmp_path, packed_pages(good, good)).text.count("once") == 2
    with pytest.raises(InputError, match=r"a\.pdf: is not readable as PDF \(page 2 cannot be decoded\)"):
        read(reader, tmp_path, packed_pages(good, bad))


def test_a_page_that_is_decoded_in_part_is_remarked_on(
    reader: PdfReader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = zlib.compress(lines(*(f"line {number} of many" for number in range(45))))
    text = read(reader, tmp_path, packed_pages(content, content[: len(content) // 2])).text
    assert 45 < text.count("of many") < 90
    assert caplog.messages == ["a.pdf: it is damaged, and what is left of it was read"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (pdf("Some text", "More")[:-60], "has no end"),
        (pdf(*["Some text"] * 9)[:1200], "has no end"),
        (pdf("Old") + b"\n9 0 obj\n<< /Type /Page", "has no end"),  # a later version of it, cut off
        (pdf("Web").replace(b"/Catalog", b"/Catalog /Linearized 1 /L 99999"), "has .* of 99,999 bytes"),
        (b"%PDF-1.4\nnothing", "has no end"),
        (b"no PDF at all", "has no end"),
        (b"", "is empty"),
        (pdf(), "has no pages"),
    ],
)
def test_a_damaged_file_is_an_error(data: bytes, says: str, reader: PdfReader, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^a\.pdf: is not readable as PDF \(it .*{says}"):
        read(reader, tmp_path, data)


def test_what_surrounds_a_file_does_it_no_harm(reader: PdfReader, tmp_path: Path) -> None:
    assert (
        read(reader, tmp_path, b"HTTP/1.1 200 OK\n\n" + pdf("Some text") + b"\r\n<!-- -->" * 999).text
        == "Some text"
    )


def test_bad_files_are_skipped_on_request_and_those_without_text_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf("Whole"))
    (tmp_path / "b.pdf").write_bytes(pdf("Half")[:300])
    (tmp_path / "c.pdf").write_bytes(encrypted(pdf("Secret"), "password"))
    corpus = open_corpus(tmp_path, options=ReadOptions(skip_bad=True))
    assert {d.id: (d.text, d.metadata) for d in corpus} == {
        "a.pdf": ("Whole", {}),
        "c.pdf": ("", {"no_text": "locked"}),
    }
    assert corpus.skipped == 1


# -- the process ----------------------------------------------------------------------------------------------------


def test_nothing_that_the_library_prints_reaches_the_user(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.pdf").write_bytes(b"rubbish\n" + pdf("Some text"))
    (tmp_path / "b.pdf").write_bytes(encrypted(pdf("Secret"), "password"))
    assert [document.text for document in open_corpus(tmp_path)] == ["Some text", ""]
    assert (capfd.readouterr(), caplog.messages) == (("", ""), [])


@pytest.mark.skipif(not hasattr(signal, "SIGPROF"), reason="this system cannot end a process after a time")
@pytest.mark.parametrize(
    ("number", "says"), [("SIGPROF", "120 s of processor time"), ("SIGABRT", "signal 6")]
)
def test_a_file_that_ends_the_process_is_one_error_and_the_next_is_read(
    number: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = reader_module._start
    started = []

    def start_and_end_the_first() -> object:
        process = start()
        started.append(process)
        if len(started) == 1:
            os.kill(process.pid, getattr(signal, number))
        return process

    monkeypatch.setattr(reader_module, "_start", start_and_end_the_first)
    with PdfReader() as reader:
        with pytest.raises(InputError, match=says):
            read(reader, tmp_path, pdf("Some text"))
        assert read(reader, tmp_path, pdf("Some text")).text == "Some text"
        assert len(started) == 2
    assert all(process.poll() is not None for process in started)


def test_a_process_that_cannot_start_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "_ENGINE", "retrieve.corpora.pdf.no_such_module")
    with PdfReader() as reader, pytest.raises(RetrieveError, match="ended with status 1") as caught:
        read(reader, tmp_path, pdf("Some text"))
    assert not isinstance(caught.value, InputError)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_gives_text_or_an_error(data: st.DataObject, reader: PdfReader, tmp_path: Path) -> None:
    whole = bytearray(pdf("Some text", "More"))
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=8)):
        whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    try:
        extracted = read(reader, tmp_path, bytes(whole[:cut]))
    except InputError as error:
        assert error.where == "a.pdf"
        assert "\n" not in str(error)
    else:
        assert "\0" not in extracted.text
