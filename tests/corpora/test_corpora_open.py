"""What a name is taken for, and what is refused because it could be two things."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pdf_files import pdf
from word_files import docx, paragraph, run

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.open import open_corpus
from retrieve.errors import InputError, UsageError

JSONL = '{"id": "j", "text": "t"}\n'
TSV = "t\ttext\n"
TREC = "<DOC><DOCNO>d</DOCNO>text</DOC>\n"


def ids(source: Path | str, format: str | None = None) -> list[str]:
    return [document.id for document in open_corpus(source, format=format)]


def fill(folder: Path, **files: str) -> Path:
    """Files named by keyword, `__` for a dot and `___` for a slash."""
    for name, content in files.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.jsonl", JSONL, "j"),
        ("a.NDJSON", JSONL, "j"),
        ("a.tsv", TSV, "t"),
        ("a.xml", TREC, "d"),
        ("a.json", "\n \n" + JSONL, "j"),
        ("a", "\ufeff" + JSONL, "j"),
        ("a.dat", "\n" + TREC, "d"),
    ],
)
def test_files_by_name_then_by_content(name: str, content: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert ids(tmp_path / name) == ids(str(tmp_path / name)) == [wanted]


def test_what_is_not_recognised_says_what_is_readable(tmp_path: Path) -> None:
    fill(tmp_path, a__dat=TSV)
    with pytest.raises(
        InputError, match=r"a\.dat: is not recognised.*readable are.*--format \(beir, jsonl, tsv"
    ):
        open_corpus(tmp_path / "a.dat")
    assert ids(tmp_path / "a.dat", "tsv") == ["t"]
    with pytest.raises(InputError, match="there is no such file or folder"):
        open_corpus(tmp_path / "none")
    with pytest.raises(UsageError, match="format 'word' does not exist"):
        open_corpus(tmp_path, format="word")
    with pytest.raises(UsageError, match=r"'beir' is a folder and .*a\.dat is not"):
        open_corpus(tmp_path / "a.dat", format="beir")
    with pytest.raises(InputError, match=r"a\.dat: is none of the files that are a document each \(\.txt"):
        open_corpus(tmp_path / "a.dat", format="files")
    with pytest.raises(UsageError, match="does not apply to python:"):
        open_corpus("python:", format="jsonl")
    with pytest.raises(InputError, match="takes no name"):
        open_corpus("python:os")


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.MD", "a.html", "a.xhtml", "a.eml", "a.pdf", "a.docx"])
@pytest.mark.parametrize("format", [None, "files"])
def test_one_file_is_one_document_with_the_id_that_its_folder_gives(
    name: str, format: str | None, tmp_path: Path
) -> None:
    data = {
        "a.eml": b"Subject: s\n\nA\ttext",
        "a.pdf": pdf("A text"),
        "a.docx": docx(tmp_path / "made.docx", paragraph(run("A text"))).read_bytes(),
        "a.xhtml": b"<?xml version='1.0'?><html><body>A text</body></html>",
    }
    folder = tmp_path / "docs" / "sub"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(data.get(name, b"A text\nwith\ta tab"))
    alone = list(open_corpus(folder / name, format=format))
    assert alone == list(open_corpus(folder))
    assert [document.id for document in alone] == [name]
    rooted = ReadOptions(root=tmp_path / "docs")
    for source in (folder, folder / name, tmp_path / "docs"):
        assert [document.id for document in open_corpus(source, options=rooted)] == [f"sub/{name}"]


def test_a_txt_of_records_is_no_text(tmp_path: Path) -> None:
    fill(tmp_path, a__txt=TSV + "u\tother\n", b__txt=JSONL, c__txt=TREC)
    with pytest.raises(InputError, match=r"could be one text, or rows of id and text: say --format files or"):
        open_corpus(tmp_path / "a.txt")
    assert ids(tmp_path / "a.txt", "files") == ["a.txt"]
    assert ids(tmp_path / "a.txt", "tsv") == ["t", "u"]
    assert ids(tmp_path / "b.txt") == ["j"]
    assert ids(tmp_path / "c.txt") == ["d"]


def test_a_beir_folder_is_its_corpus_file(tmp_path: Path) -> None:
    fill(
        tmp_path,
        corpus__jsonl=JSONL,
        queries__jsonl='{"id": "q", "text": "t"}',
        qrels___test__tsv="x",
        a__md="x",
    )
    assert ids(tmp_path) == ids(tmp_path, "beir") == ["j"]
    fill(tmp_path, corpus__jsonl__gz="x")
    with pytest.raises(InputError, match=r"holds corpus\.jsonl and corpus\.jsonl\.gz"):
        open_corpus(tmp_path)


def test_folders_of_records_are_read_in_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(
        tmp_path,
        b__jsonl='{"id": "2", "text": ""}',
        a___z__jsonl='{"id": "1", "text": ""}',
        README__md="#",
        l__json="{}",
    )
    with caplog.at_level(logging.WARNING, "retrieve"):
        assert ids(tmp_path) == ["1", "2"]
    assert "2 entries are not read: 1 .json, 1 .md (README.md, l.json)" in caplog.text
    assert ids(tmp_path, "files") == ["README.md"]


def test_a_read_me_alone_is_a_text(tmp_path: Path) -> None:
    assert ids(fill(tmp_path, README__md="# Read me")) == ["README.md"]


def test_trec_files_in_folders_need_no_suffix(tmp_path: Path) -> None:
    fill(tmp_path, ft___ft911_1=TREC, ft___ft911_2=TREC.replace("d", "e"), readme__txt="x")
    assert ids(tmp_path) == ["d", "e"]


def test_two_kinds_in_one_folder_are_not_guessed(tmp_path: Path) -> None:
    fill(tmp_path, a__jsonl=JSONL, b__tsv=TSV, c__png="x", d__txt="x")
    with pytest.raises(InputError) as raised:
        open_corpus(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path}: holds 1 text (files), 1 jsonl and 1 tsv, and a folder is read in one format: "
        f"choose by --format (files, jsonl, tsv), and add the others afterwards, each by itself: "
        f"retrieve index add INDEX {tmp_path}/b.tsv"
    )
    assert ids(tmp_path, "tsv") == ["t"]
    with pytest.raises(InputError, match="holds no trec files among 4"):
        open_corpus(tmp_path, format="trec")
    with pytest.raises(InputError, match=r"has no corpus\.jsonl"):
        open_corpus(tmp_path, format="beir")


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no files: wanted a folder of files to read$"):
        open_corpus(tmp_path)
    fill(tmp_path, a__png="x")
    with pytest.raises(
        InputError, match=r"holds no file that can be read, and 1 others \(a\.png\); readable"
    ):
        open_corpus(tmp_path)


def test_a_named_pipe_is_read_with_a_format(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(JSONL,))
    corpus = open_corpus(pipe, format="jsonl")
    writer.start()
    assert [document.id for document in corpus] == ["j"]
    writer.join()
    assert corpus.bytes_total is None


def test_opening_jsonl_loads_nothing_heavy() -> None:
    code = (
        "import sys; import retrieve.corpora.open, retrieve.corpora.queries, retrieve.corpora.dataset; "
        "heavy = {'torch', 'faiss', 'selectolax', 'webencodings', 'pypdf', 'ir_datasets', 'numpy', 'pydantic'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
