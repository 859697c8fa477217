"""Word files: every word that the word processor shows, once."""

from __future__ import annotations

import zipfile
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from word_files import docx, paragraph, run

from retrieve.corpora.docx import docx_text
from retrieve.corpora.extracted import Extracted
from retrieve.corpora.open import open_corpus
from retrieve.errors import InputError


def text_of(folder: Path, body: str, **parts: str) -> str:
    return docx_text(docx(folder / "a.docx", body, **parts), "a.docx").text


CHOICE = (
    "<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wps:txbx><w:txbxContent>{0}</w:txbxContent>"
    "</wps:txbx></w:drawing></mc:Choice><mc:Fallback><w:pict><v:textbox><w:txbxContent>{0}</w:txbxContent></v:textbox>"
    "</w:pict></mc:Fallback></mc:AlternateContent></w:r>"
)


BOX = "<w:r><w:pict><v:textbox><w:txbxContent>{}</w:txbxContent></v:textbox></w:pict></w:r>"
FIELD = "<w:r><w:fldChar w:fldCharType='{}'/></w:r>"


def row(*cells: str) -> str:
    return f"<w:tr>{''.join(f'<w:tc>{cell}</w:tc>' for cell in cells)}</w:tr>"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (paragraph(run("Wo"), run("rd", "<w:b/>"), run(" two")) + paragraph(run("next")), "Word two\nnext"),
        (
            paragraph(f"<w:ins>{run('new')}</w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"),
            "new",
        ),
        (paragraph(f"<w:moveFrom>{run('gone')}</w:moveFrom><w:moveTo>{run('come')}</w:moveTo>"), "come"),
        (paragraph(run("a"), properties="<w:rPr><w:del/></w:rPr>") + paragraph(run("b")), "ab"),
        (
            paragraph(run("seen"), run("hidden", "<w:vanish/>"), run(" too", '<w:vanish w:val="0"/>')),
            "seen too",
        ),
        (f"<w:tbl>{row(paragraph(run('a')), paragraph(run('b')))}</w:tbl>", "a\nb"),
        (
            paragraph(run("wo"), CHOICE.format(paragraph(run("box"))), run("rd")) + paragraph(run("end")),
            "word\nbox\nend",
        ),
        (paragraph(BOX.format(paragraph(run("old box")))), "old box"),
        (paragraph(f"<mc:AlternateContent><mc:Fallback>{run('f')}</mc:Fallback></mc:AlternateContent>"), "f"),
        (
            paragraph(
                "<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r>"
            ),
            "a b\nc-d",
        ),
        (
            paragraph(
                f"<w:hyperlink>{run('link')}</w:hyperlink><w:sdt><w:sdtContent>{run('ed')}</w:sdtContent></w:sdt>"
            ),
            "linked",
        ),
        (
            paragraph(
                FIELD.format("begin"),
                "<w:r><w:instrText>IF</w:instrText></w:r>",
                run("code"),
                FIELD.format("separate"),
                run("result"),
                FIELD.format("end"),
                run(" after"),
            ),
            "result after",
        ),
        (paragraph(FIELD.format("begin"), run("never ended")), "never ended"),
        (
            paragraph(
                "<m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>"
            ),
            "1 2",
        ),
    ],
)
def test_what_is_shown(body: str, text: str, tmp_path: Path) -> None:
    assert text_of(tmp_path, body) == text


def test_notes_headers_and_diagrams_are_read_where_they_are_shown(tmp_path: Path) -> None:
    section = (
        "<w:headerReference w:type='default' r:id='header1'/><w:headerReference w:type='first' r:id='header2'/>"
        "<w:headerReference w:type='even' r:id='header3'/><w:footerReference w:type='default' r:id='footer1'/>"
    )
    body = (
        paragraph(run("text"), "<w:r><w:endnoteReference w:id='2'/><w:footnoteReference w:id='3'/></w:r>")
        + paragraph("<w:del><w:r><w:footnoteReference w:id='4'/></w:r></w:del>")
        + paragraph("<w:r><dgm:relIds r:dm='diagramData1'/></w:r>")
        + f"<w:sectPr>{section}{{}}</w:sectPr>"
    )
    notes = "".join(
        f"<w:footnote w:id='{number}'>{paragraph(run(f'note{number}'))}</w:footnote>" for number in (0, 3, 4)
    )
    parts = {
        "footnotes": notes,
        "endnotes": f"<w:endnote w:id='2'>{paragraph(run('last'))}</w:endnote>",
        "header1": paragraph(run("head")),
        "header2": paragraph(run("first")),
        "header3": paragraph(run("even")),
        "footer1": paragraph(run("foot")),
        "diagramData1": "<a:p><a:r><a:t>drawn</a:t></a:r></a:p>",
        "settings": "",
    }
    assert text_of(tmp_path, body.format(""), **parts).split("\n") == [
        "head",
        "text",
        "note3",
        "last",
        "drawn",
        "foot",
    ]
    parts["settings"] = "<w:evenAndOddHeaders/>"
    shown = text_of(tmp_path, body.format("<w:titlePg/>"), **parts).split("\n")
    assert shown == ["head", "first", "even", "text", "note3", "last", "drawn", "foot"]


