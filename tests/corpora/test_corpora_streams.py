"""Inputs as bytes: gzip, standard input, long lines, many bad lines, memory."""

from __future__ import annotations

import gzip
import io
import logging
import tracemalloc
from pathlib import Path

import pytest

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.duplicate_ids import SeenIds
from retrieve.corpora.open import open_corpus
from retrieve.corpora.queries import read_queries
from retrieve.corpora.stream import wide
from retrieve.errors import InputError, UsageError

LINES = b"".join(b'{"_id": "%d", "text": "text %d"}\n' % (number, number) for number in range(50))


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize("data", [LINES, gzip.compress(LINES)], ids=["plain", "gzip"])
def test_standard_input_is_read_once(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, data)
    corpus = open_corpus("-")
    assert [document.id for document in corpus] == [str(number) for number in range(50)]
    assert corpus.bytes_total is None
    assert corpus.bytes_read == len(data)
    with pytest.raises(UsageError, match="only once"):
        list(corpus)


def test_standard_input_takes_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"a\tsome text\n")
    assert [document.text for document in open_corpus("-", format="tsv")] == ["some text"]
    feed(monkeypatch, b"{}")
    with pytest.raises(InputError, match="standard input:1: there is no id"):
        list(open_corpus("-"))
    with pytest.raises(UsageError, match="is a folder and standard input is not"):
        open_corpus("-", format="files")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_a_byte_order_mark_says_the_encoding(encoding: str, compress: bool, tmp_path: Path) -> None:
    lines = "".join(f'{{"id": "{number}", "text": "größe 日本 𝔘 {number}"}}\n' for number in range(9_000))
    data = (("\ufeff" if encoding == "utf-16-be" else "") + lines).encode(encoding)
    path = tmp_path / "a.jsonl"
    path.write_bytes(gzip.compress(data, 1) if compress else data)
    found = [document.text for document in open_corpus(path)]
    assert found == [f"größe 日本 𝔘 {number}" for number in range(9_000)]
    (tmp_path / "b.txt").write_bytes("\ufeffa\r\nb".encode("utf-16-le"))
    assert [each.text for each in open_corpus(tmp_path, format="files")] == ["a\nb"]


def test_text_that_is_not_what_its_mark_says_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xff\xfe{\0}\0\n")
    with pytest.raises(InputError, match=r"a\.jsonl: begins with the mark of UTF-16-LE and is not that"):
        list(open_corpus(path))
    (tmp_path / "b.txt").write_bytes(b"\xfe\xff\xd8\0")
    with pytest.raises(InputError, match=r"b\.txt: begins with the mark of UTF-16-BE and is not that"):
        list(open_corpus(tmp_path, format="files"))


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.html", "a.eml"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["<p>rent and fees</p>\n", "{Аренда: и плата – за жильё, Ѐ: 1}\n"])
def test_utf16_without_a_mark_is_named(tmp_path: Path, name: str, encoding: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode(encoding))
    with pytest.raises(InputError, match="as in UTF-16 without a byte order mark") as caught:
        list(open_corpus(tmp_path))
    assert f"-f {encoding.upper().replace('-LE', 'LE').replace('-BE', 'BE')} -t" in str(caught.value)


@pytest.mark.parametrize(
    "text", ['{"_id": "a\0", "text": "b\0"}', "plain, and a NUL \0 and another \0 in it"]
)
def test_a_few_nuls_do_not_make_utf16(text: str) -> None:
    assert wide(text.encode(), "here") is None


def test_a_mail_in_utf16_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes("Subject: x\n\nbody".encode("utf-16"))
    with pytest.raises(InputError, match=r"a\.eml: begins with the mark of UTF-16"):
        list(open_corpus(tmp_path))


def test_xml_that_declares_utf16_and_is_not_is_read(tmp_path: Path) -> None:
    (tmp_path / "q.xml").write_text(
        '<?xml version="1.0" encoding="UTF-16"?><q><q id="1">größe</q></q>', "utf-8"
    )
    assert [query.text for query in read_queries(tmp_path / "q.xml")] == ["größe"]


