"""JSON lines: what is written comes back, and every kind of bad line is named with its file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.open import open_corpus
from retrieve.errors import InputError
from retrieve.types import Document

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.builds(
    Document,
    id=TEXT.filter(bool),
    text=TEXT,
    title=TEXT,
    metadata=st.dictionaries(
        TEXT.filter(lambda key: key not in {"_id", "id", "title", "text", "metadata"}), VALUES
    ),
)

GOOD = b'{"_id": "good", "text": "t"}\n'


def line_of(document: Document, *, ascii_only: bool, spread: bool) -> str:
    """The document as one line: metadata in its own object, or spread over the line as unknown keys."""
    metadata = dict(document.metadata) if spread else {"metadata": document.metadata}
    whole: dict[str, Any] = {"_id": document.id, "title": document.title, "text": document.text, **metadata}
    return json.dumps(whole, ensure_ascii=ascii_only)


@settings(max_examples=100, deadline=None)
@given(
    documents=st.lists(DOCUMENTS, unique_by=lambda document: document.id, max_size=4),
    ascii_only=st.booleans(),
    spread=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\r\n"]),
    compress=st.booleans(),
    last_end=st.booleans(),
)
def test_documents_come_back_as_they_were_written(
    documents: list[Document],
    ascii_only: bool,
    spread: bool,
    end: str,
    compress: bool,
    last_end: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    lines = [line_of(document, ascii_only=ascii_only, spread=spread) for document in documents]
    data = (end.join(lines) + (end if last_end else "")).encode()
    path = tmp_path_factory.mktemp("jsonl") / ("d.jsonl.gz" if compress else "d.jsonl")
    path.write_bytes(gzip.compress(data, mtime=0) if compress else data)
    assert list(open_corpus(path)) == documents


BAD = {
    "broken": (b'{"_id": "a", "text" "t"}', "broken JSON at column 21"),
    "two objects": (GOOD.strip() + b" {}", "broken JSON at column"),
    "not an object": (b'["a"]', "wanted a JSON object"),
    "string": (b'"a"', "wanted a JSON object"),
    "no id": (b'{"text": "t"}', "there is no id"),
    "empty id": (b'{"_id": "", "text": "t"}', "_id is empty"),
    "integer id": (b'{"_id": 12, "text": "t"}', 'write "_id": "12"'),
    "null id": (b'{"id": null, "text": "t"}', "id is null"),
    "boolean id": (b'{"id": true, "text": "t"}', "id is a boolean"),
    "two ids": (b'{"_id": "a", "id": "b", "text": "t"}', "keep one of them"),
    "two ids, one no string": (b'{"_id": "1", "id": 1, "text": "t"}', 'write "id": "1"'),
    "no text": (b'{"_id": "a"}', 'there is no "text"'),
    "null text": (b'{"_id": "a", "text": null}', "text is null"),
    "list text": (b'{"_id": "a", "text": ["t"]}', "text is a list"),
    "number title": (b'{"_id": "a", "text": "t", "title": 3}', "title is a number"),
    "metadata list": (b'{"_id": "a", "text": "t", "metadata": []}', "metadata is a list"),
    "metadata null": (b'{"_id": "a", "text": "t", "metadata": null}', "metadata is null"),
    "NaN": (b'{"_id": "a", "text": "t", "x": NaN}', "NaN is not JSON"),
    "Infinity": (b'{"_id": "a", "text": "t", "metadata": {"x": [-Infinity]}}', "-Infinity is not JSON"),
    "overflowing float": (b'{"_id": "a", "text": "t", "x": 1e999}', "metadata.x is inf"),
    "65 bits": (
        b'{"_id": "a", "text": "t", "x": {"y": 9223372036854775808}}',
        "metadata.x.y is an integer beyond",
    ),
    "5,000 digits": (b'{"_id": "a", "text": "t", "x": ' + b"1" * 5000 + b"}", "integer beyond 64 bits"),
    "not UTF-8": (b'{"_id": "a", "text": "\xe4"}', "byte 23 (0xe4) is not UTF-8"),
    "encoded surrogate": (b'{"_id": "a", "text": "\xed\xa0\x80"}', "byte 23 (0xed) is not UTF-8"),
    "raw NUL": (b'{"_id": "a", "text": "\0"}', "NUL byte at column 23"),
    "NUL in id": (b'{"_id": "a\\u0000", "text": "t"}', "_id has a NUL at character 2"),
    "NUL in title": (b'{"_id": "a", "title": "\\u0000", "text": "t"}', "title has a NUL"),
    "NUL in text": (b'{"_id": "a", "text": "ab\\u0000"}', "text has a NUL at character 3"),
    "NUL in metadata": (b'{"_id": "a", "text": "t", "x": ["\\u0000"]}', "metadata.x[] has a NUL"),
    "NUL in key": (b'{"_id": "a", "text": "t", "x\\u0000": 1}', "a key of metadata has a NUL"),
    "lone surrogate": (b'{"_id": "a", "text": "b\\ud800"}', "lone surrogate (\\ud800) at character 2"),
    "surrogate in id": (b'{"_id": "\\udfff", "text": "b"}', "_id has a lone surrogate"),
    "surrogate in metadata": (
        b'{"_id": "a", "text": "b", "x": {"y": "\\udc00"}}',
        "metadata.x.y has a lone surrogate",
    ),
    "key twice": (b'{"_id": "a", "text": "b", "text": "c"}', "the key 'text' occurs twice"),
    "inner key twice": (b'{"_id": "a", "text": "b", "x": {"y": 1, "y": 1}}', "the key 'y' occurs twice"),
    "clash": (b'{"_id": "a", "text": "b", "x": 1, "metadata": {"x": true}}', "inside it with another value"),
    "65 deep": (b'{"_id": "a", "text": "b", "x": ' + b"[" * 64 + b"]" * 64 + b"}", "nested deeper than 64"),
    "bottomless": (b'{"_id": "a", "text": "b", "x": ' + b"[" * 100_000, "deeper than 64"),
    "too long": (b'{"_id": "a", "text": "' + b"b" * 200_000 + b'"}', "longer than 150,000 bytes"),
    "duplicate id": (GOOD.strip(), "already on line 1"),
}


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("case", BAD, ids=str)
def test_a_bad_line_stops_the_pass_or_is_skipped(
    case: str, compress: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line, message = BAD[case]
    data = GOOD + b"\n" + line + b'\n{"id": "last", "title": null, "text": ""}'
    path = tmp_path / "docs.jsonl"
    path.write_bytes(gzip.compress(data) if compress else data)
    stop = open_corpus(path, options=ReadOptions(max_line=150_000))
    with pytest.raises(InputError) as raised:
        list(stop)
    assert raised.value.where == f"{path}:3"
    assert message in str(raised.value)
    skip = open_corpus(path, options=ReadOptions(max_line=150_000, skip_bad=True))
    assert [document.id for document in skip] == ["good", "last"]
    assert skip.skipped == 1
    assert f"{path}:3" in caplog.text
    assert skip.bytes_read == skip.bytes_total == path.stat().st_size


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200) | st.text('{}[]":,_idtexaul\\0\n', max_size=80).map(str.encode))
def test_random_bytes_never_raise_anything_else(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("random")
    for name, content in [
        ("a.jsonl", data),
        ("b.jsonl", b"\x1f\x8b" + data),
        ("c.jsonl.gz", gzip.compress(data)[:-9]),
    ]:
        path = folder / name
        path.write_bytes(content)
        for skip_bad in (False, True):
            try:
                list(open_corpus(path, options=ReadOptions(skip_bad=skip_bad)))
            except InputError as error:
                assert str(path) in str(error)


def test_unknown_keys_join_the_metadata(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"id": "a", "_id": "a", "text": "t", "x": 1, "metadata": {"x": 1, "y": [1.5]}}'
    )
    assert list(open_corpus(path)) == [Document("a", "t", "", {"x": 1, "y": [1.5]})]


def test_64_levels_of_metadata_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_text('{"id": "a", "text": "t", "x": ' + "[" * 63 + "]" * 63 + "}")
    assert len(list(open_corpus(path))) == 1
