"""Documents found by more than their own words: the same answers as if the words stood there, and nothing more."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from toy_index import corpus, make_index, toy_recipe

from retrieve import Document, Index
from retrieve.cli import main
from retrieve.corpora.expansions import read_expansions
from retrieve.errors import FormatTooNew, InputError, UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.store import manifest
from retrieve.types import Query

WHOLE = {"name": "whole", "passages": {"unit": "words", "mode": "whole"}, "bm25": {}}
DOCUMENTS, VECTORS = corpus(40, seed=5)
EXPANSIONS = {document.id: f"extra{int(document.id) % 5} wing" for document in DOCUMENTS[::3]}


def as_text(documents: list[Document], expansions: dict[str, str]) -> list[Document]:
    """What whole documents are indexed by, if the words stood in them."""
    return [
        Document(each.id, f"{each.text} {expansions.get(each.id, '')}", each.title, each.metadata)
        for each in documents
    ]


def answers(index: Index) -> Any:
    """Ids and scores of some queries, some of which only expansions answer."""
    queries = [Query(text, text) for text in ("wing", "extra1 flow", "extra4", "court extra2 extra3")]
    return index.run(queries).rankings


def test_bm25_finds_them_as_if_the_words_stood_there(tmp_path: Path) -> None:
    with Index.create(tmp_path / "one", WHOLE) as index, Index.create(tmp_path / "two", WHOLE) as other:
        index.add(DOCUMENTS, expansions=EXPANSIONS)
        other.add(as_text(DOCUMENTS, EXPANSIONS))
        assert answers(index) == answers(other)
        assert index.info()["expanded_documents"] == len(EXPANSIONS) and index.verify() == []
        hit = index.search("extra3")[0]
        assert "extra" not in json.dumps([hit.metadata, [each.text for each in hit.passages], hit.title])
        found = index.get(hit.doc_id)
        assert found is not None and found.expansion == EXPANSIONS[hit.doc_id]
        assert found.text == next(each.text for each in DOCUMENTS if each.id == hit.doc_id)


def test_they_stay_through_updates_deletions_and_merges(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Index.create(tmp_path / "fresh", WHOLE) as fresh:
        left = [each for each in DOCUMENTS if each.id not in ("0", "1")]
        fresh.add(
            left,
            expansions={name: text for name, text in EXPANSIONS.items() if name != "0"} | {"5": "extra4"},
        )
        wanted, count = answers(fresh), fresh.info()["expanded_documents"]
    with Index.create(tmp_path / "i", WHOLE, ["segments.merge_factor=0"]) as index:
        for part in range(4):
            index.add(DOCUMENTS[part::4], expansions=EXPANSIONS | {"5": "first"})
        assert index.add(DOCUMENTS[5:6], expansions={"5": "extra4"}).updated == 1, "another file is an update"
        assert index.add(DOCUMENTS[5:6], expansions={"5": "extra4"}).unchanged == 1
        index.delete(["0", "1"])
        assert answers(index) == wanted and index.info()["expanded_documents"] == count
        index.merge()
        assert answers(index) == wanted and index.info()["expanded_documents"] == count
        assert index.verify() == [] and index.info()["segments"] == 1
        with caplog.at_level(logging.WARNING, "retrieve"):
            assert index.add([DOCUMENTS[6]]).updated == 1, "a document is what it was given as last"
        assert "1 documents lost their expansions" in caplog.text
        assert index.info()["expanded_documents"] == count - 1
        with index.writer() as writer:  # a change of metadata that read what was there
            kept = index.get("9")
            assert kept is not None
            writer.add([Document("9", kept.text, kept.title, {"new": 1}, kept.expansion)])
        assert index.info()["expanded_documents"] == count - 1


def test_every_passage_has_them_and_they_choose_no_passage(tmp_path: Path) -> None:
    recipe = toy_recipe(views=("bm25",))
    long = Document("long", "one two three four five six wing heat flow court act law")
    encoder = PassageEncoder(recipe)
    expanded = Document(long.id, long.text, expansion="extra five")
    spans = encoder.split([long])[0].spans
    plain, more = (list(encoder.term_texts(document, spans)) for document in (long, expanded))
    assert more == [[text, "extra five"] for text, _ in plain] and len(plain) == 2
    assert encoder.fed(expanded, spans) == encoder.fed(long, spans), "nothing of it is encoded"
    with Index.create(tmp_path / "i", recipe) as index:
        index.add([expanded])
        assert index.search("extra wing")[0].passages[0].position == 1


def test_a_new_expansion_keeps_the_vectors(tmp_path: Path) -> None:
    with make_index(tmp_path / "i", DOCUMENTS, VECTORS, toy_recipe()) as index:
        before = index.vectors([DOCUMENTS[0].id]).vectors
        added = index.add(
            DOCUMENTS, expansions=EXPANSIONS
        )  # vectors of the caller's own cannot be made again
        assert added.updated == len(EXPANSIONS) and added.unchanged == 40 - len(EXPANSIONS)
        assert (index.vectors([DOCUMENTS[0].id]).vectors == before).all()
        assert {hit.doc_id for hit in index.search("extra0", using="bm25")} <= EXPANSIONS.keys()


def test_without_any_an_index_has_the_bytes_it_always_had(tmp_path: Path) -> None:
    for name, expansions in (("none", None), ("empty", {"0": ""})):
        with Index.create(tmp_path / name, WHOLE) as index:
            index.add(DOCUMENTS, expansions=expansions)
    first, second = ((tmp_path / name / "manifest.json").read_bytes() for name in ("none", "empty"))
    assert first == second and b"expanded" not in first
    with Index.create(tmp_path / "some", WHOLE) as index:
        index.add(DOCUMENTS, expansions=EXPANSIONS)
    assert b'"expanded":14' in (tmp_path / "some" / "manifest.json").read_bytes()


def test_a_version_that_does_not_know_them_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Index.create(tmp_path / "i", WHOLE) as index:
        index.add(DOCUMENTS, expansions=EXPANSIONS)
    data = (tmp_path / "i" / "manifest.json").read_text().replace('"expanded":14', '"unheard_of":14')
    values = json.loads(data)
    del values["checksum"]
    (tmp_path / "i" / "manifest.json").write_bytes(manifest.seal_object(values))
    with pytest.raises(FormatTooNew, match="unheard_of"):
        Index.open(tmp_path / "i")


def test_what_is_of_no_use_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    strangers = {f"nobody{number}": "x" for number in range(7)}
    with Index.create(tmp_path / "i", WHOLE) as index, caplog.at_level(logging.WARNING, "retrieve"):
        index.add([Document("a", "wing"), Document("b", " ")], expansions={"a": "x", "b": "y", **strangers})
        said = " ".join(record.getMessage() for record in caplog.records)
        assert (
            "7 of 9 expansions are of no document: 'nobody0', 'nobody1'" in said and "'nobody5'" not in said
        )
        assert "1 expanded documents have no text" in said
        with pytest.raises(UsageError, match="wanted a mapping"):
            index.add([Document("c", "wing")], expansions=["x"])  # type: ignore[arg-type]
        with pytest.raises(InputError, match="expansion is a number"):
            index.add([Document("c", "wing")], expansions={"c": 3})  # type: ignore[dict-item]
        assert "c" not in index


@pytest.mark.parametrize("form", ["jsonl", "tsv", "gz"])
def test_files(tmp_path: Path, form: str) -> None:
    lines = (
        ["a\tone two", "b\t"]
        if form == "tsv"
        else ['{"id": "a", "text": "one two"}', '{"_id": "b", "text": ""}']
    )
    data = "\n".join(lines).encode()
    path = tmp_path / f"expansions.{form}"
    path.write_bytes(gzip.compress(data) if form == "gz" else data)
    assert read_expansions(path) == {"a": "one two", "b": ""}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "a", "text": "x", "title": "t", "n": 1}', "not n, title"),
        ('{"id": "a"}', 'no "text"'),
        ('{"id": "b", "text": ""}', "occurs again"),
    ],
)
def test_faulty_files_are_refused(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "expansions.jsonl"
    path.write_text('{"id": "b", "text": "x"}\n' + line + "\n")
    with pytest.raises(InputError, match=said) as caught:
        read_expansions(path)
    assert "expansions.jsonl:2" in str(caught.value)


def test_from_the_command_line(tmp_path: Path) -> None:
    source, more = tmp_path / "corpus.jsonl", tmp_path / "more.tsv"
    source.write_text("\n".join(json.dumps({"id": each.id, "text": each.text}) for each in DOCUMENTS) + "\n")
    more.write_text("".join(f"{name}\t{text}\n" for name, text in EXPANSIONS.items()))
    place = str(tmp_path / "made.index")
    asked = ["index", "create", place, str(source), "--recipe", "bm25", "--expansions", str(more), "--json"]
    made = CliRunner().invoke(main, asked, catch_exceptions=False)
    assert json.loads(made.stdout)["expanded_documents"] == len(EXPANSIONS)
    more.write_text("0\textra9\nnobody\tx\n")
    again = CliRunner().invoke(
        main, ["index", "add", place, str(source), "--expansions", str(more), "--json"]
    )
    told = json.loads(again.stdout)
    assert (told["updated"], told["expanded_documents"]) == (len(EXPANSIONS), 1)
    assert "1 of 2 expansions are of no document: 'nobody'" in again.stderr