def test_the_title_is_the_first_paragraph_in_its_style(tmp_path: Path) -> None:
    styles = "".join(
        f"<w:style w:styleId='{style}'><w:name w:val='{name}'/></w:style>"
        for style, name in (("Titel", "Title"), ("H", "heading 1"))
    )
    body = "".join(
        paragraph(run(text), properties=f"<w:pStyle w:val='{style}'/>")
        for text, style in (("Part", "H"), ("", "Titel"), ("The  lease", "Titel"), ("Other", "Titel"))
    )
    read = docx_text(docx(tmp_path / "a.docx", body, styles=styles), "a.docx")
    assert read == Extracted("Part\nThe lease\nOther", "The lease", "markup only")
    assert docx_text(docx(tmp_path / "a.docx", paragraph(run("x"))), "a.docx").title == ""


def test_files_that_are_none_of_words(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    whole = docx(path, paragraph(run("text"))).read_bytes()

    def refused(data: bytes, message: str) -> None:
        path.write_bytes(data)
        with pytest.raises(InputError, match=message) as raised:
            list(open_corpus(tmp_path))
        assert raised.value.where.startswith(str(path))

    refused(b"", "is not readable as an Office file")
    refused(whole[: len(whole) // 2], "is not readable as an Office file")
    refused(b"\xd0\xcf\x11\xe0" + bytes(600), r"form before 2007 \(\.doc\)")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "x")
    refused(path.read_bytes(), "Office file without a document")
    docx(path, "<!-- unclosed")
    refused(path.read_bytes(), r"a\.docx \(word/document\.xml\):1: is not well-formed XML")
    docx(path, paragraph(run("&a;")))
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("word/document.xml", "<!DOCTYPE d [<!ENTITY a 'b'>]><document>&a;</document>")
    refused(path.read_bytes(), "declares the entity 'a'")


def test_a_locked_file_and_one_without_text_say_so(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(
        b"\xd0\xcf\x11\xe0" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    )
    docx(tmp_path / "b.docx", paragraph("<w:r><w:drawing/></w:r>"))
    found = {document.id: document.metadata for document in open_corpus(tmp_path)}
    assert found == {"a.docx": {"no_text": "locked"}, "b.docx": {"no_text": "markup only"}}


def test_an_archive_that_unpacks_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieve.corpora.office_package.MAX_PART", 5_000)
    with pytest.raises(InputError, match="is longer than 5,000 bytes when unpacked"):
        text_of(tmp_path, paragraph(run("x" * 6_000)))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A body, and its words in the order in which they are read."""
    numbers = count()
    words: list[str] = []

    def runs(kept: list[str]) -> str:
        pieces = []
        for kind in draw(
            st.lists(st.sampled_from(["word", "cut", "deleted", "inserted", "hidden"]), max_size=3)
        ):
            word = f"w{next(numbers)}x"
            if kind not in ("deleted", "hidden"):
                kept.append(word)
            pieces.append(
                {
                    "word": run(f" {word} "),
                    "cut": run(" " + word[:1]) + run(word[1:] + " ", "<w:i/>"),
                    "deleted": f"<w:del>{run(word)}</w:del>",
                    "inserted": f"<w:ins>{run(f' {word} ')}</w:ins>",
                    "hidden": run(word, "<w:vanish/>"),
                }[kind]
            )
        return "".join(pieces)

    def block(depth: int) -> str:
        kind = draw(st.sampled_from(["p", "table", "box", "control"])) if depth else "p"
        if kind == "p":
            return paragraph(runs(words))
        if kind == "box":
            around: list[str] = []
            before = runs(around)
            after = runs(around)
            words.extend(around)
            return paragraph(before, CHOICE.format(block(depth - 1)), after)
        inner = "".join(block(depth - 1) for _ in range(draw(st.integers(1, 2))))
        if kind == "table":
            return f"<w:tbl><w:tr><w:tc>{inner}</w:tc></w:tr></w:tbl>"
        return f"<w:sdt><w:sdtPr/><w:sdtContent>{inner}</w:sdtContent></w:sdt>"

    made = "".join(block(2) for _ in range(draw(st.integers(0, 4))))
    return made, words


@settings(max_examples=150, deadline=None)
@given(made=bodies())
def test_every_shown_word_is_there_once_and_in_order(
    made: tuple[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    body, words = made
    assert text_of(tmp_path_factory.mktemp("docx"), body).split() == words


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_never_raise_anything_else(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = docx(tmp_path_factory.mktemp("docx") / "a.docx", paragraph(run("text")), settings="")
    whole = bytearray(path.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=8)):
        whole[at] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    try:
        list(open_corpus(path.parent))
    except InputError as error:
        assert error.where.startswith(str(path))
