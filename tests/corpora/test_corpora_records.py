"""MS MARCO's TSV and TREC's SGML."""

from __future__ import annotations

import gzip
import re
from html import escape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.open import open_corpus
from retrieve.errors import InputError
from retrieve.types import Document


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_passages_and_documents_of_ms_marco(tmp_path: Path) -> None:
    passages = write(tmp_path / "collection.tsv", '0\tThe "presence" of\u2028it \n1\t\n')
    assert list(open_corpus(passages)) == [Document("0", 'The "presence" of\u2028it '), Document("1", "")]
    documents = tmp_path / "docs.tsv.gz"
    documents.write_bytes(gzip.compress(b"D1\thttp://a\tA title\tA body\r\nD2\thttp://b\t\tB\r\n"))
    assert list(open_corpus(documents)) == [
        Document("D1", "A body", "A title", {"url": "http://a"}),
        Document("D2", "B", "", {"url": "http://b"}),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("only an id\n", 1, "1 tab-separated columns, wanted 2 (id, text) or 4"),
        ("1\ta\n2\tb\tc\n", 2, "3 tab-separated columns, wanted 2 (id, text), the same"),
        ("1\ta\n2\tb\tc\td\n", 2, "4 tab-separated columns, wanted 2 (id, text), the same"),
        ("\ttext\n", 1, "id is empty"),
        ("1\ta\0\n", 1, "NUL"),
        ("1\ta\n\n1\tb\n", 3, "already on line 1"),
    ],
)
def test_bad_rows(text: str, line: int, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", text)
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        list(open_corpus(path))
    assert raised.value.where == f"{path}:{line}"


TREC = """<DOC>
<DOCNO> FT911-3 </DOCNO>
<HEADLINE>
<P>Ports &amp; ships</P> of
Europe
</HEADLINE>
<TEXT>
<P>
First &lt;paragraph&gt; 3 < 4.
</P>
<P>
Second
line.
</P>
</TEXT>
<BYLINE>By A. Nobody</BYLINE>
<TEXT>More.</TEXT>
</DOC>

<doc><docno>B</docno><title>T</title>Body <b>bold</b> text.</doc> <DOC><DOCNO>C</DOCNO><TEXT></TEXT></DOC>
"""


@pytest.mark.parametrize("name", ["a.trec", "a.sgml", "fb396001", "fb396001.gz"])
def test_documents_of_trec(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(TREC.encode()) if name.endswith("gz") else TREC.encode())
    assert list(open_corpus(path)) == [
        Document("FT911-3", "First <paragraph> 3 < 4.\n\nSecond\nline.\n\nMore.", "Ports & ships of Europe"),
        Document("B", "Body  bold  text.", "T"),
        Document("C", ""),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("<DOC>\n<DOCNO>a</DOCNO>\n", 1, "<DOC> is never closed"),
        ("\n<DOC>\n<DOCNO>a</DOCNO>\n<DOC>\n<DOCNO>b</DOCNO></DOC>", 2, "<DOC> is never closed"),
        ("<DOC>\n<TEXT>a</TEXT></DOC>", 1, "0 <DOCNO> in a <DOC>"),
        ("<DOC>\n<DOCNO>a</DOCNO><DOCNO>b</DOCNO></DOC>", 1, "2 <DOCNO> in a <DOC>"),
        ("<DOC><DOCNO> </DOCNO></DOC>", 1, "id is empty"),
        ("<DOC>\n<DOCNO>a</DOCNO><TEXT>lost</DOC>", 1, "<TEXT> is never closed"),
        ("<DOC>\n<DOCNO>a</DOCNO>lost</TEXT></DOC>", 1, "<TEXT> and </TEXT> do not pair"),
        ("<?xml version='1'?>\nsome words\n<DOC><DOCNO>a</DOCNO></DOC>", 2, "text outside of <DOC>"),
        ("<DOC><DOCNO>a</DOCNO></DOC>\n</DOC>", 2, "</DOC> without <DOC>"),
        ("<DOC><DOCNO>a</DOCNO>\0</DOC>", 1, "NUL"),
        ("<DOC>\n<DOCNO>a</DOCNO>\n</DOC><DOC>\n<DOCNO>a</DOCNO>\n</DOC>", 3, "already on line 1"),
        (
            "<DOC>\n<DOCNO>a</DOCNO>\n" + "word " * 300 + "\n" + "word " * 300 + "</DOC>",
            1,
            "longer than 2,000 bytes",
        ),
    ],
)
def test_bad_sgml(text: str, line: int, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.trec", text)
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        list(open_corpus(path, options=ReadOptions(max_line=2_000)))
    assert raised.value.where == f"{path}:{line}"


def test_a_bad_document_does_not_take_its_neighbours_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.trec"
    good = b"<DOC>\n<DOCNO>%s</DOCNO>\n<TEXT>t</TEXT>\n</DOC>\n"
    path.write_bytes(good % b"a" + good % b"\xe4" + b"<DOC>\n<DOCNO>u</DOCNO>\n" + good % b"c")
    with pytest.raises(InputError, match=re.escape(f"{path}:6: byte 8 (0xe4) is not UTF-8")):
        list(open_corpus(path))
    corpus = open_corpus(path, options=ReadOptions(skip_bad=True))
    assert [document.id for document in corpus] == ["a", "c"]
    assert corpus.skipped == 2


def test_a_file_without_documents_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no <DOC> in the file"):
        list(open_corpus(write(tmp_path / "a.sgml", "<root/>\n")))
    assert list(open_corpus(write(tmp_path / "empty.sgml", ""))) == []


@settings(max_examples=150, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(["<DOC>", "</DOC>", "<DOCNO>", "</DOCNO>", "<TEXT>", "</TEXT>", "<TITLE>", "x\n"])
    )
    | st.lists(st.binary(max_size=8).map(lambda data: data.decode("latin-1")))
)
def test_random_sgml_never_raises_anything_else(
    pieces: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("sgml") / "a"
    path.write_bytes("".join(pieces).encode("latin-1"))
    for kind in ("trec", "tsv"):
        for skip_bad in (False, True):
            try:
                list(open_corpus(path, format=kind, options=ReadOptions(skip_bad=skip_bad)))
            except InputError as error:
                assert str(path) in str(error)


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])), min_size=1, max_size=4
    )
)
def test_text_survives_markup(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("sgml") / "a.trec"
    documents = (
        f"<DOC>\n<DOCNO>{place}</DOCNO>\n<TEXT>{escape(text)}</TEXT>\n</DOC>\n"
        for place, text in enumerate(texts)
    )
    path.write_text("".join(documents), encoding="utf-8")
    assert [document.text for document in open_corpus(path)] == [text.strip() for text in texts]
