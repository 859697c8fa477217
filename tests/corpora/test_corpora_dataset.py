"""Benchmarks: BEIR folders (the real ones too) and the ir_datasets catalogue."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieve.corpora.dataset import read_dataset, read_judged
from retrieve.corpora.open import open_corpus
from retrieve.corpora.queries import read_queries
from retrieve.errors import InputError, MissingExtra
from retrieve.types import Document, Query


def real(name: str) -> Path:
    if "RETRIEVE_DATA" not in os.environ:
        pytest.skip(f"RETRIEVE_DATA is not set: {name} was not read")
    return Path(os.environ["RETRIEVE_DATA"]) / name


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "documents", "without_text", "queries", "pairs"),
    [
        ("scifact", 5_183, 0, 1_109, 339),
        ("cranfield", 1_400, 2, 225, 1_837),
        ("vaswani-npl", 11_429, 0, 93, 2_083),
        ("gesetze-long", 650, 0, 434, 434),
    ],
)
def test_real_benchmarks_have_the_published_counts(
    name: str, documents: int, without_text: int, queries: int, pairs: int
) -> None:
    dataset = read_dataset(real(name))
    texts = [document.text for document in dataset.corpus]
    assert dataset.name == name
    assert (len(texts), sum(not text.strip() for text in texts)) == (documents, without_text)
    assert len(dataset.queries) == queries
    assert sum(map(len, dataset.qrels.values())) == pairs
    assert dataset.qrels.keys() <= {query.id for query in dataset.queries}
    assert dataset.corpus.bytes_read == dataset.corpus.bytes_total


@pytest.mark.data
def test_real_files_outside_of_benchmarks() -> None:
    acts = open_corpus(real("eurlex_acts"))
    assert sum("labels" in document.metadata for document in acts) == 1_504
    assert len(read_queries(real("msmarco-topics") / "topics.msmarco-passage.dev-subset.txt")) == 6_980


def test_a_split_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "t"}')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "t"}')
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    with pytest.raises(InputError, match=r"there is no split 'test'; splits in the folder: dev"):
        read_dataset(tmp_path)
    dataset = read_dataset(tmp_path, "dev")
    assert (dataset.queries, dataset.qrels) == ([Query("q", "t")], {"q": {"d": 1}})
    with pytest.raises(InputError, match="is not a folder"):
        read_dataset(tmp_path / "corpus.jsonl")


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A catalogue with two small local collections beside its own."""
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "home"))
    ir_datasets = pytest.importorskip("ir_datasets")
    (tmp_path / "docs.tsv").write_text("d1\tsome text\nd2\tmore\n")
    (tmp_path / "queries.tsv").write_text("q1\twhich text\n")
    (tmp_path / "qrels").write_text("q1 0 d1 2\nq1 0 d2 0\n")
    (tmp_path / "torn").write_text("q1 0 d1 2\nq1 0 d1 1\n")
    paths = {"docs_tsv": str(tmp_path / "docs.tsv"), "queries_tsv": str(tmp_path / "queries.tsv")}
    small = ir_datasets.create_dataset(**paths, qrels_trec=str(tmp_path / "qrels"))
    torn = ir_datasets.create_dataset(**paths, qrels_trec=str(tmp_path / "torn"))
    bare = ir_datasets.create_dataset(**paths)
    monkeypatch.setattr(ir_datasets.registry, "_registered", dict(ir_datasets.registry._registered))
    ir_datasets.registry.register("small", bare)
    ir_datasets.registry.register("small/test", small)
    ir_datasets.registry.register("small/torn", torn)
    yield ir_datasets


@pytest.mark.usefixtures("catalogue")
def test_the_catalogue() -> None:
    assert list(open_corpus("ir_datasets:small")) == [Document("d1", "some text"), Document("d2", "more")]
    assert read_queries("ir_datasets:small") == [Query("q1", "which text")]
    for name in ("small", "small/test"):
        dataset = read_dataset(f"ir_datasets:{name}")
        assert dataset.name == "small/test"
        assert dataset.qrels == {"q1": {"d1": 2, "d2": 0}}
        assert len(list(dataset.corpus)) == 2
    with pytest.raises(InputError, match="ir_datasets:small: has no qrels"):
        read_dataset("ir_datasets:small", "dev")
    with pytest.raises(InputError, match="'d1' is judged twice, differently"):
        read_dataset("ir_datasets:small", "torn")
    with pytest.raises(InputError, match="ir_datasets:nothing/here: ir_datasets cannot give it"):
        list(open_corpus("ir_datasets:nothing/here"))


def test_records_of_the_catalogue_keep_their_fields(catalogue: Any) -> None:
    from retrieve.corpora.irds import _document

    web = catalogue.datasets.msmarco_document.MsMarcoDocument("D1", "http://a", "A title", "A body")
    assert _document(web, "") == Document("D1", "A body", "A title", {"url": "http://a"})
    assert _document(catalogue.formats.TrecDoc("T", "text", "<b>text</b>"), "") == Document("T", "text")


def test_a_missing_catalogue_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(MissingExtra, match=r"retrieve-engine\[eval\]"):
        list(open_corpus("ir_datasets:small"))


def test_judgments_of_all_splits_are_united(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "air"}\n{"_id": "e", "text": "sea"}\n')
    queries = "".join(f'{{"_id": "{name}", "text": "what"}}\n' for name in "pqr")
    (tmp_path / "queries.jsonl").write_text(queries)
    (tmp_path / "qrels").mkdir()
    with pytest.raises(InputError, match="splits in the folder: none"):
        read_judged(tmp_path)
    header = "query-id\tcorpus-id\tscore\n"
    (tmp_path / "qrels" / "test.tsv").write_text(header + "p\td\t1\nq\te\t2\n")
    (tmp_path / "qrels" / "train.tsv").write_text(header + "q\td\t1\n")
    data = read_judged(tmp_path)
    assert data.qrels == {"p": {"d": 1}, "q": {"d": 1, "e": 2}}
    assert [query.id for query in data.queries] == ["p", "q"]
    (tmp_path / "qrels" / "train.tsv").write_text(header + "z\td\t1\n")
    with pytest.raises(InputError, match="1 judged queries have no text, the first is 'z'"):
        read_judged(tmp_path)