@pytest.mark.parametrize("kept", [1, 5, 30, -9, -1])
def test_a_cut_gzip_file_is_an_error_even_when_bad_lines_are_skipped(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl.gz"
    path.write_bytes(gzip.compress(LINES)[:kept])
    with pytest.raises(InputError, match=r"docs\.jsonl\.gz: (the gzip data is cut short|is called \.gz)"):
        list(open_corpus(path, options=ReadOptions(skip_bad=True)))


def test_a_gzip_file_with_another_name_is_read(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_bytes(
        gzip.compress(LINES[:200]) + gzip.compress(LINES[200:])
    )  # two members, as pigz and cat make them
    assert len(list(open_corpus(path))) == 50


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_a_line_of_50_megabytes_is_refused_without_holding_it(compress: bool, tmp_path: Path) -> None:
    data = (
        LINES
        + b'{"_id": "long", "text": "'
        + b"a" * 50_000_000
        + b'"}\n'
        + LINES.replace(b'id": "', b'id": "x')
    )
    path = tmp_path / "docs.jsonl"
    path.write_bytes(gzip.compress(data, 1) if compress else data)
    del data
    skipping = open_corpus(path, options=ReadOptions(skip_bad=True, max_line=1 << 20))
    tracemalloc.start()
    try:
        assert sum(1 for _ in skipping) == 100
        assert tracemalloc.get_traced_memory()[1] < 4 << 20  # the limit, the line's first bytes, and buffers
    finally:
        tracemalloc.stop()
    assert skipping.skipped == 1
    with pytest.raises(InputError, match=r"docs\.jsonl:51: longer than 33,554,432 bytes.*--max-line"):
        list(open_corpus(path))


@pytest.mark.parametrize(("length", "fits"), [(100, True), (101, False)])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "bom"])
def test_the_limit_counts_the_line_alone(
    length: int, fits: bool, end: bytes, mark: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "docs.jsonl"
    line = b'{"id": "a", "text": ""}'
    path.write_bytes(mark + line[:-2] + b"b" * (length - len(line)) + line[-2:] + end)
    corpus = open_corpus(path, options=ReadOptions(max_line=100))
    if fits:
        assert len(list(corpus)) == 1
    else:
        with pytest.raises(InputError, match="longer than 100 bytes"):
            list(corpus)


def test_ten_bad_lines_are_named_and_the_rest_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_bytes(b"bad\n" * 25 + LINES)
    corpus = open_corpus(path, options=ReadOptions(skip_bad=True))
    for _ in range(2):  # counted afresh in each pass
        caplog.clear()
        with caplog.at_level(logging.WARNING, "retrieve"):
            assert len(list(corpus)) == 50
        assert corpus.skipped == 25
        assert len(caplog.records) == 11
        assert "skipped 25 bad records in all" in caplog.records[-1].getMessage()


def test_a_pass_that_is_left_early_closes_its_file(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_bytes(LINES)
    corpus = open_corpus(path)
    for _ in zip(range(3), corpus, strict=False):
        pass
    assert len(list(corpus)) == 50
    assert not recwarn.list


def test_duplicates_are_found_far_apart_and_only_inside_a_file(tmp_path: Path) -> None:
    seen = SeenIds()
    with seen:
        assert all(seen.add(str(number), number) is None for number in range(20_000))
        assert seen.add("17", 20_000) == 17
        assert seen.add("17 ", 20_001) is None
        assert seen.add("a", 20_002) is None
        assert seen.add("A", 20_003) is None
    (tmp_path / "one.jsonl").write_bytes(LINES)
    (tmp_path / "two.jsonl").write_bytes(LINES)
    assert len(list(open_corpus(tmp_path))) == 100


def test_utf16_is_named_where_it_cannot_be_read() -> None:
    from retrieve.corpora.stream import decoded

    assert "begins with the mark of UTF-16" in str(decoded("größe".encode("utf-16"), "ids"))
