"""Folders of files that people wrote: text, Markdown, HTML, PDF."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pdf_files import pdf

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.extract import markdown, plain_text
from retrieve.corpora.extracted import Extracted
from retrieve.corpora.html_page import html_text
from retrieve.corpora.open import open_corpus
from retrieve.errors import InputError, MissingExtra
from retrieve.types import Document


def test_every_readable_file_becomes_a_document(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config.txt").write_text("hidden")
    (tmp_path / "b" / "deep" / "note.md").write_bytes("\ufeffIntro\r\n\r\n# The note\r\nBody".encode())
    (tmp_path / "b" / "page.HTML").write_text("<title>Page</title><p>One<p>Two")
    (tmp_path / "a.txt").write_text("Plain täxt\n", encoding="utf-8")
    (tmp_path / "c.pdf").write_bytes(pdf("Page one", "", "Page three"))
    (tmp_path / "d.htm").write_text("")
    (tmp_path / "x.doc").write_bytes(b"PK\x03\x04")
    (tmp_path / "y.doc").write_bytes(b"PK\x03\x04")
    (tmp_path / "Makefile").write_text("all:")
    (tmp_path / "loop").symlink_to(tmp_path)
    with caplog.at_level(logging.WARNING, "retrieve"):
        corpus = open_corpus(tmp_path)
    assert list(corpus) == [
        Document("a.txt", "Plain täxt\n"),
        Document("b/deep/note.md", "Intro\n\n# The note\nBody", "The note"),
        Document("b/page.HTML", "One\nTwo", "Page"),
        Document("c.pdf", "Page one\n\f\n\fPage three"),
        Document("d.htm", "", metadata={"no_text": "empty"}),
    ]
    assert "5 entries are not read: 2 .doc, 1 hidden, 1 links to folders, 1 without a suffix" in caplog.text
    assert "a suffix (Makefile, x.doc, y.doc)" in caplog.text
    read = [
        path for path in tmp_path.rglob("[!.]*.*") if path.suffix in {".txt", ".md", ".HTML", ".pdf", ".htm"}
    ]
    wanted = sum(path.stat().st_size for path in read if ".git" not in path.parts)
    assert corpus.bytes_read == corpus.bytes_total == wanted


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# One #\n# Two", "One"),
        ("text\n\n   ### Three ##\n", "Three"),
        ("```\n# code\n~~~\n```\n# Real", "Real"),
        ("Under\n=====\n", "Under"),
        ("#hashtag\n    # code", ""),
        ("\n===\n", ""),
        ("", ""),
    ],
)
def test_the_title_of_markdown_is_its_first_heading(text: str, title: str) -> None:
    assert markdown(text.encode(), "note") == Extracted(text, title)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60) | st.text("<>!-[]/?&#;ap= \"'", max_size=60).map(str.encode))
@pytest.mark.parametrize("read", [plain_text, markdown, html_text])
def test_random_bytes_never_raise_anything_else(read: Callable[[bytes, str], Extracted], data: bytes) -> None:
    try:
        extracted = read(data, "place")
    except InputError as error:
        assert error.where == "place"
    else:
        assert isinstance(extracted.title, str)
        assert isinstance(extracted.text, str)


def test_bad_files_are_named_and_skipped_on_request(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    (tmp_path / "nul.md").write_bytes(b"a\0b")
    (tmp_path / "large.html").write_text("x" * 2_001)
    messages = {
        "latin.txt": r"byte 4 \(0xe9\) is not UTF-8",
        "broken.pdf": "is not readable as PDF",
        "nul.md": "text has a NUL at character 2",
        "large.html": "longer than 2,000 bytes.*--max-line",
    }
    corpus = open_corpus(tmp_path, options=ReadOptions(skip_bad=True, max_line=2_000))
    assert {document.id: document.text for document in corpus} == {"good.txt": "good"}
    assert corpus.skipped == len(messages)
    for name, message in messages.items():
        alone = tmp_path / "alone"
        alone.mkdir(exist_ok=True)
        (alone / name).write_bytes((tmp_path / name).read_bytes())
        with pytest.raises(InputError, match=message) as raised:
            list(open_corpus(alone, options=ReadOptions(max_line=2_000)))
        assert raised.value.where == str(alone / name)
        (alone / name).unlink()


def test_all_bad_files_are_in_one_error(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number:02}.txt").write_bytes(b"good")
    (tmp_path / "00.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"00\.txt: byte 4 .*; --skip-bad reads the others$"):
        list(open_corpus(tmp_path))
    (tmp_path / "03.txt").write_bytes(b"\0")
    (tmp_path / "z.pdf").write_bytes(b"%PDF-1.4\nnothing")
    with pytest.raises(InputError) as raised:
        list(open_corpus(tmp_path))
    first, *named = str(raised.value).splitlines()
    assert first == f"{tmp_path}: 3 files cannot be read; --skip-bad reads the others and names these:"
    assert [line.split(": ")[0].strip() for line in named] == [
        str(tmp_path / name) for name in ("00.txt", "03.txt", "z.pdf")
    ]
    for number in range(12):
        (tmp_path / f"{number:02}.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="10 files, and perhaps more, cannot be read") as raised:
        list(open_corpus(tmp_path))
    assert len(str(raised.value).splitlines()) == 11


@pytest.mark.parametrize(
    ("name", "module"), [("a.html", "selectolax.lexbor"), ("a.pdf", "pdf_oxide"), ("a.pdf", "pypdf")]
)
def test_a_missing_extra_is_named(
    name: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(b"x")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"retrieve-engine\[files\]"):
        list(open_corpus(tmp_path, options=ReadOptions(skip_bad=True)))


def test_a_file_name_that_is_not_utf8_is_an_error_that_can_be_printed(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(InputError, match="lone surrogate") as raised:
        list(open_corpus(tmp_path))
    assert str(raised.value).encode("utf-8")
