"""What an author writes above a Markdown text is metadata and title; what cannot be read so is text, and said."""

from __future__ import annotations

import json
import logging
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from retrieve import Index, open_corpus
from retrieve.corpora.extract import markdown
from retrieve.corpora.extracted import Extracted

BODY = "# A heading\n\nThe body.\n"


def read(text: str) -> Extracted:
    return markdown(text.encode(), "note.md")


@pytest.mark.parametrize(
    ("block", "title", "metadata"),
    [
        (
            "---\ntitle: Of wings\ntags: [a, b]\nyear: 1984\n---\n",
            "Of wings",
            {"tags": ["a", "b"], "year": 1984},
        ),
        ('---\r\ntitle: "1: one"\r\ndraft: true\r\n...\r\n', "1: one", {"draft": True}),
        ("---\ntitle: 1984\ndate: 2024-02-29\n---\n", "1984", {"date": "2024-02-29"}),
        ("---\ndate: 2024-02-29 12:30:00+01:00\nby: {name: Ann}\n---  \n", "A heading", None),
        ("---\ntitle: ' '\n1: one\non: two\nnull: x\n---\n", "A heading", None),
        (
            '+++\ntitle = "Of wings"\ndate = 2024-02-29\n[params]\nweight = 3\n+++\n',
            "Of wings",
            {"date": "2024-02-29", "params": {"weight": 3}},
        ),
    ],
)
def test_it_is_title_and_metadata(block: str, title: str, metadata: dict[str, Any] | None) -> None:
    found = read(block + BODY)
    assert (found.title, found.text) == (title, BODY)
    if metadata is not None:
        assert found.metadata == metadata
    json.dumps(found.metadata, allow_nan=False)


def test_keys_and_times_are_as_json_has_them() -> None:
    found = read("---\n7: one\non: two\nnull: x\n2024-02-29: day\n---\nx").metadata
    assert found == {"7": "one", "true": "two", "null": "x", "2024-02-29": "day"}
    found = read("---\nat: 2024-02-29 12:30:00+01:00\n---\nx").metadata
    assert found == {"at": "2024-02-29T12:30:00+01:00"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("---\n\nA rule, and another.\n\n---\n\nMore.\n", None),
        ("---\ntitle: never closed\n", None),
        ("----\ntitle: x\n----\n", None),
        ("Text.\n---\ntitle: x\n---\n", None),
        ("---\n---\nText.\n", None),
        ("---\n- a\n- b\n---\nText.\n", None),
        ("---\na: [1\n---\nText.\n", "expected ',' or ']'"),
        ("---\na: &x [1]\nb: *x\n---\nText.\n", "an alias"),
        ("---\na: .nan\n---\nText.\n", "nan"),
        ("---\na: !!binary aGk=\n---\nText.\n", "metadata"),
        ("---\na: !!python/name:os.system\n---\nText.\n", "could not determine a constructor"),
        ("+++\na = \n+++\nText.\n", "Invalid value"),
    ],
)
def test_anything_else_stays_in_the_text(
    text: str, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="retrieve"):
        found = read(text)
    assert (found.text, found.metadata) == (text, {})
    assert (said is None) == (not caplog.messages)
    assert said is None or (said in caplog.messages[0] and "note.md" in caplog.messages[0])


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.dates()
    | st.text("ab: #'-\n", max_size=9)
)


@given(
    st.dictionaries(
        st.text("ab -:", min_size=1), SCALARS | st.lists(SCALARS, max_size=3), min_size=1, max_size=4
    )
)
def test_what_yaml_writes_is_read(metadata: dict[str, Any]) -> None:
    found = read(f"---\n{yaml.safe_dump(metadata)}---\n{BODY}")

    def plain(value: Any) -> Any:
        return (
            [*map(plain, value)]
            if isinstance(value, list)
            else str(value)
            if isinstance(value, date)
            else value
        )

    assert found.metadata == {key: plain(value) for key, value in metadata.items()}
    assert found.text == BODY


def test_a_folder_of_notes_is_filtered_by_it(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(4):
        (notes / f"{number}.md").write_text(
            f"---\ntitle: Note {number}\nyear: {2020 + number}\n---\nThe wing.\n"
        )
    with Index.create(tmp_path / "i", "bm25") as index:
        index.add(open_corpus(notes))
        hits = index.search("wing", where={"year": {"gte": 2022}})
        assert [(hit.doc_id, hit.title, hit.metadata) for hit in hits] == [
            ("2.md", "Note 2", {"year": 2022}),
            ("3.md", "Note 3", {"year": 2023}),
        ]
        assert not index.search("title")
