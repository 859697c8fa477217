"""What a search says beside its hits: operators that are none, stop words alone, filters that select nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from retrieve import Document, Index
from retrieve.cli import main

NONE = "has no meaning of its own"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("remarks") / "laws.index"
    with Index.create(path, "bm25") as index:
        index.add(
            [
                Document("1", "The carrier is liable.", "", {"year": "2015", "score": 1, "tags": ["a"]}),
                Document("2", "The will was executed by a widow.", "", {"court": "High Court"}),
            ]
        )
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.mark.parametrize("query", ['"liable carrier"', "carrier NOT liable", "carrier AND liable", "carr*"])
def test_what_looks_like_an_operator_is_named(index: Path, query: str) -> None:
    assert NONE in run("search", index, query).stderr


@pytest.mark.parametrize(
    "query", ["carrier and liable", "CARRIER AND LIABLE", "5 * 3", "the carrier's liability"]
)
def test_words_are_no_operators(index: Path, query: str) -> None:
    assert NONE not in run("search", index, query).stderr


def test_stop_words_alone_find_nothing_and_that_is_said(index: Path) -> None:
    assert "every word of 'will' is a stop word" in run("search", index, "will").stderr
    assert "stop word" not in run("search", index, "zebra").stderr
    assert "stop word" not in run("search", index, "will", "widow").stderr
    assert "there is no word in '???', and so nothing to look for" in run("search", index, "???").stderr


def test_a_filter_that_selects_nothing_says_what_the_field_holds(index: Path) -> None:
    said = run("search", index, "carrier", "--where", '{"year": 2015}').stderr
    assert 'the filter selects no document; year is "2015" in 1' in said
    said = run("search", index, "widow", "--where", '{"court": "high court"}').stderr
    assert 'court is "High Court" in 2' in said
    assert "selects no document" not in run("search", index, "zebra", "--where", '{"year": "2015"}').stderr


def test_a_table_has_the_metadata(index: Path) -> None:
    rows = list(csv.DictReader(run("search", index, "carrier", "--csv").stdout.splitlines()))
    assert [(row["id"], row["year"], row["metadata.score"], row["tags"]) for row in rows] == [
        ("1", "2015", "1", '["a"]')
    ]


def test_ids_of_all_and_of_those_that_a_filter_selects(index: Path) -> None:
    assert run("index", "ids", index).stdout.split() == ["1", "2"]
    found = run("index", "ids", index, "--where", '{"year": "2015"}', "--json")
    assert json.loads(found.stdout)["ids"] == ["1"]


def test_an_index_of_nearly_that_name_is_named(index: Path) -> None:
    result = run("search", index.with_name("lawz.index"), "carrier")
    assert result.exit_code == 1
    assert "did you mean 'laws.index'" in result.stderr


def test_an_explanation_is_on_no_page(index: Path, tmp_path: Path) -> None:
    result = run("search", index, "carrier", "--explain", "--html", tmp_path / "page.html")
    assert result.exit_code == 2
    assert "--explain" in result.stderr
